//! Adapts the request to the Flux path: charts come from the sources' urls, values from the HelmRelease.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::ask::{OwnerMode, ReleaseTarget, StoredValues, UpgradeSpec, ValueFlag, ValueOptions};
use crate::cluster::{Cluster, flux_reader};
use crate::diff::value_changes::merge_values;
use crate::guards::flux_single_helmrelease;
use crate::model::chart::ChartRef;
use crate::model::check::Finding;
use crate::model::flux::{FluxObject, FluxSource, FluxView, HelmRelease, SourceKind, ValuesReference};
use crate::model::secret::Hidden;
use crate::model::yaml::{self, ErrorDetail};
use crate::prepare::appliance_registry;
use crate::prepare::prepared::Environment;
use crate::prepare::session::Connection;
use crate::problem::{Exit, Problem};
use crate::tools::helm::Helm;
use crate::tools::private_files::write_private_file;

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
pub(crate) async fn adapt_to_flux(mut ask: UpgradeSpec, connection: &mut Connection) -> Result<AdaptedAsk, Problem> {
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
        refuse_flux_crds_values(&ask, crds)?;
        let composed = compose_values(crds, crds.values().reveal(), cluster).await?;
        ask.crds_values = write_values(&composed, private, "flux-crds-values.json")?;
    }
    let values = match app {
        Some(app) => compose_application_values(&mut ask, app, helm, cluster, private).await?,
        None => None,
    };
    Ok(AdaptedAsk { ask, flux, values })
}

