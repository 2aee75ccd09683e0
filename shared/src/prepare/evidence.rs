//! What the charts' CRDs do to the objects that live: read once, page by page, before anything is decided.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use jiff::Zoned;

use crate::ask::Ask;
use crate::checks::crd_changes::evidence::{Judge, Source};
use crate::checks::crd_changes::waivers::{self, Note};
use crate::checks::crd_changes::{Asked, CrdVerdict, judge};
use crate::cluster::{Cluster, objects};
use crate::model::crd::Crd;
use crate::model::dry_run::ServerAnswer;
use crate::model::view::ClusterView;
use crate::schema::ServerVersion;

/// Kinds that are read at the same time.
const AT_ONCE: usize = 8;

/// A verdict for every CRD that is on the cluster and that the server takes; waivers are applied, and what is wrong with them is told.
pub(crate) async fn verdicts(
    cluster: &Cluster,
    ask: &Ask,
    view: &ClusterView,
    forecasts: &BTreeMap<String, ServerAnswer>,
) -> (BTreeMap<String, CrdVerdict>, Vec<Note>) {
    let Ok(live) = &view.crds else { return Default::default() };
    let server = view.hub.version.parse().unwrap_or(ServerVersion::NEWEST);
    let asked = if ask.server_dry_runs { Asked::Takes } else { Asked::Nobody };
    let pairs = forecasts.iter().filter_map(|(name, answer)| Some((live.get(name)?, answer.as_ref().ok()?)));
    let asked = stream::iter(pairs).map(|(old, new)| verdict(cluster, old, new, server, asked));
    let mut all: Vec<CrdVerdict> = asked.buffer_unordered(AT_ONCE).collect().await;
    let notes = waivers::apply(&ask.waivers, &mut all, Zoned::now().date());
    (all.into_iter().map(|verdict| (verdict.name.clone(), verdict)).collect(), notes)
}

async fn verdict(cluster: &Cluster, old: &Crd, new: &Crd, server: ServerVersion, asked: Asked<'_>) -> CrdVerdict {
    let looked = objects::look(cluster, old, new, Judge::new(old, new, server, Source::Live)).await;
    judge(Some(old), Some(new), looked.done(), server, asked)
}
