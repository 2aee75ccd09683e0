//! Check `workload-present`.

use super::{WORKLOAD_KINDS, check_each_workload};
use crate::checks::check_context::CheckContext;
use crate::checks::releases::release_objects_present::reapply_command;
use crate::model::check::{Card, CheckResult, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "workload-present",
    section: Section::Workloads,
    title: "every workload of the releases exists",
    level: Level::Error,
    why: "The release's manifest names it, yet it is not there: somebody deleted it, and helm does not notice until the next upgrade.",
    fix: "Put it back: repeat the upgrade to the installed version, or helm rollback to the current revision.",
};

/// Whether each Deployment, StatefulSet and DaemonSet of the manifests is there.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_workload(context, &CARD, &WORKLOAD_KINDS, |object, live| {
        let hint = reapply_command(context);
        live.is_none()
            .then(|| CARD.finding(object.to_string(), "stands in the release's manifest and is not there", hint))
    })
}
