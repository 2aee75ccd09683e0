//! The forecast: the server's own word on what would be written, and what stands around it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::ask::Ask;
use crate::cluster::Cluster;
use crate::model::crd::Crd;
use crate::model::dry_run::ServerAnswer;
use crate::model::tools::ToolsSeen;
use crate::model::view::ClusterView;
use crate::prepare::Surroundings;
use crate::prepare::judge::Forecast;
use crate::prepare::render::Rendered;
use crate::prepare::stage::Stage;
use crate::prepare::{crd_forecast, evidence, forecast_app};
use crate::report::event::Emit;
use crate::tools::helm::Helm;

/// The server's word on everything that would be written, and what stands around it.
pub(crate) async fn forecast_all(
    (cluster, helm, private): (&Cluster, &Helm, &Path),
    ask: &Ask,
    view: &ClusterView,
    rendered: &Rendered,
    tools: &ToolsSeen,
    around: &Surroundings,
    emit: Emit<'_>,
) -> Forecast {
    let stage = Stage::begin(emit, "forecast", "the server's own answer to each CRD and object");
    let helm_major = tools.helm.as_ref().map_or(3, |version| version.major);
    let (forecasts, application, surroundings, record_sizes, images, bundle, signatures) = tokio::join!(
        forecasts(cluster, ask, view, &rendered.wanted),
        forecast_app::application(cluster, ask, view, rendered, helm_major),
        forecast_app::around(cluster, ask, rendered),
        forecast_app::record_sizes(ask, rendered),
        forecast_app::images(ask, view, rendered, around.helm_registry_config.as_deref()),
        forecast_app::bundle(ask, rendered),
        forecast_app::signatures(ask, rendered, helm, private),
    );
    let (verdicts, waiver_notes) = evidence::verdicts(cluster, ask, view, &forecasts).await;
    let objects = application.as_ref().map_or(0, |application| application.foreseen.len());
    stage.done(if ask.server_dry_runs {
        format!("{} dry-runs", forecasts.len() + objects)
    } else {
        "none asked for".to_owned()
    });
    let grants =
        forecast_app::grants(cluster, ask, view, rendered, &forecasts, application.as_ref(), around.saves).await;
    Forecast {
        forecasts,
        verdicts,
        waiver_notes,
        application,
        surroundings,
        record_sizes,
        grants,
        images,
        token_ends: cluster.token_ends,
        bundle,
        signatures,
    }
}

/// What the server says of each CRD; without it, each chart's CRD stands for itself.
async fn forecasts(
    cluster: &Cluster,
    ask: &Ask,
    view: &ClusterView,
    wanted: &BTreeMap<String, Crd>,
) -> BTreeMap<String, ServerAnswer> {
    if !ask.server_dry_runs {
        return wanted.iter().map(|(name, crd)| (name.clone(), Ok(crd.clone()))).collect();
    }
    let nobody = BTreeMap::new();
    crd_forecast::forecasts(cluster, view.crds.as_ref().unwrap_or(&nobody), wanted, ask.allowed.migrate).await
}
