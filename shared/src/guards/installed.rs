//! Whether the namespace and the application release exist, so that an upgrade never installs by accident.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::owner::Owner;
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

/// Fails if the namespace or the application release is missing. The CRD chart may have no release: the vendor's upgrade guide
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
        if newest.is_some() {
            return Ok(Verdict::Pass);
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
