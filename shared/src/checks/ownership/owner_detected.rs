//! Health check `owner-detected`: requires an owner of each release: Helm, Flux or Argo CD.

use super::unknown_owner;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::owner::Owner;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "owner-detected",
    section: Section::Ownership,
    title: "an owner of each release: Helm, Flux or Argo CD",
    level: Level::Error,
    why: "The owner decides how to upgrade: Flux and Argo CD revert changes that helm makes. Without an owner, the \
        chart is not installed here.",
    fix: "Select the namespace and the releases (--namespace, --release, --crds-release), or install the chart.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Whether the CRDs exist without a release, as after the manual path of the vendor's upgrade guide.
fn is_applied_by_kubectl(context: &CheckContext<'_>, release: &str) -> bool {
    let app = context.owner(context.app_release).is_some_and(|owner| *owner != Owner::NotInstalled);
    release == context.crds_release && app && context.inventory.live_crds(context.view).next().is_some()
}

fn build_finding(context: &CheckContext<'_>, release: &str) -> Finding {
    let message = "has no release record: its CRDs were applied without helm";
    let hint = format!(
        "run kubectl mural upgrade with --crds to record it; helm history {release} -n {}",
        context.namespace()
    );
    Finding { level: Level::Info, ..CARD.finding(format!("release {release}"), message, hint) }
}

/// Checks that each release has an owner. CRDs that kubectl applied without a release are an info.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    for (_, release) in context.releases() {
        match context.owner(release) {
            Some(Owner::NotInstalled) if is_applied_by_kubectl(context, release) => {
                result.record([build_finding(context, release)]);
            }
            Some(Owner::NotInstalled) => {
                let message = format!("is not installed in namespace {}", context.namespace());
                result.record([CARD.finding(format!("release {release}"), message, "helm list --all-namespaces")]);
            }
            Some(Owner::Undetermined { reason }) => result.record_failure(&unknown_owner(release, reason)),
            Some(Owner::Helm | Owner::Flux { .. } | Owner::Appliance { .. } | Owner::Argo { .. }) => {
                result.record(None);
            }
            None => result.record_failure(&unknown_owner(release, "the owner was not read")),
        }
    }
    result.build()
}
