//! Reads the cluster and fetches the charts concurrently, before anything is rendered.

use crate::ask::{Installation, UpgradeSpec};
use crate::cluster::view_reader;
use crate::model::cluster_view::{ClusterView, Observed, ReadFailure};
use crate::model::fetched_chart::FetchedChart;
use crate::model::flux::FluxView;
use crate::model::text_format::format_count;
use crate::prepare::judge::ClusterUids;
use crate::prepare::render;
use crate::prepare::session::Connection;
use crate::prepare::stage::Stage;
use crate::problem::Problem;
use crate::report::event::Emit;
use crate::tools::error::ToolError;

/// The cluster and the charts.
pub(crate) struct Inventory {
    pub(crate) view: ClusterView,
    pub(crate) charts: (Option<FetchedChart>, Option<FetchedChart>),
    pub(crate) cluster_uids: ClusterUids,
}

/// Reads the cluster and fetches the charts, concurrently.
///
/// # Errors
/// The cluster cannot be read, or a chart cannot be fetched.
pub(crate) async fn read_inventory(
    connection: &Connection,
    ask: &UpgradeSpec,
    flux: FluxView,
    emit: Emit<'_>,
) -> Result<Inventory, Problem> {
    let stage = Stage::begin(emit, "look", "cluster, releases, charts");
    let helm_config = connection.env.helm_registry_config.as_deref();
    // A cluster that cannot be read ends this at once, and is reported before a chart that cannot be fetched.
    let rest = async {
        Ok(tokio::join!(
            render::fetch_both(&connection.helm, ask, connection.private(), helm_config),
            read_cluster_uids(connection),
        ))
    };
    let (view, (charts, cluster_uids)) = tokio::try_join!(
        view_reader::read_cluster_view_with(&connection.cluster, &ask.installation, std::future::ready(flux)),
        rest
    )?;
    let charts = charts?;
    stage.finish(summarize_view(&view));
    Ok(Inventory { view, charts, cluster_uids })
}

/// The cluster, for a run without charts.
pub(crate) struct ClusterReading {
    pub(crate) view: ClusterView,
    pub(crate) cluster_uids: ClusterUids,
}

/// Reads the cluster, for a run without charts.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) async fn read_cluster(
    connection: &Connection,
    installation: &Installation,
    emit: Emit<'_>,
) -> Result<ClusterReading, Problem> {
    let stage = Stage::begin(emit, "look", "cluster, releases, journal");
    let (view, cluster_uids) =
        tokio::join!(view_reader::read_cluster_view(&connection.cluster, installation), read_cluster_uids(connection),);
    let view = view?;
    stage.finish(summarize_view(&view));
    Ok(ClusterReading { view, cluster_uids })
}

async fn read_cluster_uids(connection: &Connection) -> ClusterUids {
    let (helm, kubectl) =
        tokio::join!(connection.helm.read_cluster_uid(connection.private()), connection.kubectl.read_cluster_uid());
    ClusterUids {
        helm: helm.map_err(|error| to_read_failure("helm", &error)),
        kubectl: kubectl.map_err(|error| to_read_failure("kubectl", &error)),
    }
}

fn to_read_failure(who: &str, error: &ToolError) -> ReadFailure {
    ReadFailure { target: "namespace kube-system".to_owned(), reason: format!("{who}: {error}") }
}

fn summarize_view(view: &ClusterView) -> String {
    let crds: Observed<usize> = view.crds.as_ref().map(std::collections::BTreeMap::len).map_err(Clone::clone);
    let crds = crds.map_or_else(|failure| failure.to_string(), |count| format_count(count, "CRD"));
    format!("{} {}, {crds}", view.cluster.context, view.cluster.version)
}
