//! `kubectl mural upgrade images`: lists the charts and images of both releases after the upgrade.

use crate::ask::UpgradeSpec;
use crate::cli::Stream;
use crate::cli::environment::read_environment;
use crate::cli::signals::Signals;
use crate::cli::upgrade::flags::ImagesFlags;
use crate::cli::upgrade::upgrade_error::UpgradeError;
use crate::prepare::image_list::{DigestLookup, list_images};
use crate::prepare::prepare;
use crate::prepare::prepared::RunMode;
use crate::problem::{Exit, Problem};
use crate::report::event::Event;

/// Prepares the upgrade without dry-run requests, and prints the list.
pub(crate) async fn images(flags: &ImagesFlags) -> Result<Exit, Problem> {
    let upgrade = &flags.upgrade;
    let asked = upgrade.to_ask()?;
    let lookup = if asked.check_images { DigestLookup::Registries } else { DigestLookup::Skipped };
    // Neither the dry runs nor the image check of the plan is shown.
    let ask = UpgradeSpec { server_dry_runs: false, check_images: false, ..asked };
    let limits = upgrade.run_flags.to_limits()?;
    let env = read_environment(upgrade.registry.registry_config.as_deref(), RunMode::new(false, limits.wait_for_lock))?;
    let progress = upgrade.run_flags.to_progress();
    let emit = |event: Event| progress.show_event(&event);
    let list = Signals::new()?
        .run_read_only(async {
            let prepared = prepare(ask, env, &emit).await?;
            let Some(work) = prepared.work.as_upgrade() else {
                return Err(Problem::from(UpgradeError::NoWork));
            };
            Ok(list_images(&prepared, work, lookup).await)
        })
        .await?;
    progress.finish();
    let text = match upgrade.run_flags.output.is_text() {
        true => list.render_table(),
        false => upgrade.run_flags.output.render_data(&list)?,
    };
    Stream::Stdout.write(&text);
    Ok(Exit::Success)
}
