//! Whether helm, kubectl and this plugin are connected to the same cluster.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "same-cluster",
    section: Section::Guards,
    title: "helm, kubectl and this plugin to connect to the same cluster",
    level: Level::Error,
    why: "Each program reads the kubeconfig on its own. Otherwise, one cluster is checked and another one is changed.",
    fix: "Set --kubeconfig and --context, and unset HELM_KUBECONTEXT and HELM_KUBEAPISERVER.",
};

/// The tasks that it applies to.
pub const GUARD: Guard =
    Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::Rollback, Task::Repair, Task::ApplyCrds], check };

/// Compares the uid of the namespace `kube-system` that each of them reads.
#[must_use]
fn check(admission: &GuardContext<'_>) -> CheckResult {
    let cluster_uids = [
        ("this plugin", &admission.view.cluster.uid),
        ("kubectl", &admission.kubectl_cluster_uid),
        ("helm", &admission.helm_cluster_uid),
    ];
    let unseen: Vec<String> =
        cluster_uids.iter().filter_map(|(who, uid)| uid.as_ref().err().map(|error| format!("{who} {error}"))).collect();
    if !unseen.is_empty() {
        return CheckResult::new(&CARD, 3, Verdict::Undetermined { reason: unseen.join("; ") });
    }
    let ours = admission.view.cluster.uid.as_ref().ok();
    let others = cluster_uids.iter().filter(|(_, uid)| uid.as_ref().ok() != ours);
    let findings = others.map(|(who, uid)| {
        let theirs = uid.as_ref().map_or("", String::as_str);
        let here = ours.map_or("", String::as_str);
        CARD.finding(
            *who,
            format!(
                "is connected to another cluster: {theirs}, not {here} of context {}",
                admission.view.cluster.context
            ),
            CARD.fix,
        )
    });
    CheckResult::new(&CARD, 3, Verdict::from_findings(findings.collect()))
}
