//! Health check `crd-foreign-owner`: requires CRDs of the chart that no other installation owns.

use crate::checks::check_context::CheckContext;
use crate::checks::crd_health::check_each_crd;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::crd::Crd;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-foreign-owner",
    section: Section::Crds,
    title: "CRDs of the chart that no other installation owns",
    level: Level::Warning,
    why: "The chart contains CRDs of Flux and Open Cluster Management. If another release, a Kustomization or an \
        Argo CD Application also manages one, the two revert each other, and an upgrade of either can install an \
        older version.",
    fix: "Use one owner for the CRD: remove it from the other chart, or use the same version in both. The guard \
        foreign-downgrade of kubectl mural upgrade refuses an older version.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Reports live CRDs with labels or annotations of an owner other than the two releases.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_crd(context, &CARD, |crd| {
        let keeper = find_other_owner(context, crd)?;
        let hint = build_hint(crd);
        Some(CARD.finding(format!("CRD {}", crd.name()), format!("is also managed by {keeper}"), hint))
    })
}

/// A hint, because the metadata can outlive the installation that set it.
fn build_hint(crd: &Crd) -> String {
    let name = crd.name();
    let look = format!("kubectl get crd {name} --show-managed-fields --output yaml");
    match crd.annotation("meta.helm.sh/release-name") {
        Some(_) => format!(
            "{look}; if that release no longer exists: kubectl annotate crd {name} meta.helm.sh/release-name- meta.helm.sh/release-namespace-"
        ),
        None => look,
    }
}

fn find_other_owner(context: &CheckContext<'_>, crd: &Crd) -> Option<String> {
    let (namespace, name) =
        (crd.annotation("meta.helm.sh/release-namespace"), crd.annotation("meta.helm.sh/release-name"));
    if let Some(name) = name {
        let namespace = namespace.unwrap_or_default();
        let ours = context.releases().iter().any(|(_, release)| *release == name) && namespace == context.namespace();
        if !ours {
            return Some(format!("release {namespace}/{name}"));
        }
    }
    let label = |key: &str| crd.json().pointer("/metadata/labels")?.get(key)?.as_str();
    if let Some(name) = label("kustomize.toolkit.fluxcd.io/name") {
        let namespace = label("kustomize.toolkit.fluxcd.io/namespace").unwrap_or_default();
        return Some(format!("Kustomization {namespace}/{name}"));
    }
    crd.annotation("argocd.argoproj.io/tracking-id")
        .map(|id| format!("Argo CD ({})", id.split(':').next().unwrap_or(id)))
}
