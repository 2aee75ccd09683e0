//! Dry-runs everything that helm will write, and reads what affects the writes. Dry-runs and reads only.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::ask::{ServerSide, UpgradeSpec};
use crate::cluster::{Cluster, admission_reader, application_objects};
use crate::diff;
use crate::model::admission_policies::{AdmissionPolicies, ServiceRef, conversion_url};
use crate::model::application::{ApplicationState, ApplyMethod, LiveObjects};
use crate::model::chart::ChartRef;
use crate::model::cluster_view::{ClusterView, Observed, ReadFailure};
use crate::model::container_images::{self, ImageLookup};
use crate::model::content_bundle::ContentBundle;
use crate::model::crd::Crd;
use crate::model::managed_fields::HELM_FIELD_MANAGER;
use crate::model::object::ObjectRef;
use crate::model::release::{RecordContent, ReleaseRecord, estimate_record_bytes};
use crate::model::secret::{Hidden, collect_secrets, mask_secrets};
use crate::model::signature::{SignatureCheck, SignatureVerifier};
use crate::plan::writes;
use crate::prepare::rendered_charts::{RenderedChart, RenderedCharts};
use crate::tools::chart_signature;
use crate::tools::content_archive as bundles;
use crate::tools::helm::Helm;
use crate::tools::image_lookup as registries;

/// helm-controller's field manager.
const FLUX_FIELD_MANAGER: &str = "helm-controller";

/// The objects that surround the namespace.
pub(crate) async fn read_policies(
    cluster: &Cluster,
    ask: &UpgradeSpec,
    view: &ClusterView,
    rendered: &RenderedCharts,
) -> AdmissionPolicies {
    let conversions: BTreeSet<ServiceRef> =
        rendered.desired_crds.values().filter_map(ServiceRef::from_conversion).collect();
    let live = |crd: &Crd| view.crds.as_ref().ok().and_then(|live| live.get(crd.name()));
    let keeps_url =
        |crd: &Crd| live(crd).filter(|live| conversion_url(live).is_some_and(|url| Some(url) == conversion_url(crd)));
    let url_converted: Vec<&Crd> = rendered.desired_crds.values().filter_map(keeps_url).collect();
    admission_reader::read_admission_policies(cluster, &ask.installation.namespace, &conversions, &url_converted).await
}

/// The application's live objects and the server's answer for each that changes; none if the application does not move.
pub(crate) async fn forecast_application(
    cluster: &Cluster,
    ask: &UpgradeSpec,
    view: &ClusterView,
    rendered: &RenderedCharts,
    helm_major: u64,
) -> Option<ApplicationState> {
    let rendered_chart = rendered.app.as_ref()?;
    let record = view.current_revision(&ask.installation.app_release).ok().flatten();
    let by_flux = view.flux.sole_helm_release(&ask.installation.app_release, &ask.installation.namespace).is_some();
    // helm-controller embeds its own helm, follows the record's apply method, and always forces conflicts (`internal/action/upgrade.go`).
    let (manager, helm_major) = if by_flux { (FLUX_FIELD_MANAGER, 4) } else { (HELM_FIELD_MANAGER, helm_major) };
    let forces = by_flux || ask.helm_options.force_conflicts;
    let method = choose_apply_method(ask.helm_options.server_side, record, helm_major);
    let kinds = application_objects::read_served_kinds(cluster).await;
    // An unreadable record ends the plan elsewhere.
    let old = record.and_then(|record| record.manifest_objects().ok()).unwrap_or_default();
    let Ok(known) = &kinds else {
        let (stored_objects, live_objects) = (Hidden::new(old), LiveObjects::default());
        let forecasts = Vec::new();
        return Some(ApplicationState { kinds, stored_objects, live_objects, forecasts, apply_method: method });
    };
    let (namespace, new) = (&ask.installation.namespace, rendered_chart.manifest_objects());
    let wanted: Vec<ObjectRef> = old.iter().chain(&new).filter_map(ObjectRef::from_manifest).collect();
    let live = application_objects::read_live_objects(cluster, view, known, namespace, &wanted).await;
    let foreseen = match ask.server_dry_runs {
        false => Vec::new(),
        true => {
            let all = writes::build_writes(namespace, &old, &new, &live, method);
            let secrets = collect_secrets(rendered.config.reveal());
            let waits = |object: &ObjectRef| dry_run_blocker(object, view, rendered, rendered_chart);
            application_objects::dry_run_writes(cluster, known, namespace, &all, (manager, forces), waits, |words| {
                mask_secrets(words, &secrets)
            })
            .await
        }
    };
    Some(ApplicationState {
        kinds,
        stored_objects: Hidden::new(old),
        live_objects: live,
        forecasts: foreseen,
        apply_method: method,
    })
}

/// The registries' answers for images that only the new chart runs; none if image checks are off.
pub(crate) async fn read_images(
    ask: &UpgradeSpec,
    view: &ClusterView,
    rendered: &RenderedCharts,
    helm_config: Option<&Path>,
) -> ImageLookup {
    let rendered_chart = rendered.app.as_ref().filter(|_| ask.check_images)?;
    let record = view.current_revision(&ask.installation.app_release).ok().flatten();
    let had =
        container_images::collect_images(&record.and_then(|record| record.manifest_objects().ok()).unwrap_or_default());
    let new = container_images::collect_images(&rendered_chart.rendered).difference(&had).cloned().collect();
    let hosts = [&ask.crds.chart, &ask.app.chart].into_iter().filter_map(ChartRef::host).map(str::to_owned);
    Some(registries::check_images(&new, &ask.registry, helm_config, &hosts.collect::<Vec<_>>()).await)
}

