//! Health check `workload-present`: requires every workload of the releases.

use super::{WORKLOAD_KINDS, check_each_workload};
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::checks::releases::release_objects_present::reapply_command;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::health_inputs::ReadScope;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "workload-present",
    section: Section::Workloads,
    title: "every workload of the releases",
    level: Level::Error,
    why: "The workload is in the manifest of the release but was deleted. helm does not notice until the next upgrade.",
    fix: "Repeat the upgrade to the installed version, or run helm rollback to the current revision.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::OtherNamespaces], heals_with_time: false, run: check };

/// Whether each Deployment, StatefulSet and DaemonSet of the manifests is there.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_workload(context, &CARD, &WORKLOAD_KINDS, |object, live| {
        let hint = reapply_command(context);
        live.is_none()
            .then(|| CARD.finding(object.to_string(), "is in the manifest of the release but does not exist", hint))
    })
}
