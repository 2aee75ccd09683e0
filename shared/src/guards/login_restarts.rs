//! Restarts of Dex and Zot during the upgrade, which affect logins and the image pulls of spokes.

use jiff::Timestamp;
use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::object::ObjectRef;
use crate::model::task::Task;
use crate::plan::object_changes::select_release_objects;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "login-restarts",
    section: Section::Guards,
    title: "a login token that outlives the upgrade, if the login restarts",
    level: Level::Info,
    why: "Dex issues the tokens of the users, and possibly of this command. Zot serves the images of the spokes. \
        Both restart with the application, and an expired token cannot be renewed until Dex is ready.",
    fix: "Log in again before the upgrade, so that the token outlives it.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::Rollback, Task::ApplyCrds], check };

/// Workloads whose restart affects others: a part of the name, and the effect.
const USER_FACING_WORKLOADS: [(&str, &str); 2] = [
    ("dex", "no login is possible while it restarts, and sessions are verified again"),
    ("zot", "spokes cannot pull images while it restarts; they retry"),
];

/// Reports Dex and Zot if their pods change, with a warning if the token of this kubeconfig may expire before the upgrade ends.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let (Some(application), Some(app)) = (context.application, &context.app_chart) else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application is not upgraded".to_owned() });
    };
    let namespace = &context.view.cluster.namespace;
    let old = select_release_objects(namespace, application.stored_objects.reveal());
    let restarts = |object: &ObjectRef, next: &Value| {
        let was = old.iter().find(|(other, _)| other.is_same_object(object)).map(|(_, was)| *was);
        was.is_some_and(|was| was["spec"]["template"] != next["spec"]["template"])
    };
    let workloads = select_release_objects(namespace, app.rendered)
        .into_iter()
        .filter(|(_, next)| next.pointer("/spec/template").is_some());
    let felt: Vec<Finding> = workloads
        .filter_map(|(object, next)| {
            let (word, effect) =
                USER_FACING_WORKLOADS.iter().find(|(word, _)| object.name.split('-').any(|part| part == *word))?;
            restarts(&object, next).then(|| build_finding(context, &object, *word == "dex", effect))
        })
        .collect();
    CheckResult::new(&CARD, USER_FACING_WORKLOADS.len(), Verdict::from_findings(felt))
}

fn build_finding(context: &GuardContext<'_>, object: &ObjectRef, issues_tokens: bool, effect: &str) -> Finding {
    let finding = CARD.finding(object.to_string(), format!("restarts: {effect}"), "");
    let Some(left) = context.token_expiry.filter(|_| issues_tokens).map(|ends| minutes_until(context.now, ends)) else {
        return finding;
    };
    let limit = i64::try_from(context.timeout.as_secs() / 60).unwrap_or(i64::MAX);
    if left > limit {
        return finding;
    }
    let message = format!(
        "restarts, and the token of this kubeconfig expires in {left} minutes: it may not be renewable by then"
    );
    Finding { level: Level::Warning, message, hint: CARD.fix.to_owned(), ..finding }
}

/// Whole minutes until the time; 0 if it has passed.
fn minutes_until(now: Timestamp, ends: Timestamp) -> i64 {
    (ends.as_second() - now.as_second()).max(0) / 60
}
