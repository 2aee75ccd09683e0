//! Objects of the application that the API server would reject.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::application::{DryRunAnswer, ObjectForecast};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "objects-dry-run",
    section: Section::Guards,
    title: "application objects that the API server accepts",
    level: Level::Error,
    why: "helm stops at the first rejected object: an immutable field, a quota, an admission policy, or a field \
        manager conflict. The application is then only half upgraded.",
    fix: "Fix the cause in the message: in the values of the chart, on the cluster, or in the admission policy.",
};

/// The controller that fills the rules of a ClusterRole with an aggregation rule. helm 4 stops at a conflict with it, as with any other.
const AGGREGATION_MANAGER: &str = "clusterrole-aggregation-controller";

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each created or changed object that the server-side dry run rejects, and passes on its warnings. Kinds that are not served yet are left out.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(application) = context.application else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application is not upgraded".to_owned() });
    };
    let dry_runs: Vec<&ObjectForecast> =
        application.forecasts.iter().filter(|one| !matches!(one.answer, DryRunAnswer::NotAsked(_))).collect();
    let rejected: Vec<Finding> = dry_runs.iter().filter_map(|one| build_finding(context, one)).collect();
    let warned = dry_runs.iter().flat_map(|one| build_warnings(context, one));
    // What was refused counts, whatever could not be asked besides.
    let verdict = match undetermined_reason(context) {
        Some(reason) if rejected.is_empty() => Verdict::Undetermined { reason },
        _ => Verdict::from_findings(rejected.iter().cloned().chain(warned).collect()),
    };
    CheckResult::new(&CARD, dry_runs.len(), verdict)
}

/// Why some objects have no dry-run result.
fn undetermined_reason(context: &GuardContext<'_>) -> Option<String> {
    let application = context.application?;
    if !context.server_dry_run {
        return Some("--dry-run=client sends no dry-run requests".to_owned());
    }
    let unread = application
        .kinds
        .as_ref()
        .err()
        .into_iter()
        .chain(application.live_objects.read_failures())
        .map(ToString::to_string);
    let unknown = application.forecasts.iter().filter_map(|one| match &one.answer {
        DryRunAnswer::Undetermined(reason) => Some(format!("{} {}: {reason}", one.object.kind, one.object.name)),
        DryRunAnswer::Accepted | DryRunAnswer::Rejected { .. } | DryRunAnswer::NotAsked(_) => None,
    });
    unread.chain(unknown).next()
}

/// The server's own warnings. An object with one is written all the same; its pods may be rejected later (Pod Security).
fn build_warnings(context: &GuardContext<'_>, one: &ObjectForecast) -> Vec<Finding> {
    let hint = format!(
        "change the values of the chart, or accept it; for Pod Security: kubectl get namespace {} --show-labels",
        context.view.cluster.namespace
    );
    // A warning may quote what it warns of.
    let told = one.warnings.iter().filter(|_| one.object.kind != "Secret");
    let finding = |text: &String| CARD.finding(one.object.to_string(), format!("the API server warns: {text}"), &hint);
    told.map(|text| Finding { level: Level::Warning, ..finding(text) }).collect()
}

fn build_finding(context: &GuardContext<'_>, one: &ObjectForecast) -> Option<Finding> {
    let DryRunAnswer::Rejected { code, message: words } = &one.answer else { return None };
    // The server quotes what it refuses.
    let words =
        if one.object.kind == "Secret" { "the message is hidden, because it may quote the Secret" } else { words };
    let hint = if *code == 403 && words.contains("exceeded quota") {
        format!(
            "kubectl describe quota --namespace {}; then raise the quota or lower the request",
            context.view.cluster.namespace
        )
    } else if words.contains("immutable") {
        let (kind, name) = (one.object.kind.to_lowercase(), &one.object.name);
        format!(
            "keep the old value of the immutable field, or delete the object in a maintenance window: kubectl delete {kind} {name} --namespace {}",
            context.view.cluster.namespace
        )
    } else if *code == 409 && words.contains(AGGREGATION_MANAGER) {
        "pass --force-conflicts: the controller fills the rules again at once; or remove rules from the chart"
            .to_owned()
    } else if *code == 409 {
        "remove the field from the other field manager, or take it over with --force-conflicts".to_owned()
    } else {
        CARD.fix.to_owned()
    };
    Some(CARD.finding(one.object.to_string(), format!("the API server rejects it: {words}"), hint))
}