/// If two HelmReleases own one release, the chart's source is ambiguous. If the operator passed the chart, a guard reports the two.
fn require_one_helm_release(target: &ReleaseTarget, flux: &FluxView, namespace: &str) -> Result<(), Problem> {
    let found = flux_single_helmrelease::check_single_release(flux, &target.release, namespace)
        .filter(|_| needs_source_chart(target));
    found.map_or(Ok(()), |Finding { subject, message, hint, check, .. }| {
        Err(Problem::new(Exit::Refused, format!("{subject} {message}: its chart could come from either source"))
            .with_source(flux_single_helmrelease::CARD.why)
            .with_hint(hint)
            .with_hint(flux_single_helmrelease::CARD.fix)
            .with_hint(format!("run kubectl mural upgrade --explain {check}")))
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
) -> Result<(), Problem> {
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
) -> Result<bool, Problem> {
    let Some(chart) = source_chart(maker, source, flux) else {
        return if needs_source_chart(target) { Err(unfetchable_source_problem(source, target)) } else { Ok(false) };
    };
    // An interrupted run and a saved plan reference the source's chart by its digest.
    let plain_http = source.is_insecure() && (is_default_chart(target) || is_same_repository(&target.chart, &chart));
    target.chart = if is_default_chart(target) { chart } else { target.chart.clone() };
    Ok(plain_http)
}

/// The problem of a missing or unreadable source.
fn require_source(maker: &HelmRelease, flux: &FluxView, target: &ReleaseTarget) -> Result<(), Problem> {
    let Some(source_ref) = flux.helm_release_source_ref(maker).filter(|_| needs_source_chart(target)) else {
        return Ok(());
    };
    let text = format!("{} takes its chart from {source_ref}", maker.object_ref());
    let look = format!("run kubectl get {}", source_ref.to_kubectl_args());
    Err(match flux.sources.get(&source_ref) {
        Some(Err(failure)) => {
            Problem::new(Exit::ChecksFailed, format!("{text}, which cannot be read")).with_source(failure.to_string())
        }
        _ => Problem::new(Exit::Refused, format!("{text}, and {source_ref} does not exist")).with_hint(format!(
            "{look} and correct the name in the HelmRelease; helm-controller cannot find it either"
        )),
    })
}

/// Whether a chart moves that the operator did not pass.
fn needs_source_chart(target: &ReleaseTarget) -> bool {
    is_default_chart(target) && target.version.is_some()
}

fn is_default_chart(target: &ReleaseTarget) -> bool {
    matches!(&target.chart, ChartRef::Oci { repository, digest: None } if repository.starts_with(PUBLIC_REGISTRY_PREFIX))
}

/// The problem of a source that only source-controller can pull from: Git and buckets have no versions, a plain index is not read.
fn unfetchable_source_problem(source: &FluxSource, target: &ReleaseTarget) -> Problem {
    let (source_ref, release) = (source.object_ref(), &target.release);
    let text = format!("release {release} takes its chart from {source_ref}");
    match source.kind() {
        SourceKind::HelmRepository => Problem::new(Exit::Refused, text)
            .with_source(format!("this program does not read the index at {}", source.url()))
            .with_hint("run helm pull there, and pass the files: --chart FILE, --crds-chart FILE"),
        _ => Problem::new(Exit::Refused, text)
            .with_source(format!("a {} has no chart versions, so none can be set", source_ref.kind))
            .with_hint("change the chart in that source, CRDs first")
            .with_hint(
                "use an OCIRepository, as in the vendor's upgrade guide: run kubectl mural upgrade flux-manifests",
            ),
    }
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
fn write_merged_logins(operator_config: Option<&Path>, logins: &[Value], private: &Path) -> Result<PathBuf, Problem> {
    let read =
        operator_config.and_then(|file| std::fs::read(file).ok()).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let empty = Value::Object(Map::new());
    let all = logins.iter().fold(read.unwrap_or(empty), |all, login| merge_values(&all, login));
    let file = private.join("registry.json");
    write_private_file(&file, all.to_string())
        .map_err(|error| Problem::failure("cannot write a private file").with_source(error))?;
    Ok(file)
}

/// The application's values as helm-controller composes them: `valuesFrom` in order, then `spec.values`. Given values replace
/// only `spec.values`.
async fn compose_application_values(
    ask: &mut UpgradeSpec,
    app: &HelmRelease,
    helm: &Helm,
    cluster: &Cluster,
    private: &Path,
) -> Result<Option<Hidden<Value>>, Problem> {
    let old = app.values();
    let given = !ask.values.flags.is_empty();
    let flags = match given {
        true => helm
            .read_values(&ask.values.flags, private)
            .await
            .map_err(|error| error.into_problem("helm cannot read the values"))?,
        false => Value::Object(Map::new()),
    };
    let new = match ask.values.stored {
        StoredValues::Reuse | StoredValues::ResetThenReuse => merge_values(old.reveal(), &flags),
        StoredValues::Reset => flags,
        StoredValues::HelmDefault if given => flags,
        StoredValues::HelmDefault => old.reveal().clone(),
    };
    let composed = compose_values(app, &new, cluster).await?;
    ask.values = write_values(&composed, private, "flux-values.json")?;
    Ok((new != *old.reveal()).then(|| Hidden::new(new)))
}

/// The values of the CRD chart are those of its HelmRelease: this upgrade patches no other field of it.
fn refuse_flux_crds_values(ask: &UpgradeSpec, crds: &HelmRelease) -> Result<(), Problem> {
    if ask.crds_values.flags.is_empty() {
        return Ok(());
    }
    Err(Problem::usage(format!("{} sets the values of the CRD chart, so flags cannot", crds.object_ref()))
        .with_hint(format!("set spec.values: kubectl edit {}", crds.object_ref().to_kubectl_args())))
}

/// The values as helm-controller composes them: `valuesFrom` in order, then `spec.values`.
async fn compose_values(maker: &HelmRelease, spec_values: &Value, cluster: &Cluster) -> Result<Value, Problem> {
    let mut composed = Value::Object(Map::new());
    for from in maker.values_from() {
        composed = merge_values_from(composed, &from, read_values_from(cluster, maker, &from).await?)?;
    }
    Ok(merge_values(&composed, spec_values))
}

/// Composed values as the only ones of a release, in a private file.
fn write_values(values: &Value, private: &Path, name: &str) -> Result<ValueOptions, Problem> {
    let file = private.join(name);
    write_private_file(&file, values.to_string())
        .map_err(|error| Problem::failure("cannot write a private file").with_source(error))?;
    Ok(ValueOptions { flags: vec![ValueFlag::File(file)], stored: StoredValues::Reset })
}

/// The text of an entry of `valuesFrom`; none if it is optional and missing.
async fn read_values_from(
    cluster: &Cluster,
    app: &HelmRelease,
    from: &ValuesReference,
) -> Result<Option<String>, Problem> {
    let (kind, namespace, name) = (&from.object.kind, &from.object.namespace, &from.object.name);
    let plural = if kind == "Secret" { "secrets" } else { "configmaps" };
    let found = cluster.get(&format!("/api/v1/namespaces/{namespace}/{plural}/{name}")).await;
    let missing = |why: String| {
        Problem::new(
            Exit::Refused,
            format!("{} takes values from {kind} {namespace}/{name}, and {why}", app.object_ref()),
        )
        .with_hint(format!(
            "run kubectl get {plural} {name} --namespace {namespace}; helm-controller cannot read it either"
        ))
    };
    let object = match found {
        Ok(object) => object,
        Err(error) if error.is_not_found() && from.optional => return Ok(None),
        Err(error) if error.is_not_found() => return Err(missing("it does not exist".to_owned())),
        Err(error) => return Err(missing("it cannot be read".to_owned()).with_source(error)),
    };
    let text = object["data"].get(&from.key).and_then(Value::as_str);
    let text = match (text, kind.as_str()) {
        (Some(text), "Secret") => STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()),
        (text, _) => text.map(str::to_owned),
    };
    match text {
        Some(text) => Ok(Some(text)),
        None if from.optional => Ok(None),
        None => Err(missing(format!("it has no readable key {}", from.key))),
    }
}

/// Merges the content of an entry over the values before it.
fn merge_values_from(under: Value, from: &ValuesReference, text: Option<String>) -> Result<Value, Problem> {
    let Some(text) = text else { return Ok(under) };
    if !from.target.is_empty() {
        return Ok(merge_values(&under, &nest_at_path(&from.target, parse_scalar(&text))));
    }
    let read = yaml::parse_document(&text, ErrorDetail::LocationOnly).map_err(|error| {
        Problem::new(Exit::Refused, format!("{} {} has no values in {}", from.object.kind, from.object.name, from.key))
            .with_source(error)
    })?;
    Ok(if read.is_object() { merge_values(&under, &read) } else { under })
}

/// A value at a dotted path, as in `targetPath`.
fn nest_at_path(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |inner, key| json!({key: inner}))
}

/// Parses a text like helm's `--set`: whole numbers, true, false and null are not strings (helm `pkg/strvals`).
fn parse_scalar(text: &str) -> Value {
    match text {
        "true" => true.into(),
        "false" => false.into(),
        "null" => Value::Null,
        "0" => 0.into(),
        _ if text.starts_with('0') => text.into(),
        _ => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::flux::FluxRef;

    #[test]
    fn values_from_are_laid_over_each_other_in_order() {
        let entry = |target: &str| ValuesReference {
            object: FluxRef::new("Secret", "m", "s"),
            key: "k".into(),
            target: target.into(),
            optional: false,
        };
        let first = merge_values_from(json!({}), &entry(""), Some("a: {b: 1, c: 2}".into())).unwrap();
        let second = merge_values_from(first, &entry("a.b"), Some("true".into())).unwrap();
        assert_eq!(second, json!({"a": {"b": true, "c": 2}}));
        assert_eq!(merge_values_from(second.clone(), &entry(""), None).unwrap(), second);
        assert_eq!((parse_scalar("007"), parse_scalar("7"), parse_scalar("x")), ("007".into(), 7.into(), "x".into()));
    }
}
