//! What the charts' CRDs do to the objects that live: read once, page by page, before anything is decided.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use jiff::Zoned;

use crate::ask::UpgradeSpec;
use crate::checks::crd_changes::object_evidence::{EvidenceCollector, ObjectSource};
use crate::checks::crd_changes::waivers::{self, WaiverNote};
use crate::checks::crd_changes::{CrdVerdict, ServerAnswer, judge_crd};
use crate::cluster::{Cluster, object_judge};
use crate::model::cluster_view::ClusterView;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::schema::ServerVersion;

/// Kinds that are read at the same time.
const MAX_CONCURRENT_KINDS: usize = 8;

/// A verdict for every CRD that is on the cluster and that the server takes; waivers are applied, and what is wrong with them is told.
pub(crate) async fn judge_crd_changes(
    cluster: &Cluster,
    ask: &UpgradeSpec,
    view: &ClusterView,
    forecasts: &BTreeMap<String, CrdDryRunResult>,
) -> (BTreeMap<String, CrdVerdict>, Vec<WaiverNote>) {
    let Ok(live) = &view.crds else { return Default::default() };
    let server = view.cluster.version.parse().unwrap_or(ServerVersion::NEWEST);
    let server_answer = if ask.server_dry_runs { ServerAnswer::Accepted } else { ServerAnswer::NotAsked };
    let pairs = forecasts.iter().filter_map(|(name, answer)| Some((live.get(name)?, answer.as_ref().ok()?)));
    let judging = stream::iter(pairs).map(|(old, new)| judge_crd_change(cluster, old, new, server, server_answer));
    let mut all: Vec<CrdVerdict> = judging.buffer_unordered(MAX_CONCURRENT_KINDS).collect().await;
    let notes = waivers::apply(&ask.waivers, &mut all, Zoned::now().date());
    (all.into_iter().map(|verdict| (verdict.name.clone(), verdict)).collect(), notes)
}

async fn judge_crd_change(
    cluster: &Cluster,
    old: &Crd,
    new: &Crd,
    server: ServerVersion,
    server_answer: ServerAnswer<'_>,
) -> CrdVerdict {
    let evidence =
        object_judge::judge_objects(cluster, old, new, EvidenceCollector::new(old, new, server, ObjectSource::Live))
            .await;
    judge_crd(Some(old), Some(new), evidence.finish(), server, server_answer)
}
