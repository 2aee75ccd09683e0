//! Reads events and logs for the reason why a pod is not ready.
//!
//! Owns the cache and the limits: the last log line of a container, the newest warning about an object. Input: objects that are not
//! ready. Output: their reason with that detail.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::model::unready_objects::{DetailQuery, UnreadyObject};
use crate::prepare::prepared::Prepared;

/// The limit of reads per poll: a namespace full of broken pods must not flood the API server.
const MAX_QUERIES: usize = 5;
/// How long an answer is reused.
const MAX_ANSWER_AGE: Duration = Duration::from_secs(5);
/// The limit of characters of a line.
const MAX_LINE_CHARS: usize = 160;

/// The detail of each query, with the time of the read.
#[derive(Default)]
pub(super) struct DetailCache(BTreeMap<DetailQuery, (Instant, String)>);

impl DetailCache {
    /// Reads details of objects that are not ready. A read that fails is left out: the reason itself is known.
    pub(super) async fn refresh(&mut self, prepared: &Prepared, unready: &[UnreadyObject]) {
        let stale = |query: &&DetailQuery| self.0.get(*query).is_none_or(|(at, _)| at.elapsed() >= MAX_ANSWER_AGE);
        let questions: Vec<DetailQuery> = unready
            .iter()
            .filter_map(|one| one.detail_query.as_ref())
            .filter(stale)
            .take(MAX_QUERIES)
            .cloned()
            .collect();
        let namespace = &prepared.session.installation.namespace;
        let answers = questions.iter().map(|query| read_detail(&prepared.session.cluster, namespace, query));
        let answers = futures::future::join_all(answers).await;
        for (query, text) in questions.into_iter().zip(answers) {
            // A program that cannot log in may print the password.
            let text = prepared.session.secrets.mask(&text.unwrap_or_default());
            let line = text.trim().chars().take(MAX_LINE_CHARS).collect();
            self.0.insert(query, (Instant::now(), line));
        }
    }

    /// The reason with its detail.
    pub(super) fn reason(&self, unready: &UnreadyObject) -> String {
        let detail = unready.detail_query.as_ref().and_then(|query| Some((query, self.0.get(query)?.1.as_str())));
        match detail {
            None | Some((_, "")) => unready.reason.clone(),
            Some((DetailQuery::Log { .. }, line)) => format!("{}, last log line: {line}", unready.reason),
            Some((DetailQuery::Events { .. }, warning)) => format!("{}: {warning}", unready.reason),
        }
    }
}

async fn read_detail(cluster: &Cluster, namespace: &str, more: &DetailQuery) -> Option<String> {
    match more {
        DetailQuery::Log { pod, container, previous } => {
            let query = format!("container={container}&previous={previous}&tailLines=1&limitBytes=4096");
            let log = cluster.get_text(&format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?{query}")).await.ok()?;
            log.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned)
        }
        DetailQuery::Events { uid } => {
            let query = format!("fieldSelector=involvedObject.uid%3D{uid}%2Ctype%3DWarning");
            let events = cluster.list(&format!("/api/v1/namespaces/{namespace}/events"), &query).await.ok()?;
            newest_warning(&events)
        }
    }
}

/// `Unhealthy: Readiness probe failed: …`
fn newest_warning(events: &[Value]) -> Option<String> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    // Older recorders write lastTimestamp, newer ones eventTime.
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
    fn the_newest_warning_counts_for_old_and_new_recorders() {
        let old = json!({"lastTimestamp": "2026-11-24T07:00:00Z", "reason": "Failed", "message": "once"});
        let new = json!({"lastTimestamp": null, "eventTime": "2026-11-24T07:01:00.5Z", "reason": "Unhealthy", "message": "probe failed\nmore"});
        assert_eq!(newest_warning(&[new, old]).as_deref(), Some("Unhealthy: probe failed"));
        assert_eq!(newest_warning(&[]), None);
    }
}
