//! Fetches and renders the charts, each once.

mod lookup_render;
mod post_renderers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ask::{ReleaseTarget, UpgradeScope, UpgradeSpec};
use crate::model::chart::{DigestKind, ValuesSchemaError, pack_as_flux, pack_with_values};
use crate::model::cluster_view::ClusterView;
use crate::model::crd::{self, Crd};
use crate::model::fetched_chart::FetchedChart;
use crate::model::flux::{FluxObject, SourceKind};
use crate::model::manifest::{release_objects, set_release_owner};
use crate::model::secret::{Hidden, collect_secrets, mask_secrets};
use crate::prepare::missing_crds::require_rendered_crds;
use crate::prepare::next_values;
use crate::prepare::next_values::NextValues;
use crate::prepare::render::lookup_render::{LookedUpTemplate, NewKinds};
use crate::prepare::rendered_charts::{RenderedChart, RenderedCharts};
use crate::prepare::session::{Connection, UpgradeContext};
use crate::problem::Problem;
use crate::tools::chart_fetch::fetch_chart;
use crate::tools::helm::{Helm, RenderedTemplate, TemplateArgs, TemplateLookups};
use crate::tools::private_files::{PrivateFileError, write_private_file};

/// Whether a chart moves: the operator passed a version, or the chart has its own (a local chart, or one pinned by digest).
const fn has_upgrade_target(target: &ReleaseTarget) -> bool {
    target.version.is_some() || !target.chart.needs_version()
}

/// Fetches the charts that move, concurrently.
///
/// # Errors
/// As [`fetch`]. If neither moves, the application's missing version is the problem, with the newest version found.
pub async fn fetch_both(
    helm: &Helm,
    ask: &UpgradeSpec,
    private: &Path,
    helm_config: Option<&Path>,
) -> Result<(Option<FetchedChart>, Option<FetchedChart>), Problem> {
    let fetch_chart = |target: &ReleaseTarget, wanted: bool| {
        let (chart, version) = (target.chart.clone(), target.version.clone());
        async move {
            if !wanted {
                return Ok(None);
            }
            Ok::<_, Problem>(Some(fetch_chart(helm, &chart, version.as_ref(), private, helm_config).await?))
        }
    };
    let neither = !has_upgrade_target(&ask.crds) && !has_upgrade_target(&ask.app);
    let (crds, app) = tokio::join!(
        fetch_chart(&ask.crds, has_upgrade_target(&ask.crds)),
        fetch_chart(&ask.app, has_upgrade_target(&ask.app) || neither)
    );
    Ok((crds?, app?))
}

/// Renders the fetched charts: the CRD chart first, because the application's forecast needs its API versions.
///
/// # Errors
/// A chart does not render, or helm rejects the values.
pub(crate) async fn render_both(
    context: &UpgradeContext<'_>,
    charts: (Option<FetchedChart>, Option<FetchedChart>),
) -> Result<RenderedCharts, Problem> {
    let UpgradeContext { connection, ask, view, .. } = *context;
    let record = view.newest_revision(&ask.installation.app_release).ok().flatten();
    let crds_record = view.current_revision(&ask.installation.crds_release).ok().flatten();
    let (helm, private) = (&connection.helm, connection.private());
    let crds = async {
        // helm reads both charts' values concurrently: each has a folder for itself.
        let private = next_values::create_folder(private, "crds-values")?;
        let next = next_values::compute_next_values(helm, &ask.crds_values, crds_record, &private).await?;
        let rendered = match charts.0 {
            Some(fetched) => Some(render_crds_chart(context, fetched, &next).await?),
            None => None,
        };
        Ok::<_, Problem>((next, rendered))
    };
    let values = next_values::compute_next_values(helm, &ask.values, record, private);
    let (next, crds) = tokio::join!(values, crds);
    let (next, (crds_next, crds)) = (next?, crds?);
    let app = match charts.1 {
        Some(fetched) => Some(render_app_chart(context, fetched, crds.as_ref(), &next).await?),
        None => None,
    };
    let wanted = collect_desired_crds(context, crds.as_ref(), app.as_ref());
    Ok(RenderedCharts { crds, app, desired_crds: wanted, config: next.config, crds_config: crds_next.config })
}

async fn render_crds_chart(
    context: &UpgradeContext<'_>,
    fetched: FetchedChart,
    next: &NextValues,
) -> Result<RenderedChart, Problem> {
    let UpgradeContext { connection: Connection { helm, .. }, ask, view, .. } = *context;
    let release = &ask.installation.crds_release;
    let as_flux = pack_as_flux_does(ask, view, release, &fetched)?;
    let template = TemplateArgs {
        release,
        chart: as_flux.as_deref().unwrap_or(&fetched.file),
        values_files: std::slice::from_ref(&next.file),
        values: &[],
        kube_version: &view.cluster.version,
        api_versions: &[],
        include_crds: true,
        is_upgrade: view.newest_revision(release).ok().flatten().is_some(),
        lookups: TemplateLookups::Nothing,
        extra_args: &hook_flags(ask),
    };
    let looked_up = lookup_render::render(helm, &template, &fetched, NewKinds::None).await?;
    require_rendered_crds(&fetched, &looked_up.template.objects)?;
    Ok(finish_rendering(context, release, fetched, looked_up, next).await)
}

