//! There is an installation to upgrade.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::owner::Owner;

/// The card.
pub static CARD: Card = Card {
    id: "installed",
    section: Section::Guards,
    title: "there is an installation to upgrade",
    level: Level::Error,
    why: "An upgrade of nothing would install the product somewhere it was never meant to be: a wrong context, a wrong namespace.",
    fix: "Name the installation with --context, --namespace, --release and --crds-release.",
};

/// The guard: the namespace exists, and the application's release is in it. The CRD chart may have none (the vendor's page makes none).
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let hub = &context.view.cluster;
    let judge = || -> Result<Verdict, String> {
        let namespace = hub.namespace_exists.as_ref().map_err(ToString::to_string)?;
        if !namespace {
            let message = format!("does not exist on {}", hub.context);
            let finding = CARD.finding(
                format!("namespace {}", hub.namespace),
                message,
                "kubectl get namespaces; then --namespace",
            );
            return Ok(Verdict::from_findings(vec![finding]));
        }
        let newest = context.view.newest_revision(context.app_release).map_err(ToString::to_string)?;
        if newest.is_some() {
            return Ok(Verdict::Pass);
        }
        if let Some(Owner::Argo { application }) = context.view.owners.get(context.app_release) {
            let reason = format!("Argo CD makes no helm release: the Application {application} is the installation");
            return Ok(Verdict::Skipped { reason });
        }
        let message = format!("is not in namespace {}", hub.namespace);
        let hint = "helm list --all-namespaces; then --namespace and --release. To install it for the first time, use helm install";
        Ok(Verdict::from_findings(vec![CARD.finding(format!("release {}", context.app_release), message, hint)]))
    };
    CheckResult::new(&CARD, 2, judge().unwrap_or_else(|reason| Verdict::Undetermined { reason }))
}
