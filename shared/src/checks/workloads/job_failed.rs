//! Check `job-failed`.

use serde_json::Value;

use super::{objects, owned, places};
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::object::ObjectRef;
use crate::model::status::{self, State};

/// The card.
pub static CARD: Card = Card {
    id: "job-failed",
    section: Section::Workloads,
    title: "no Job of the releases has failed",
    level: Level::Error,
    why: "A chart's Jobs prepare what the application needs. A finished one is fine and a running one has time; a failed one will not be tried again by anybody.",
    fix: "Read the Job's pods' logs, mend the cause, delete the Job, and repeat the upgrade to have it made anew.",
};

/// Whether any Job of the manifests, or of the charts' hooks, has failed. A Job that a CronJob made is a warning: its next one may do better.
pub fn check(seen: &Seen<'_>) -> Checked {
    if let Err(answer) = objects(seen, &CARD) {
        return answer;
    }
    let mut gathered = Gathered::new(&CARD);
    for place in places(seen, &mut gathered) {
        for (job, object) in place.live.iter().filter_map(|object| Some((ObjectRef::of(object)?, object))) {
            let cron = owned::controller(object).filter(|(kind, _)| *kind == "CronJob");
            let (kind, name) = cron.unwrap_or(("Job", &job.name));
            if job.kind == "Job" && owned::names(&place.objects, kind, name, &place.namespace) {
                let level = if cron.is_some() { Level::Warning } else { CARD.level };
                gathered.looked(judge(seen, &job, object, level));
            }
        }
    }
    gathered.skipped("the releases have no Jobs");
    gathered.checked()
}

fn judge(seen: &Seen<'_>, job: &ObjectRef, object: &Value, level: Level) -> Option<Finding> {
    let found = status::status(object, seen.now);
    let hint = format!("kubectl -n {} logs job/{}", job.namespace, job.name);
    (found.state == State::Failed)
        .then(|| Finding { level, ..CARD.finding(job.to_string(), format!("failed: {}", found.reason), hint) })
}
