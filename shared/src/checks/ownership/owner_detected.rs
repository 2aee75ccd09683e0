//! Check `owner-detected`.

use super::unknown_owner;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::owner::Owner;

/// The card.
pub static CARD: Card = Card {
    id: "owner-detected",
    section: Section::Ownership,
    title: "each release has an owner: Helm, Flux or Argo CD",
    level: Level::Error,
    why: "The owner decides how an upgrade is made: what Helm writes by hand, Flux or Argo CD would put back. Where there is no owner, the chart is not installed here.",
    fix: "Name the right namespace and releases (--namespace, --release, --crds-release), or install the chart.",
};

/// Whether the CRDs are there without a release of theirs: so the page's manual path leaves them.
fn is_applied_by_kubectl(context: &CheckContext<'_>, release: &str) -> bool {
    let app = context.owner(context.app_release).is_some_and(|owner| *owner != Owner::NotInstalled);
    release == context.crds_release && app && context.inventory.live_crds(context.view).next().is_some()
}

fn build_finding(context: &CheckContext<'_>, release: &str) -> Finding {
    let message = "has no record: its CRDs were applied without helm, so helm status does not know them";
    let hint =
        format!("kubectl mural upgrade with --crds records it; helm history {release} -n {}", context.namespace());
    Finding { level: Level::Info, ..CARD.finding(format!("release {release}"), message, hint) }
}

/// Whether somebody keeps each release. CRDs that kubectl applied without a release are a note.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    for (_, release) in context.releases() {
        match context.owner(release) {
            Some(Owner::NotInstalled) if is_applied_by_kubectl(context, release) => {
                result.record([build_finding(context, release)])
            }
            Some(Owner::NotInstalled) => {
                let message = format!("is not installed in namespace {}", context.namespace());
                result.record([CARD.finding(format!("release {release}"), message, "helm list --all-namespaces")]);
            }
            Some(Owner::Undetermined { reason }) => result.record_failure(&unknown_owner(release, reason)),
            Some(Owner::Helm | Owner::Flux { .. } | Owner::Appliance { .. } | Owner::Argo { .. }) => {
                result.record(None);
            }
            None => result.record_failure(&unknown_owner(release, "nobody looked")),
        }
    }
    result.build()
}