/// The content of the content bundle; none without `--bundle`. It has tens of gigabytes, so it is read while the server answers.
pub(crate) async fn read_bundle(ask: &UpgradeSpec, rendered: &RenderedCharts) -> Option<Observed<ContentBundle>> {
    let file = ask.appliance.bundle.clone()?;
    let name = |rendered_chart: &Option<RenderedChart>, usual: &str| {
        rendered_chart
            .as_ref()
            .map_or_else(|| usual.to_owned(), |rendered_chart| rendered_chart.fetched.chart.name.clone())
    };
    let (crds, app) = (name(&rendered.crds, "mural-crds"), name(&rendered.app, "mural"));
    let what = file.display().to_string();
    let read = tokio::task::spawn_blocking(move || bundles::read_bundle(&file, [&crds, &app])).await;
    let reason = |error: &dyn std::error::Error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let to_failure = |reason: String| ReadFailure { target: what.clone(), reason };
    Some(match read {
        Ok(read) => read.map_err(|error| to_failure(reason(&error))),
        Err(gone) => Err(to_failure(gone.to_string())),
    })
}

/// The answers of helm and cosign about the charts' signatures, if the request requires them.
pub(crate) async fn verify_signatures(
    ask: &UpgradeSpec,
    rendered: &RenderedCharts,
    helm: &Helm,
    private: &Path,
) -> Vec<SignatureCheck> {
    let (options, installation) = (&ask.signature, &ask.installation);
    let rendered_charts = [(&rendered.crds, &installation.crds_release), (&rendered.app, &installation.app_release)];
    let mut all = Vec::new();
    for (rendered_chart, release) in rendered_charts {
        let Some(fetched) = rendered_chart.as_ref().map(|rendered_chart| &rendered_chart.fetched) else { continue };
        let one = |by, answer| SignatureCheck { release: release.clone(), verifier: by, outcome: answer };
        if options.provenance {
            let answer = chart_signature::verify_provenance(helm, fetched, options.keyring.as_deref(), private).await;
            all.push(one(SignatureVerifier::Helm, answer));
        }
        if let Some(key) = &options.cosign_key {
            all.push(one(
                SignatureVerifier::Cosign,
                chart_signature::verify_cosign(fetched, key, &helm.registry, private).await,
            ));
        }
    }
    all
}

/// The size of the next records in bytes: CPU work, done while the server answers.
pub(crate) async fn measure_record_sizes(ask: &UpgradeSpec, rendered: &RenderedCharts) -> Vec<(String, Option<usize>)> {
    let installation = &ask.installation;
    let rendered_charts = [(&rendered.crds, &installation.crds_release), (&rendered.app, &installation.app_release)];
    let mut all = Vec::new();
    for (rendered_chart, release) in rendered_charts {
        let Some(rendered_chart) = rendered_chart else { continue };
        let content = RecordContent {
            files: Arc::clone(&rendered_chart.fetched.files),
            manifest: rendered_chart.manifest_text.clone(),
            config: rendered.config.clone(),
        };
        let work = move || estimate_record_bytes(&content);
        all.push((release.clone(), tokio::task::spawn_blocking(work).await.ok().flatten()));
    }
    all
}

/// How this helm will write: helm 4 keeps the apply method of the release (`apply_method` in the record).
pub(crate) fn choose_apply_method(
    requested: Option<ServerSide>,
    record: Option<&ReleaseRecord>,
    helm_major: u64,
) -> ApplyMethod {
    let server_side = match requested {
        Some(ServerSide::True) => true,
        Some(ServerSide::False) => false,
        Some(ServerSide::Auto) | None => {
            record.is_none_or(|record| ApplyMethod::of_record(record) == ApplyMethod::ServerSide)
        }
    };
    if helm_major >= 4 && server_side { ApplyMethod::ServerSide } else { ApplyMethod::ClientSide }
}

/// Why the server cannot dry-run an object yet: its CRD or namespace comes with this upgrade.
fn dry_run_blocker(
    object: &ObjectRef,
    view: &ClusterView,
    rendered: &RenderedCharts,
    rendered_chart: &RenderedChart,
) -> Option<&'static str> {
    let of_kind = |crd: &&Crd| crd.group() == object.group() && crd.kind() == object.kind;
    if let Some(next) = rendered.desired_crds.values().find(of_kind) {
        let now = view.crds.as_ref().ok().and_then(|live| live.get(next.name()));
        if now.is_none_or(|now| !diff::is_same_crd(now.json(), next.json())) {
            return Some("its CRD changes first");
        }
    }
    let makes_namespace =
        |document: &Value| document["kind"] == "Namespace" && document["metadata"]["name"] == object.namespace;
    rendered_chart.rendered.iter().any(makes_namespace).then_some("its namespace comes with the chart")
}
