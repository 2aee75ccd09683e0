//! helm, kubectl and we talk to the same cluster.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "same-cluster",
    section: Section::Guards,
    title: "helm, kubectl and this plugin talk to one cluster",
    level: Level::Error,
    why: "Each of the three reads the kubeconfig for itself; judged on one cluster and written on another would be the worst upgrade of all.",
    fix: "Name the cluster once for all: --kubeconfig and --context, and unset HELM_KUBECONTEXT and HELM_KUBEAPISERVER.",
};

/// The guard: the uid of `kube-system` as each of them sees it.
#[must_use]
pub fn check(admission: &GuardContext<'_>) -> CheckResult {
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
            format!("talks to another cluster: {theirs}, not {here} of context {}", admission.view.cluster.context),
            CARD.fix,
        )
    });
    CheckResult::new(&CARD, 3, Verdict::from_findings(findings.collect()))
}
