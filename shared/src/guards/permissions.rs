//! Requests of the plan that the API server would forbid.

use std::collections::BTreeSet;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::access_review::Permission;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "permissions",
    section: Section::Guards,
    title: "permission for every request of the plan",
    level: Level::Error,
    why: "A missing permission shows up only at its step. The upgrade is then half done and cannot continue.",
    fix: "Ask for the Roles that --role-file FILE writes (--explain-permissions prints them), or run as another user with --as or \
        --context.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::Rollback, Task::Repair], check };

/// How to grant what is missing. The printed Roles hold every permission of the run, not only the missing ones.
const HINT: &str = "add --role-file role.yaml, or --explain-permissions to print it: it holds every Role of this run. An administrator \
    applies it with kubectl apply --filename role.yaml";

/// Fails for the missing permissions, with one finding per namespace and one for the cluster.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let grants = context.grants;
    let verdict = match &grants.denied {
        Err(failure) => Verdict::Undetermined { reason: failure.to_string() },
        Ok(denied) => {
            let places: BTreeSet<&Option<String>> = denied.iter().map(|need| &need.namespace).collect();
            let findings = places.into_iter().map(|place| {
                let here: Vec<&Permission> = denied.iter().filter(|need| need.namespace == *place).collect();
                build_finding(context, place.as_deref(), &here)
            });
            Verdict::from_findings(findings.collect())
        }
    };
    CheckResult::new(&CARD, grants.permissions.required.len(), verdict)
}

fn build_finding(context: &GuardContext<'_>, place: Option<&str>, denied: &[&Permission]) -> Finding {
    let who = context.view.cluster.user.as_deref().unwrap_or("this user");
    let words: Vec<String> = denied.iter().map(ToString::to_string).collect();
    let subject = place.map_or_else(|| "the cluster".to_owned(), |namespace| format!("namespace {namespace}"));
    CARD.finding(subject, format!("{who} may not {}", words.join(", ")), HINT)
}
