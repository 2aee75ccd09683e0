//! The forecast: the API server's dry-run answers to every write, and the admission policies.

use std::collections::BTreeMap;

use crate::ask::UpgradeSpec;
use crate::cluster::Cluster;
use crate::model::cluster_view::ClusterView;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::prepare::grants::ForecastWrites;
use crate::prepare::judge::Forecast;
use crate::prepare::rendered_charts::RenderedCharts;
use crate::prepare::session::{Connection, UpgradeContext};
use crate::prepare::stage::Stage;
use crate::prepare::{crd_forecast, crd_verdicts, forecast_adoption, forecast_app};

/// The API server's dry-run answers to every write, and the admission policies.
#[expect(clippy::too_many_lines, reason = "one line per answer: the reads, what they depend on, and the result")]
pub(crate) async fn forecast_all(context: &UpgradeContext<'_>, rendered: &RenderedCharts) -> Forecast {
    let UpgradeContext { connection, ask, view, emit } = *context;
    let Connection { cluster, helm, tools, env, .. } = connection;
    let stage = Stage::begin(emit, "forecast", "dry-runs of each CRD and object");
    let helm_major = tools.helm.as_ref().map_or(3, |version| version.major);
    let (forecasts, application, policies, record_sizes, images, bundle, signatures) = tokio::join!(
        forecast_crds(cluster, ask, view, &rendered.desired_crds),
        forecast_app::forecast_application(cluster, ask, view, rendered, helm_major),
        forecast_app::read_policies(cluster, ask, view, rendered),
        forecast_app::measure_record_sizes(ask, rendered),
        forecast_app::read_images(ask, view, rendered, env.helm_registry_config.as_deref()),
        forecast_app::read_bundle(ask, rendered),
        forecast_app::verify_signatures(ask, rendered, helm, connection.private()),
    );
    let (verdicts, waiver_notes) = crd_verdicts::judge_crd_changes(cluster, ask, view, &forecasts).await;
    let objects = application.as_ref().map_or(0, |application| application.forecasts.len());
    stage.finish(if ask.server_dry_runs {
        format!("{} dry-runs", forecasts.len() + objects)
    } else {
        "no dry-runs requested".to_owned()
    });
    let adoption = forecast_adoption::forecast_adoption(cluster, ask, view, rendered, &forecasts, helm_major).await;
    let writes = ForecastWrites {
        ask,
        view,
        rendered,
        crd_answers: &forecasts,
        application: application.as_ref(),
        policies: &policies,
        adoption: &adoption,
        helm_major,
        backup: env.backup,
    };
    let grants = writes.read_grants(cluster).await;
    Forecast {
        crd_answers: forecasts,
        verdicts,
        waiver_notes,
        application,
        adoption,
        policies,
        record_sizes,
        grants,
        images,
        token_ends: cluster.token_expiry,
        bundle,
        signatures,
    }
}

/// The server's answer for each CRD; without one, the chart's own CRD.
async fn forecast_crds(
    cluster: &Cluster,
    ask: &UpgradeSpec,
    view: &ClusterView,
    wanted: &BTreeMap<String, Crd>,
) -> BTreeMap<String, CrdDryRunResult> {
    if !ask.server_dry_runs {
        return wanted.iter().map(|(name, crd)| (name.clone(), CrdDryRunResult::NotAsked(crd.clone()))).collect();
    }
    let no_crds = BTreeMap::new();
    crd_forecast::forecast_crds(cluster, view.crds.as_ref().unwrap_or(&no_crds), wanted, ask.allowed_actions.migrate)
        .await
}
