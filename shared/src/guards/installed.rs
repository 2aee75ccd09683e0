//! Whether the namespace and the application release exist, so that an upgrade never installs by accident.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::model::release_status::ReleaseStatus;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "installed",
    section: Section::Guards,
    title: "an installation to upgrade",
    level: Level::Error,
    why: "Without an installation, the upgrade would install the product, most likely in the wrong context or \
        namespace.",
    fix: "Select the installation with --context, --namespace, --release and --crds-release.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Fails if the namespace or the application release is missing, or if only the history of the release is left. The CRD chart may have no release: the vendor's upgrade guide
/// applies it with kubectl.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let hub = &context.view.cluster;
    let judge = || -> Result<Verdict, String> {
        let namespace = hub.namespace_exists.as_ref().map_err(ToString::to_string)?;
        if !namespace {
            let message = format!("does not exist on {}", hub.context);
            let finding = CARD.finding(
                format!("namespace {}", hub.namespace),
                message,
                "kubectl get namespaces; then set --namespace",
            );
            return Ok(Verdict::from_findings(vec![finding]));
        }
        let newest = context.view.newest_revision(context.app_release).map_err(ToString::to_string)?;
        match newest {
            Some(record) if record.status == ReleaseStatus::Uninstalled => {
                return Ok(Verdict::from_findings(vec![build_uninstalled_finding(context, record)]));
            }
            Some(_) => return Ok(Verdict::Pass),
            None => {}
        }
        if let Some(Owner::Argo { application }) = context.view.owners.get(context.app_release) {
            let reason = format!("Argo CD creates no helm release: the Application {application} is the installation");
            return Ok(Verdict::Skipped { reason });
        }
        let message = format!("is not in namespace {}", hub.namespace);
        let hint = "helm list --all-namespaces; then set --namespace and --release. For a first installation, use helm install";
        Ok(Verdict::from_findings(vec![CARD.finding(format!("release {}", context.app_release), message, hint)]))
    };
    CheckResult::new(&CARD, 2, judge().unwrap_or_else(|reason| Verdict::Undetermined { reason }))
}

/// `helm uninstall --keep-history` leaves records without objects. helm refuses to upgrade such a release: "has no deployed releases"
/// (<https://github.com/helm/helm/blob/v3.17.2/pkg/action/upgrade.go>, `prepareUpgrade`).
fn build_uninstalled_finding(context: &GuardContext<'_>, record: &ReleaseRecord) -> Finding {
    let (release, revision, namespace) = (context.app_release, record.revision, &context.view.cluster.namespace);
    let message = format!("is uninstalled; only its history is left, up to revision {revision}");
    let hint = match context.view.owners.get(release) {
        Some(Owner::Flux { helm_release, .. } | Owner::Appliance { helm_release, .. }) => {
            let (flux_namespace, name) = helm_release.split_once('/').unwrap_or((namespace, helm_release));
            format!("let Flux install it again: flux reconcile helmrelease {name} --namespace {flux_namespace} --force")
        }
        Some(Owner::Helm | Owner::Argo { .. } | Owner::NotInstalled | Owner::Undetermined { .. }) | None => format!(
            "install the last revision again: helm rollback {release} {revision} --namespace {namespace}; then upgrade"
        ),
    };
    CARD.finding(format!("release {release}"), message, hint)
}
