//! Adapts the request to the Flux path: charts come from the sources' urls; `flux_values.rs` takes the values from the HelmRelease.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::ask::{OwnerMode, ReleaseTarget, UpgradeSpec};
use crate::cluster::{Cluster, flux_reader};
use crate::diff::value_changes::merge_values;
use crate::guards::flux_single_helmrelease;
use crate::model::chart::ChartRef;
use crate::model::check::Finding;
use crate::model::flux::{FluxObject, FluxSource, FluxView, HelmRelease, SourceKind};
use crate::model::secret::Hidden;
use crate::prepare::appliance_registry;
use crate::prepare::flux_request_error::{FluxRequestError, UnfetchableSource};
use crate::prepare::flux_values;
use crate::prepare::prepared::Environment;
use crate::prepare::session::Connection;
use crate::problem::Cause;
use crate::tools::private_files::{PrivateFileError, write_private_file};

/// The repository of the public charts: a chart that the operator did not pass comes from the source instead.
const PUBLIC_REGISTRY_PREFIX: &str = "public.ecr.aws/mural/";

/// The request for the Flux path, and what is new in `spec.values`.
pub(crate) struct AdaptedAsk {
    /// The request with charts and values from Flux.
    pub(crate) ask: UpgradeSpec,
    /// The Flux objects.
    pub(crate) flux: FluxView,
    /// The application's next `spec.values`; none if they do not change.
    pub(crate) values: Option<Hidden<Value>>,
}

/// Adapts the request, if a HelmRelease owns a release.
///
/// # Errors
/// A value source of the HelmRelease is missing or invalid; helm cannot read the given values.
pub(crate) async fn adapt_to_flux(
    mut ask: UpgradeSpec,
    connection: &mut Connection,
) -> Result<AdaptedAsk, FluxRequestError> {
    let Connection { cluster, helm, env, private_dir, .. } = connection;
    let private = private_dir.path();
    let flux = flux_reader::read_flux_view(cluster, &ask.installation).await;
    let namespace = ask.installation.namespace.clone();
    for target in [&ask.crds, &ask.app].into_iter().filter(|_| ask.mode != OwnerMode::Helm) {
        require_one_helm_release(target, &flux, &namespace)?;
    }
    let (crds, app) =
        (flux.sole_helm_release(&ask.crds.release, &namespace), flux.sole_helm_release(&ask.app.release, &namespace));
    if crds.is_none() && app.is_none() {
        return Ok(AdaptedAsk { ask, flux, values: None });
    }
    adapt_to_sources(&mut ask, &flux, [crds, app], cluster, private, env).await?;
    helm.registry = ask.registry.clone();
    if let Some(crds) = crds {
        flux_values::refuse_crds_values(&ask, crds)?;
        let composed = flux_values::compose_values(crds, crds.values().reveal(), cluster).await?;
        ask.crds_values = flux_values::write_values(&composed, private, "flux-crds-values.json")?;
    }
    let values = match app {
        Some(app) => flux_values::compose_application_values(&mut ask, app, helm, cluster, private).await?,
        None => None,
    };
    Ok(AdaptedAsk { ask, flux, values })
}

/// If two HelmReleases own one release, the chart's source is ambiguous. If the operator passed the chart, a guard reports the two.
fn require_one_helm_release(target: &ReleaseTarget, flux: &FluxView, namespace: &str) -> Result<(), FluxRequestError> {
    let found = flux_single_helmrelease::check_single_release(flux, &target.release, namespace)
        .filter(|_| needs_source_chart(target));
    found.map_or(Ok(()), |Finding { subject, message, hint, check, .. }| {
        let explain = format!("run kubectl mural upgrade --explain {check}");
        Err(FluxRequestError::AmbiguousSource {
            finding: format!("{subject} {message}"),
            why: Cause::new(flux_single_helmrelease::CARD.why),
            fixes: vec![hint, flux_single_helmrelease::CARD.fix.to_owned(), explain],
        })
    })
}

/// Charts and logins of the sources; for an appliance also a query of its registry for the versions.
async fn adapt_to_sources(
    ask: &mut UpgradeSpec,
    flux: &FluxView,
    [crds, app]: [Option<&HelmRelease>; 2],
    cluster: &Cluster,
    private: &Path,
    env: &Environment,
) -> Result<(), FluxRequestError> {
    let mut logins = Vec::new();
    let mut inside = Vec::new();
    for (maker, target) in [(crds, &mut ask.crds), (app, &mut ask.app)] {
        let Some(maker) = maker else { continue };
        let Some(source) = flux.helm_release_source(maker) else {
            if ask.mode != OwnerMode::Helm {
                require_source(maker, flux, target)?;
            }
            continue;
        };
        ask.registry.plain_http |= take_chart_from_source(maker, source, flux, target)?;
        let login = read_login(cluster, source).await;
        let registry = appliance_registry::registry_of(source, flux);
        if let (Some(registry), Some(url)) = (&registry, &ask.appliance.registry_url) {
            logins.extend(login.as_ref().map(|login| appliance_registry::rename_login(login, registry, url)));
            if let Some((chart, plain_http)) = appliance_registry::reachable_chart(&target.chart, url) {
                (target.chart, ask.registry.plain_http) = (chart, plain_http);
            }
        }
        logins.extend(login);
        inside.extend(registry.map(|registry| (target.clone(), source, registry)));
    }
    if !logins.is_empty() {
        let operator_config = ask.registry.config.clone().or_else(|| env.helm_registry_config.clone());
        ask.registry.config = Some(write_merged_logins(operator_config.as_deref(), &logins, private)?);
    }
    for (target, source, registry) in &inside {
        appliance_registry::require_chart_version(ask, target, source, registry, env.helm_registry_config.as_deref())
            .await?;
    }
    Ok(())
}