async fn render_app_chart(
    context: &UpgradeContext<'_>,
    fetched: FetchedChart,
    crds: Option<&RenderedChart>,
    next: &NextValues,
) -> Result<RenderedChart, Problem> {
    let UpgradeContext { connection: Connection { helm, cluster, .. }, ask, view, .. } = *context;
    let live_versions = cluster.list_api_versions().await.map_err(|error| error.in_context(&cluster.context))?;
    let (api_versions, new_kinds) = merge_api_versions(live_versions, crd_api_versions(crds));
    let values_files = [next.file.clone()];
    let reusing = next.chart_values.as_ref().map(|values| pack_with_reused_values(&fetched, values)).transpose()?;
    let as_flux = pack_as_flux_does(ask, view, &ask.installation.app_release, &fetched)?;
    let chart = reusing.as_deref().or(as_flux.as_deref()).unwrap_or(&fetched.file);
    let passed: Vec<String> = hook_flags(ask).into_iter().chain(ask.helm_options.to_post_renderer_args()).collect();
    let template = TemplateArgs {
        release: &ask.installation.app_release,
        chart,
        values_files: &values_files,
        values: &[],
        kube_version: &view.cluster.version,
        api_versions: &api_versions,
        include_crds: true,
        is_upgrade: view.newest_revision(&ask.installation.app_release).ok().flatten().is_some(),
        lookups: TemplateLookups::Nothing,
        extra_args: &passed,
    };
    let looked_up = lookup_render::render(helm, &template, &fetched, new_kinds).await?;
    Ok(finish_rendering(context, &ask.installation.app_release, fetched, looked_up, next).await)
}

/// What follows helm: secrets are masked, and Flux's post-renderers change the objects.
async fn finish_rendering(
    context: &UpgradeContext<'_>,
    release: &str,
    fetched: FetchedChart,
    looked_up: LookedUpTemplate,
    next: &NextValues,
) -> RenderedChart {
    let LookedUpTemplate { template, mut schema_refusals, lookups } = looked_up;
    let RenderedTemplate { objects: mut rendered, text: manifest_text } = template;
    mask_refusals(&mut schema_refusals, &next.config);
    let post_render_failure = apply_flux_post_renderers(context, release, &fetched, &mut rendered).await;
    RenderedChart { fetched, rendered, manifest_text, schema_refusals, lookups, post_render_failure }
}

/// The API versions that the API server has after the CRDs are applied, and whether that makes any of them new.
fn merge_api_versions(mut live: Vec<String>, of_chart: Vec<String>) -> (Vec<String>, NewKinds) {
    let is_known = of_chart.iter().all(|version| live.contains(version));
    live.extend(of_chart);
    live.sort();
    live.dedup();
    (live, if is_known { NewKinds::None } else { NewKinds::Some })
}

/// Masks what a refusal quotes: a pattern's refusal quotes the value.
fn mask_refusals(refusals: &mut [ValuesSchemaError], config: &Hidden<Value>) {
    let secrets = collect_secrets(config.reveal());
    for refusal in refusals {
        refusal.message = mask_secrets(&refusal.message, &secrets);
    }
}

/// The chart as `--reuse-values` changes it, beside the chart that helm gets.
fn pack_with_reused_values(fetched: &FetchedChart, values: &Hidden<Value>) -> Result<PathBuf, PrivateFileError> {
    let file = fetched.file.with_file_name("reused-values.tgz");
    let written = pack_with_values(&fetched.files, values.reveal()).and_then(|bytes| write_private_file(&file, bytes));
    written.map_err(PrivateFileError::File)?;
    Ok(file)
}

/// The chart with the version that helm-controller gives it; none if helm writes the release.
fn pack_as_flux_does(
    ask: &UpgradeSpec,
    view: &ClusterView,
    release: &str,
    fetched: &FetchedChart,
) -> Result<Option<PathBuf>, PrivateFileError> {
    let maker = view.flux.sole_helm_release(release, &ask.installation.namespace);
    let source = maker.and_then(|maker| view.flux.helm_release_source(maker));
    let from_oci = source.is_some_and(|source| source.kind() == SourceKind::OciRepository);
    if !from_oci || fetched.digest.kind != DigestKind::Manifest {
        return Ok(None);
    }
    let file = fetched.file.with_file_name("as-flux-names-it.tgz");
    let packed = pack_as_flux(&fetched.files, &fetched.chart.version, &fetched.digest);
    packed.and_then(|bytes| write_private_file(&file, bytes)).map_err(PrivateFileError::File)?;
    Ok(Some(file))
}

