//! Check `hub-and-spoke-ready`.

use jiff::Timestamp;
use serde_json::Value;

use super::{known, text};
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::object::{ObjectRef, condition};
use crate::model::status::{self, State};

/// The card.
pub static CARD: Card = Card {
    id: "hub-and-spoke-ready",
    section: Section::Spokes,
    title: "every Hub and Spoke of the fleet runs",
    level: Level::Error,
    why: "The fleet configuration controller brings up the hub and lets spokes join. An unhealthy one stays as it is until somebody looks: new compute pools do not come up.",
    fix: "Describe the object: its conditions (HubInitialized, SpokeJoined, AddonsConfigured) name the step; then read the log of fleetconfig-controller.",
};

/// Conditions of the fleet configuration whose `True` is bad news (fleetconfig-controller `api/v1beta1`).
const BAD: [&str; 1] = ["CleanupFailed"];

/// Whether each Hub and Spoke is in phase `Running`. One on its way is a warning; one without any status is nobody's yet.
pub fn check(seen: &Seen<'_>) -> Checked {
    let mut gathered = Gathered::new(&CARD);
    let spokes = &seen.vitals.spokes;
    for (kind, objects) in [("Hub", &spokes.hubs), ("Spoke", &spokes.spokes)] {
        for object in known(&mut gathered, kind, objects) {
            if object.get("status").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty) {
                gathered.skipped("no controller has reported on them");
            } else {
                gathered.looked(judge(object, seen.now));
            }
        }
    }
    gathered.checked()
}

fn judge(object: &Value, now: Timestamp) -> Option<Finding> {
    let named = ObjectRef::of(object)?;
    let phase = text(object, "/status/phase");
    let bad = BAD.into_iter().find(|kind| condition(object, kind).is_some_and(|found| found.status == "True"));
    let (level, what) = match (phase, bad) {
        (_, Some(bad)) => (Level::Error, bad.to_owned()),
        ("Running", None) => return None,
        ("Initializing" | "Joining" | "Deleting", None) => (Level::Warning, format!("is {phase}")),
        ("", None) => {
            let found = status::status(object, now);
            if found.state == State::Current {
                return None;
            }
            (Level::Error, found.reason)
        }
        (_, None) => (Level::Error, format!("is {phase}")),
    };
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let failing = conditions.into_iter().find(|one| one["status"] == "False" && !BAD.contains(&text(one, "/type")));
    let why = failing.map(|one| format!(": {} {}", text(one, "/type"), text(one, "/message"))).unwrap_or_default();
    let hint = format!("kubectl -n {} describe {} {}", named.namespace, named.kind.to_lowercase(), named.name);
    Some(Finding { level, ..CARD.finding(named.to_string(), format!("{what}{why}"), hint) })
}
