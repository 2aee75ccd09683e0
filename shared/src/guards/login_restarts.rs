//! Whoever upgrades knows that the login and the registry restart meanwhile.

use jiff::Timestamp;
use serde_json::Value;

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::object::ObjectRef;
use crate::plan::object_changes::select_release_objects;

/// The card.
pub static CARD: Card = Card {
    id: "login-restarts",
    section: Section::Guards,
    title: "the login and the registry may restart",
    level: Level::Info,
    why: "Dex issues the tokens with which people, and perhaps this very command, log in to the hub; Zot serves what the spokes pull. Both are part of the application and restart with it: a token that ends meanwhile cannot be renewed until Dex is back.",
    fix: "Log in anew before the upgrade, so that the token outlives it.",
};

/// The parts whose restart others feel: a word of the name, and what it is to them.
const USER_FACING_WORKLOADS: [(&str, &str); 2] = [
    ("dex", "nobody can log in while it restarts, and sessions are checked anew"),
    ("zot", "spokes cannot pull while it restarts; they try again by themselves"),
];

/// The guard: Dex and Zot among the workloads whose pods change; a warning where our own token ends before the upgrade may.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let (Some(application), Some(app)) = (context.application, &context.app_chart) else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application stays where it is".to_owned() });
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
    let message =
        format!("restarts, and the token of this kubeconfig ends in {left} minutes: it may not be renewable by then");
    Finding { level: Level::Warning, message, hint: CARD.fix.to_owned(), ..finding }
}

/// Whole minutes from now on; none are left where the time is over.
fn minutes_until(now: Timestamp, ends: Timestamp) -> i64 {
    (ends.as_second() - now.as_second()).max(0) / 60
}
