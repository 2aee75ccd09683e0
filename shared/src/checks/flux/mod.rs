//! Health checks of Flux: the sources and HelmReleases of the two releases, and the controllers that reconcile them.
//!
//! They are skipped if no HelmRelease manages a release. Other Flux objects of the cluster are left out.

pub mod flux_controllers_ready;
pub mod flux_depends_on;
pub mod flux_release_crds_policy;
pub mod flux_release_ready;
pub mod flux_revision;
pub mod flux_source_ready;
pub mod flux_source_version;
pub mod flux_suspended;

use super::check_context::CheckContext;
use super::check_result_builder::{CheckResultBuilder, skipped_result, undetermined_result};
use crate::model::check::{Card, CheckResult};
use crate::model::cluster_view::Observed;
use crate::model::flux::{FluxRef, FluxSource, HelmRelease};
use crate::model::release_role::ReleaseRole;

/// The HelmReleases of the releases; or the result of the check, if there are none or they could not be read.
fn helm_releases<'a>(context: &'a CheckContext<'_>, card: &'static Card) -> Result<&'a [HelmRelease], CheckResult> {
    match &context.view.flux.helm_releases {
        Err(failure) => Err(undetermined_result(card, failure)),
        Ok(all) if all.is_empty() => Err(skipped_result(card, "no HelmRelease manages the releases")),
        Ok(all) => Ok(all),
    }
}

/// The HelmRelease of one of the two releases.
fn find_helm_release<'a>(context: &'a CheckContext<'_>, role: ReleaseRole) -> Option<&'a HelmRelease> {
    let release = if role == ReleaseRole::Crds { context.crds_release } else { context.app_release };
    context.view.flux.sole_helm_release(release, context.namespace())
}

/// Calls the function for each referenced source; with `None` for a missing one.
fn check_each_source(
    context: &CheckContext<'_>,
    card: &'static Card,
    judge: impl Fn(&FluxRef, Option<&FluxSource>) -> Vec<crate::model::check::Finding>,
) -> CheckResult {
    if let Err(answer) = helm_releases(context, card) {
        return answer;
    }
    let mut result = CheckResultBuilder::new(card);
    for (object_ref, source) in &context.view.flux.sources {
        let source: &Observed<Option<FluxSource>> = source;
        match source {
            Err(failure) => result.record_failure(failure),
            Ok(source) => result.record(judge(object_ref, source.as_ref())),
        }
    }
    result.record_skip("the HelmReleases refer to no source");
    result.build()
}
