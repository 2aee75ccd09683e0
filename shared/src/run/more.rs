//! What events and logs add to a reason: the last line that a container said, the newest warning about an object.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::model::waiting::{More, Unready};
use crate::prepare::Prepared;

/// Questions in one look: a namespace full of broken pods is no reason to flood the server.
const AT_MOST: usize = 5;
/// So long an answer is good enough.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// Characters of a line that are shown.
const SHOWN: usize = 160;

/// What was told, by where it was asked.
#[derive(Default)]
pub(super) struct Told(BTreeMap<More, (Instant, String)>);

impl Told {
    /// Asks for more on what is not ready. What cannot be had is left out: it is more, not the reason itself.
    pub(super) async fn ask(&mut self, prepared: &Prepared, unready: &[Unready]) {
        let stale = |more: &&More| self.0.get(*more).is_none_or(|(at, _)| at.elapsed() >= FRESH_FOR);
        let questions: Vec<More> =
            unready.iter().filter_map(|one| one.more.as_ref()).filter(stale).take(AT_MOST).cloned().collect();
        let namespace = &prepared.ask.installation.namespace;
        let answers = questions.iter().map(|more| answer(&prepared.cluster, namespace, more));
        let answers = futures::future::join_all(answers).await;
        for (more, text) in questions.into_iter().zip(answers) {
            // A program that cannot log in may say with which password.
            let text = prepared.secrets.mask(&text.unwrap_or_default());
            let shown = text.trim().chars().take(SHOWN).collect();
            self.0.insert(more, (Instant::now(), shown));
        }
    }

    /// The reason with what was told.
    pub(super) fn reason(&self, unready: &Unready) -> String {
        let told = unready.more.as_ref().and_then(|more| Some((more, self.0.get(more)?.1.as_str())));
        match told {
            None | Some((_, "")) => unready.reason.clone(),
            Some((More::Log { .. }, line)) => format!("{}, last said: {line}", unready.reason),
            Some((More::Events { .. }, warning)) => format!("{}: {warning}", unready.reason),
        }
    }
}

async fn answer(cluster: &Cluster, namespace: &str, more: &More) -> Option<String> {
    match more {
        More::Log { pod, container, previous } => {
            let query = format!("container={container}&previous={previous}&tailLines=1&limitBytes=4096");
            let log = cluster.get_text(&format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?{query}")).await.ok()?;
            log.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned)
        }
        More::Events { uid } => {
            let query = format!("fieldSelector=involvedObject.uid%3D{uid}%2Ctype%3DWarning");
            let events = cluster.list(&format!("/api/v1/namespaces/{namespace}/events"), &query).await.ok()?;
            newest(&events)
        }
    }
}

/// `Unhealthy: Readiness probe failed: …`
fn newest(events: &[Value]) -> Option<String> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    // Old and new recorders write the time to different places.
    let at = |event: &Value| text(event, "lastTimestamp").max(text(event, "eventTime"));
    let newest = events.iter().max_by_key(|event| at(event))?;
    let message = text(newest, "message");
    Some(format!("{}: {}", text(newest, "reason"), message.lines().next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_warning_is_told_whoever_wrote_it() {
        let old = json!({"lastTimestamp": "2026-11-24T07:00:00Z", "reason": "Failed", "message": "once"});
        let new = json!({"lastTimestamp": null, "eventTime": "2026-11-24T07:01:00.5Z", "reason": "Unhealthy", "message": "probe failed\nmore"});
        assert_eq!(newest(&[new, old]).as_deref(), Some("Unhealthy: probe failed"));
        assert_eq!(newest(&[]), None);
    }
}
