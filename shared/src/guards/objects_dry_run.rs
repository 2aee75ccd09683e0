//! The API server accepts what helm will write for the application.

use crate::guards::context::GuardContext;
use crate::model::application::{DryRunAnswer, ObjectForecast};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "objects-dry-run",
    section: Section::Guards,
    title: "the API server accepts every object that the application changes",
    level: Level::Error,
    why: "helm writes object after object and stops at the first refusal: an immutable field, a quota, an admission policy, a conflict of field managers. By then half of the application is new.",
    fix: "Mend what the server names: in the chart's values, on the cluster, or with the policy's owner.",
};

/// The guard: a server-side dry-run of every object that is created or changed and whose kind is served already.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(application) = context.application else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application stays where it is".to_owned() });
    };
    let dry_runs: Vec<&ObjectForecast> =
        application.forecasts.iter().filter(|one| !matches!(one.answer, DryRunAnswer::NotAsked(_))).collect();
    let findings: Vec<Finding> = dry_runs.iter().filter_map(|one| build_finding(context, one)).collect();
    // What was refused counts, whatever could not be asked besides.
    let verdict = match undetermined_reason(context) {
        Some(reason) if findings.is_empty() => Verdict::Undetermined { reason },
        _ => Verdict::from_findings(findings),
    };
    CheckResult::new(&CARD, dry_runs.len(), verdict)
}

/// Why not everything could be asked.
fn undetermined_reason(context: &GuardContext<'_>) -> Option<String> {
    let application = context.application?;
    if !context.server_dry_run {
        return Some("--dry-run=client asks the server for no dry-run".to_owned());
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

fn build_finding(context: &GuardContext<'_>, one: &ObjectForecast) -> Option<Finding> {
    let DryRunAnswer::Rejected { code, message: words } = &one.answer else { return None };
    // The server quotes what it refuses.
    let words = if one.object.kind == "Secret" { "its words are kept back, they may quote the Secret" } else { words };
    let hint = if *code == 403 && words.contains("exceeded quota") {
        format!("kubectl describe quota --namespace {}: make room, or ask for less", context.view.cluster.namespace)
    } else if words.contains("immutable") {
        let (kind, name) = (one.object.kind.to_lowercase(), &one.object.name);
        format!(
            "the field cannot change: keep its old value, or delete the object in a maintenance window: kubectl delete {kind} {name} --namespace {}",
            context.view.cluster.namespace
        )
    } else if *code == 409 {
        "another field manager owns it: let it go there, or take it over with --force-conflicts".to_owned()
    } else {
        CARD.fix.to_owned()
    };
    Some(CARD.finding(one.object.to_string(), format!("the server refuses it: {words}"), hint))
}