/// What helm-controller makes of a rendered chart; the reason if that is undetermined.
async fn apply_flux_post_renderers(
    context: &UpgradeContext<'_>,
    release: &str,
    fetched: &FetchedChart,
    rendered: &mut Vec<Value>,
) -> Option<String> {
    let UpgradeContext { connection, ask, view, .. } = *context;
    let renderers = view.flux.sole_helm_release(release, &ask.installation.namespace)?.post_renderers();
    let post = match renderers.is_empty() {
        true => Ok(()),
        false => {
            let (kubectl, private) = (&connection.kubectl, connection.private());
            post_renderers::run_post_renderers(kubectl, &renderers, &fetched.chart, private, rendered).await
        }
    };
    add_flux_origin_labels(ask, view, release, fetched, rendered);
    post.err()
}

/// The labels that helm-controller adds to every object outside `crds/` (`internal/postrender`, origin labels).
fn add_flux_origin_labels(
    ask: &UpgradeSpec,
    view: &ClusterView,
    release: &str,
    fetched: &FetchedChart,
    rendered: &mut [Value],
) {
    let Some(maker) = view.flux.sole_helm_release(release, &ask.installation.namespace) else { return };
    let helm_release = maker.object_ref();
    for document in rendered.iter_mut().filter(|document| !fetched.chart.is_folder_crd(document)) {
        for (key, value) in [("name", &helm_release.name), ("namespace", &helm_release.namespace)] {
            document["metadata"]["labels"][format!("{FLUX_LABEL_PREFIX}{key}")] = value.as_str().into();
        }
    }
}

/// The prefix of helm-controller's labels.
const FLUX_LABEL_PREFIX: &str = "helm.toolkit.fluxcd.io/";

/// The helm flags that `helm template` also takes.
fn hook_flags(ask: &UpgradeSpec) -> Vec<String> {
    if ask.helm_options.no_hooks { vec!["--no-hooks".to_owned()] } else { Vec::new() }
}

/// The API versions of the CRD chart's CRDs, as charts query them: `group/version` and `group/version/Kind`.
fn crd_api_versions(crds: Option<&RenderedChart>) -> Vec<String> {
    let all = crds
        .into_iter()
        .flat_map(|rendered_chart| &rendered_chart.rendered)
        .filter_map(|document| Crd::new(document.clone()).ok());
    all.flat_map(|crd| {
        let served: Vec<String> =
            crd.versions().filter(|version| version.served).map(|version| version.name.to_owned()).collect();
        let name = |version: &String| format!("{}/{version}", crd.group());
        served
            .iter()
            .flat_map(|version| [name(version), format!("{}/{}", name(version), crd.kind())])
            .collect::<Vec<_>>()
    })
    .collect()
}

/// Every CRD of both charts, as it will be written. What helm imports later gets the ownership metadata that helm requires.
fn collect_desired_crds(
    context: &UpgradeContext<'_>,
    crds: Option<&RenderedChart>,
    app: Option<&RenderedChart>,
) -> BTreeMap<String, Crd> {
    let mut all = BTreeMap::new();
    let importers = list_importing_releases(context, crds, app);
    for document in [crds, app].into_iter().flatten().flat_map(|chart| release_objects(&chart.rendered)) {
        let mut document = document.clone();
        if let Some(release) = Crd::name_of(&document).and_then(|name| importers.get(name)) {
            set_release_owner(&mut document, release, &context.ask.installation.namespace);
        }
        if let Ok(crd) = Crd::new(document) {
            all.entry(crd.name().to_owned()).or_insert(crd);
        }
    }
    all
}

/// The CRDs that this program writes and helm imports afterwards, each with the release that imports it:
///
/// - the CRD chart has it in `crds/`, and the application as a template;
/// - no release is written now, but the CRD chart has it as a template and its release is installed.
fn list_importing_releases<'a>(
    context: &UpgradeContext<'a>,
    crds: Option<&RenderedChart>,
    app: Option<&RenderedChart>,
) -> BTreeMap<String, &'a str> {
    let (ask, installation) = (context.ask, &context.ask.installation);
    let templates = |chart: &RenderedChart| crd::list_template_crds(&chart.rendered, &chart.fetched.chart.folder_crds);
    if ask.scope == UpgradeScope::CrdsOnly {
        let is_installed = context.view.current_revision(&installation.crds_release).ok().flatten().is_some();
        let names = crds.filter(|_| is_installed).map(templates).unwrap_or_default();
        return names.into_iter().map(|name| (name, installation.crds_release.as_str())).collect();
    }
    let in_folder = |name: &String| crds.is_some_and(|crds| crds.fetched.chart.folder_crds.contains(name));
    let names = app.map(templates).unwrap_or_default();
    names.into_iter().filter(in_folder).map(|name| (name, installation.app_release.as_str())).collect()
}
