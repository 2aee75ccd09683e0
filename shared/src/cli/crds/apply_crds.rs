//! `helm mural crds apply CHART`: the guarded apply of CRDs, without a release.

use std::time::Instant;

use crate::ask::{
    AllowedActions, BackupMode, Installation, OwnerMode, ReleaseTarget, UpgradeScope, UpgradeSpec, parse_duration,
};
use crate::cli::confirmation::{confirm_field_loss, confirm_or_report};
use crate::cli::environment::{read_environment, state_dir};
use crate::cli::run_limits::RunLimits;
use crate::cli::signals::Signals;
use crate::cli::{Stream, show_to_operator, style_for};
use crate::model::chart::ChartRef;
use crate::prepare::only_crds::retain_crd_steps;
use crate::prepare::prepare;
use crate::prepare::prepared::{Environment, Prepared, RunMode};
use crate::prepare::waivers_file;
use crate::problem::{Exit, Problem};
use crate::report::{plan, upgrade_result};
use crate::run::run as perform;

use crate::cli::crds::build_event_printer;
use crate::cli::crds::crds_error::CrdsError;
use crate::cli::crds::flags::ApplyFlags;
use crate::cli::crds::helm_env::HelmEnv;

/// The application chart. It is never fetched, because the request has no version for it.
const APPLICATION_CHART: &str = "oci://public.ecr.aws/mural/mural";

/// Prepares the plan, shows it, asks for the confirmation, applies the CRDs and verifies them.
pub(crate) async fn run(helm_env: &HelmEnv, flags: &ApplyFlags) -> Result<Exit, Problem> {
    let began = Instant::now();
    let mode = flags.write.to_write_mode();
    mode.require_terminal("")?;
    let ask = build_ask(helm_env, flags)?;
    // CRDs have no terminal reasons, so only the timeout ends a wait.
    let limits = RunLimits::parse(&flags.timeout, &flags.timeout, &flags.wait_for_lock)?;
    let run_mode = RunMode::new(mode.can_write(), limits.wait_for_lock);
    let env = read_environment(helm_env.registry_config.as_deref(), run_mode)?;
    let env = Environment { backup: BackupMode::Enabled, ..env };
    let mut options = limits.to_run_options(&env, began, None);
    let (mut signals, emit) = (Signals::new()?, build_event_printer(flags.output.style));
    let mut prepared = prepare_and_show(&ask, &env, flags, &mut signals).await?;
    let is_confirmed = signals.run_read_only(confirm_field_loss(&prepared, mode)).await?;
    if is_confirmed {
        let allowed_actions = AllowedActions { field_loss: true, ..ask.allowed_actions };
        drop(prepared);
        prepared = prepare_and_show(&UpgradeSpec { allowed_actions, ..ask }, &env, flags, &mut signals).await?;
    }
    if mode.can_write() && (is_confirmed || flags.allow_field_loss) {
        options.loss_backup = Some(state_dir().ok_or(CrdsError::NoBackupFolder)?);
    }
    let report = match signals.run_read_only(confirm_or_report(&prepared, &options, mode)).await? {
        Some(report) => report,
        None => signals.run_writing(&options.stop, perform(&prepared, &options, &emit)).await?,
    };
    let style = style_for(Stream::Stdout, flags.output.style);
    Stream::Stdout.write(&flags.output.output.render(&report, || upgrade_result::render(&report, style))?);
    Ok(Exit::from_code(report.exit_code))
}

/// Prepares the plan of the CRDs and shows it.
async fn prepare_and_show(
    ask: &UpgradeSpec,
    env: &Environment,
    flags: &ApplyFlags,
    signals: &mut Signals,
) -> Result<Prepared, Problem> {
    let emit = build_event_printer(flags.output.style);
    let prepared = signals.run_read_only(prepare(ask.clone(), env.clone(), &emit)).await?;
    let Some(prepared) = retain_crd_steps(prepared) else {
        return Err(CrdsError::NoVersion(flags.chart.chart.clone()).into());
    };
    if prepared.work.crds().is_empty() {
        return Err(CrdsError::NoCrd(flags.chart.chart.clone()).into());
    }
    let plan_text = plan::render(&prepared.plan, style_for(Stream::Stdout, flags.output.style));
    show_to_operator(&plan_text, flags.output.output.into());
    Ok(prepared)
}

fn build_ask(helm_env: &HelmEnv, flags: &ApplyFlags) -> Result<UpgradeSpec, Problem> {
    let chart = |text: &str| ChartRef::parse(text).map_err(CrdsError::ChartRef);
    let installation = Installation {
        namespace: helm_env.namespace.clone(),
        crds_release: flags.crds_release.clone(),
        app_release: "mural".to_owned(),
        cluster: helm_env.cluster.clone(),
    };
    let timeout = parse_duration("--timeout", &flags.timeout)?;
    let spec = UpgradeSpec::new(installation, chart(&flags.chart.chart)?, chart(APPLICATION_CHART)?, timeout);
    Ok(UpgradeSpec {
        crds: ReleaseTarget { version: flags.chart.version.clone(), ..spec.crds },
        crds_values: flags.chart.values.to_crds_values(),
        // The command refuses CRDs that Flux or Argo CD owns: they must be changed through the owner.
        mode: OwnerMode::Helm,
        scope: UpgradeScope::CrdsOnly,
        registry: helm_env.registry_access(flags.chart.plain_http, flags.chart.ca_file.clone()),
        allowed_actions: AllowedActions {
            downgrade: flags.allow_downgrade,
            foreign_downgrade: flags.allow_foreign_downgrade,
            migrate: flags.migrate,
            field_loss: flags.allow_field_loss,
            untried_conversion: flags.allow_untried_conversion,
            ..AllowedActions::default()
        },
        server_dry_runs: flags.write.to_write_mode().asks_server(),
        waivers: waivers_file::read_waivers(flags.waivers.as_deref())?,
        ..spec
    })
}
