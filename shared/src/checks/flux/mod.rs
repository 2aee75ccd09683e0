//! Flux: the sources, the HelmReleases that make our releases, and the controllers behind them.

pub mod flux_controllers_run;
pub mod flux_crds_policy;
pub mod flux_ordering;
pub mod flux_release_ready;
pub mod flux_revision;
pub mod flux_source_ready;
pub mod flux_source_version;
pub mod flux_suspended;

use super::gathered::{Gathered, skipped, undetermined};
use super::seen::Seen;
use crate::ask::expect::Role;
use crate::model::check::{Card, Checked};
use crate::model::flux::{FluxRef, HelmRelease, Source};
use crate::model::view::Looked;

/// The HelmReleases that make our releases; or the answer, where there is none or they could not be read.
fn helm_releases<'a>(seen: &'a Seen<'_>, card: &'static Card) -> Result<&'a [HelmRelease], Checked> {
    match &seen.view.flux.helm_releases {
        Err(not_seen) => Err(undetermined(card, not_seen)),
        Ok(all) if all.is_empty() => Err(skipped(card, "no HelmRelease makes the releases")),
        Ok(all) => Ok(all),
    }
}

/// The HelmRelease that makes one of the two releases.
fn maker<'a>(seen: &'a Seen<'_>, role: Role) -> Option<&'a HelmRelease> {
    let release = if role == Role::Crds { seen.crds_release } else { seen.app_release };
    seen.view.flux.maker(release, seen.namespace())
}

/// Asks each source that was looked for; one that is not there with `None`.
fn each_source(
    seen: &Seen<'_>,
    card: &'static Card,
    judge: impl Fn(&FluxRef, Option<&Source>) -> Vec<crate::model::check::Finding>,
) -> Checked {
    if let Err(answer) = helm_releases(seen, card) {
        return answer;
    }
    let mut gathered = Gathered::new(card);
    for (named, source) in &seen.view.flux.sources {
        let source: &Looked<Option<Source>> = source;
        match source {
            Err(not_seen) => gathered.not_seen(not_seen),
            Ok(source) => gathered.looked(judge(named, source.as_ref())),
        }
    }
    gathered.skipped("the HelmReleases name no source");
    gathered.checked()
}