/// Takes a chart that the operator did not pass from its source. Returns whether the registry speaks plain http.
fn take_chart_from_source(
    maker: &HelmRelease,
    source: &FluxSource,
    flux: &FluxView,
    target: &mut ReleaseTarget,
) -> Result<bool, FluxRequestError> {
    let Some(chart) = source_chart(maker, source, flux) else {
        return if needs_source_chart(target) { Err(build_unfetchable_error(source, target)) } else { Ok(false) };
    };
    // An interrupted run and a saved plan reference the source's chart by its digest.
    let plain_http = source.is_insecure() && (is_default_chart(target) || is_same_repository(&target.chart, &chart));
    target.chart = if is_default_chart(target) { chart } else { target.chart.clone() };
    Ok(plain_http)
}

/// The problem of a missing or unreadable source.
fn require_source(maker: &HelmRelease, flux: &FluxView, target: &ReleaseTarget) -> Result<(), FluxRequestError> {
    let Some(source_ref) = flux.helm_release_source_ref(maker).filter(|_| needs_source_chart(target)) else {
        return Ok(());
    };
    let (helm_release, source_ref) = (Box::new(maker.object_ref()), Box::new(source_ref));
    Err(match flux.sources.get(&*source_ref) {
        Some(Err(failure)) => FluxRequestError::UnreadableSource { helm_release, source_ref, error: failure.clone() },
        Some(Ok(_)) | None => FluxRequestError::MissingSource { helm_release, source_ref },
    })
}

/// Whether a chart moves that the operator did not pass.
fn needs_source_chart(target: &ReleaseTarget) -> bool {
    is_default_chart(target) && target.version.is_some()
}

fn is_default_chart(target: &ReleaseTarget) -> bool {
    matches!(&target.chart, ChartRef::Oci { repository, digest: None } if repository.starts_with(PUBLIC_REGISTRY_PREFIX))
}

/// The error of a source that only source-controller can pull from: Git and buckets have no versions, a plain index is not read.
fn build_unfetchable_error(source: &FluxSource, target: &ReleaseTarget) -> FluxRequestError {
    let (source_ref, release) = (Box::new(source.object_ref()), target.release.clone());
    let reason = match source.kind() {
        SourceKind::HelmRepository => UnfetchableSource::PlainIndex { url: source.url().to_owned() },
        _ => UnfetchableSource::NoVersions { kind: source_ref.kind.clone() },
    };
    FluxRequestError::Unfetchable { release, source_ref, reason }
}

fn is_same_repository(one: &ChartRef, other: &ChartRef) -> bool {
    matches!((one, other), (ChartRef::Oci { repository: one, .. }, ChartRef::Oci { repository: other, .. }) if one == other)
}

/// Where this program can pull a source's chart.
fn source_chart(maker: &HelmRelease, source: &FluxSource, flux: &FluxView) -> Option<ChartRef> {
    let repository = source.url().strip_prefix("oci://")?.trim_end_matches('/').to_owned();
    let name = match maker.text("/spec/chart/spec/chart") {
        "" => maker
            .chart_origin()
            .and_then(|from| flux.source(&from.artifact_ref()))
            .map_or("", |chart| chart.text("/spec/chart")),
        name => name,
    };
    // A HelmRepository of type oci has many charts.
    let repository = if name.is_empty() { repository } else { format!("{repository}/{name}") };
    Some(ChartRef::Oci { repository, digest: None })
}

/// The logins in a source's Secret.
async fn read_login(cluster: &Cluster, source: &FluxSource) -> Option<Value> {
    let (namespace, name) = (source.object_ref().namespace, source.secret_name());
    if name.is_empty() {
        return None;
    }
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
    // A guard reports what is missing; without it the operator's own login is used.
    let secret = cluster.get(&path).await.ok()?;
    let config = secret.pointer("/data/.dockerconfigjson").and_then(Value::as_str);
    let config = config.and_then(|text| serde_json::from_slice(&STANDARD.decode(text).ok()?).ok());
    config.or_else(|| read_basic_auth(&secret, source))
}

/// `username` and `password`, the keys of a HelmRepository's Secret.
fn read_basic_auth(secret: &Value, source: &FluxSource) -> Option<Value> {
    let field = |key: &str| {
        let text = secret.pointer(&format!("/data/{key}"))?.as_str()?;
        String::from_utf8(STANDARD.decode(text).ok()?).ok()
    };
    let host = source.url().split_once("://")?.1.split('/').next()?;
    let auth = STANDARD.encode(format!("{}:{}", field("username")?, field("password")?));
    Some(json!({"auths": {host: {"auth": auth}}}))
}

/// The operator's registry configuration with the sources' logins on top, in a private file.
fn write_merged_logins(
    operator_config: Option<&Path>,
    logins: &[Value],
    private: &Path,
) -> Result<PathBuf, PrivateFileError> {
    let read =
        operator_config.and_then(|file| std::fs::read(file).ok()).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let empty = Value::Object(Map::new());
    let all = logins.iter().fold(read.unwrap_or(empty), |all, login| merge_values(&all, login));
    let file = private.join("registry.json");
    write_private_file(&file, all.to_string()).map_err(PrivateFileError::File)?;
    Ok(file)
}
