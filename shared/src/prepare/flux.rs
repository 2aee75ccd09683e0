//! What is asked for, as the Flux path means it: charts come from the sources' urls, values from the HelmRelease.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::ask::{Ask, Mode, StoredValues, Target, ValueFlag, Values};
use crate::cluster::{Cluster, flux};
use crate::diff::values::merged;
use crate::guards::flux_one_maker;
use crate::model::chart::ChartRef;
use crate::model::check::Finding;
use crate::model::flux::{FluxObject, FluxView, HelmRelease, Source, SourceKind, ValuesFrom};
use crate::model::secret::Hidden;
use crate::model::yaml::{self, Quote};
use crate::prepare::Surroundings;
use crate::prepare::appliance;
use crate::problem::{Exit, Problem};
use crate::tools::helm::Helm;

/// Where the public charts lie: a chart that nobody named comes from the source instead.
const PUBLIC: &str = "public.ecr.aws/mural/";

/// What is asked for, and what is new in `spec.values`.
pub(crate) struct Adapted {
    /// With charts and values as Flux has them.
    pub(crate) ask: Ask,
    /// What Flux has.
    pub(crate) flux: FluxView,
    /// `spec.values` of the application as they shall be; none where they stay.
    pub(crate) values: Option<Hidden<Value>>,
}

/// Adapts what is asked for, where a HelmRelease makes a release.
///
/// # Errors
/// Values that the HelmRelease names are not there or no values; helm cannot read the given ones.
pub(crate) async fn adapted(
    mut ask: Ask,
    helm: &mut Helm,
    cluster: &Cluster,
    private: &Path,
    around: &Surroundings,
) -> Result<Adapted, Problem> {
    let flux = flux::look(cluster, &ask.installation).await;
    let namespace = ask.installation.namespace.clone();
    for target in [&ask.crds, &ask.app].into_iter().filter(|_| ask.mode != Mode::Helm) {
        one_maker(target, &flux, &namespace)?;
    }
    let (crds, app) = (flux.maker(&ask.crds.release, &namespace), flux.maker(&ask.app.release, &namespace));
    if crds.is_none() && app.is_none() {
        return Ok(Adapted { ask, flux, values: None });
    }
    through_sources(&mut ask, &flux, [crds, app], cluster, private, around).await?;
    helm.registry = ask.registry.clone();
    let values = match app {
        Some(app) => application_values(&mut ask, app, helm, cluster, private).await?,
        None => None,
    };
    Ok(Adapted { ask, flux, values })
}

/// Of two HelmReleases that make one release nobody can say whose chart is meant. Where it is named, the guard tells of the two.
fn one_maker(target: &Target, flux: &FluxView, namespace: &str) -> Result<(), Problem> {
    let found = flux_one_maker::many(flux, &target.release, namespace).filter(|_| wants_its_source(target));
    found.map_or(Ok(()), |Finding { subject, message, hint, check, .. }| {
        Err(Problem::new(Exit::Refused, format!("{subject} {message}: from whose source shall its chart come?"))
            .because(flux_one_maker::CARD.why)
            .hint(hint)
            .hint(flux_one_maker::CARD.fix)
            .hint(format!("kubectl mural upgrade --explain {check}")))
    })
}

/// Charts and logins as the sources have them; an appliance's registry is asked for the versions.
async fn through_sources(
    ask: &mut Ask,
    flux: &FluxView,
    [crds, app]: [Option<&HelmRelease>; 2],
    cluster: &Cluster,
    private: &Path,
    around: &Surroundings,
) -> Result<(), Problem> {
    let mut logins = Vec::new();
    let mut inside = Vec::new();
    for (maker, target) in [(crds, &mut ask.crds), (app, &mut ask.app)] {
        let Some(maker) = maker else { continue };
        let Some(source) = flux.source_of(maker) else {
            if ask.mode != Mode::Helm {
                not_there(maker, flux, target)?;
            }
            continue;
        };
        ask.registry.plain_http |= taken_from(maker, source, flux, target)?;
        let login = login(cluster, source).await;
        let registry = appliance::registry_of(source, flux);
        if let (Some(registry), Some(url)) = (&registry, &ask.appliance.registry_url) {
            logins.extend(login.as_ref().map(|login| appliance::renamed(login, registry, url)));
            if let Some((chart, plain_http)) = appliance::reachable(&target.chart, url) {
                (target.chart, ask.registry.plain_http) = (chart, plain_http);
            }
        }
        logins.extend(login);
        inside.extend(registry.map(|registry| (target.clone(), source, registry)));
    }
    if !logins.is_empty() {
        let own = ask.registry.config.clone().or_else(|| around.helm_registry_config.clone());
        ask.registry.config = Some(merged_logins(own.as_deref(), &logins, private)?);
    }
    for (target, source, registry) in &inside {
        appliance::holds(ask, target, source, registry, around.helm_registry_config.as_deref()).await?;
    }
    Ok(())
}

/// Lets a chart that nobody named come from its source. Whether that is spoken to by plain http.
fn taken_from(maker: &HelmRelease, source: &Source, flux: &FluxView, target: &mut Target) -> Result<bool, Problem> {
    let Some(chart) = chart_of(maker, source, flux) else {
        return if wants_its_source(target) { Err(not_to_be_had(source, target)) } else { Ok(false) };
    };
    // A run that was cut off and a saved plan name the source's chart by its digest.
    let plain_http = source.insecure() && (unnamed(target) || same_place(&target.chart, &chart));
    target.chart = if unnamed(target) { chart } else { target.chart.clone() };
    Ok(plain_http)
}

/// A source that is not there, or cannot be read, where its chart is wanted.
fn not_there(maker: &HelmRelease, flux: &FluxView, target: &Target) -> Result<(), Problem> {
    let Some(named) = flux.source_named(maker).filter(|_| wants_its_source(target)) else { return Ok(()) };
    let text = format!("{} takes its chart from {named}", maker.named());
    let look = format!("kubectl get {}", named.words());
    Err(match flux.sources.get(&named) {
        Some(Err(not_seen)) => {
            Problem::new(Exit::ChecksFailed, format!("{text}, which cannot be read")).because(not_seen.to_string())
        }
        _ => Problem::new(Exit::Refused, format!("{text}, and {named} is not there"))
            .hint(format!("{look}; is its name right in the HelmRelease? helm-controller cannot find it either")),
    })
}

/// Whether a chart moves that nobody named.
fn wants_its_source(target: &Target) -> bool {
    unnamed(target) && target.version.is_some()
}

fn unnamed(target: &Target) -> bool {
    matches!(&target.chart, ChartRef::Oci { repository, digest: None } if repository.starts_with(PUBLIC))
}

/// A source whose chart nobody but source-controller can fetch: Git and buckets have no versions, an index by http is not read here.
fn not_to_be_had(source: &Source, target: &Target) -> Problem {
    let (named, release) = (source.named(), &target.release);
    let text = format!("release {release} takes its chart from {named}");
    match source.kind() {
        SourceKind::HelmRepository => Problem::new(Exit::Refused, text)
            .because(format!("its index at {} is not read here: no chart of it can be judged", source.url()))
            .hint("helm pull the chart from there, and name the file: --chart FILE, --crds-chart FILE"),
        _ => Problem::new(Exit::Refused, text)
            .because(format!("a {} holds no chart versions, so none can be set", named.kind))
            .hint("change the chart where that source takes it from, CRDs first")
            .hint("an OCIRepository instead, as on the vendor's page: kubectl mural upgrade flux-manifests writes it"),
    }
}

fn same_place(one: &ChartRef, other: &ChartRef) -> bool {
    matches!((one, other), (ChartRef::Oci { repository: one, .. }, ChartRef::Oci { repository: other, .. }) if one == other)
}

/// Where a source's chart can be had by us too.
fn chart_of(maker: &HelmRelease, source: &Source, flux: &FluxView) -> Option<ChartRef> {
    let repository = source.url().strip_prefix("oci://")?.trim_end_matches('/').to_owned();
    let name = match maker.text("/spec/chart/spec/chart") {
        "" => maker
            .chart_from()
            .and_then(|from| flux.source(&from.object()))
            .map_or("", |chart| chart.text("/spec/chart")),
        name => name,
    };
    // A HelmRepository of type oci holds many charts.
    let repository = if name.is_empty() { repository } else { format!("{repository}/{name}") };
    Some(ChartRef::Oci { repository, digest: None })
}

/// The logins that a source's Secret holds.
async fn login(cluster: &Cluster, source: &Source) -> Option<Value> {
    let (namespace, name) = (source.named().namespace, source.secret());
    if name.is_empty() {
        return None;
    }
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
    // A guard tells what is missing; without it our own login has to do.
    let secret = cluster.get(&path).await.ok()?;
    let config = secret.pointer("/data/.dockerconfigjson").and_then(Value::as_str);
    let config = config.and_then(|text| serde_json::from_slice(&STANDARD.decode(text).ok()?).ok());
    config.or_else(|| basic_auth(&secret, source))
}

/// `username` and `password`, as a HelmRepository names them.
fn basic_auth(secret: &Value, source: &Source) -> Option<Value> {
    let field = |key: &str| {
        let text = secret.pointer(&format!("/data/{key}"))?.as_str()?;
        String::from_utf8(STANDARD.decode(text).ok()?).ok()
    };
    let host = source.url().split_once("://")?.1.split('/').next()?;
    let auth = STANDARD.encode(format!("{}:{}", field("username")?, field("password")?));
    Some(json!({"auths": {host: {"auth": auth}}}))
}

/// The operator's registry configuration with the sources' logins over it, in a file of our own.
fn merged_logins(own: Option<&Path>, logins: &[Value], private: &Path) -> Result<PathBuf, Problem> {
    let read = own.and_then(|file| std::fs::read(file).ok()).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let empty = Value::Object(Map::new());
    let all = logins.iter().fold(read.unwrap_or(empty), |all, login| merged(&all, login));
    let file = private.join("registry.json");
    std::fs::write(&file, all.to_string())
        .map_err(|error| Problem::failed("cannot write a private file").because(error))?;
    Ok(file)
}

/// The application's values as helm-controller will compose them: `valuesFrom` in order, then `spec.values`. The given ones replace
/// `spec.values` alone.
async fn application_values(
    ask: &mut Ask,
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
            .map_err(|error| error.problem("helm cannot read the values"))?,
        false => Value::Object(Map::new()),
    };
    let new = match ask.values.stored {
        StoredValues::Reuse | StoredValues::ResetThenReuse => merged(old.reveal(), &flags),
        StoredValues::Reset => flags,
        StoredValues::HelmDefault if given => flags,
        StoredValues::HelmDefault => old.reveal().clone(),
    };
    let mut composed = Value::Object(Map::new());
    for from in app.values_from() {
        composed = with(composed, &from, read(cluster, app, &from).await?)?;
    }
    let composed = merged(&composed, &new);
    let file = private.join("flux-values.json");
    std::fs::write(&file, composed.to_string())
        .map_err(|error| Problem::failed("cannot write a private file").because(error))?;
    ask.values = Values { flags: vec![ValueFlag::File(file)], stored: StoredValues::Reset };
    Ok((new != *old.reveal()).then(|| Hidden::new(new)))
}

/// The text behind an entry of `valuesFrom`; none where it may be missing and is.
async fn read(cluster: &Cluster, app: &HelmRelease, from: &ValuesFrom) -> Result<Option<String>, Problem> {
    let (kind, namespace, name) = (&from.object.kind, &from.object.namespace, &from.object.name);
    let plural = if kind == "Secret" { "secrets" } else { "configmaps" };
    let found = cluster.get(&format!("/api/v1/namespaces/{namespace}/{plural}/{name}")).await;
    let missing = |why: String| {
        Problem::new(Exit::Refused, format!("{} takes values from {kind} {namespace}/{name}, and {why}", app.named()))
            .hint(format!(
                "kubectl get {plural} {name} --namespace {namespace}; helm-controller could not read it either"
            ))
    };
    let object = match found {
        Ok(object) => object,
        Err(error) if error.not_found() && from.optional => return Ok(None),
        Err(error) if error.not_found() => return Err(missing("it is not there".to_owned())),
        Err(error) => return Err(missing("it cannot be read".to_owned()).because(error)),
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

/// Lays what an entry holds over what came before it.
fn with(under: Value, from: &ValuesFrom, text: Option<String>) -> Result<Value, Problem> {
    let Some(text) = text else { return Ok(under) };
    if !from.target.is_empty() {
        return Ok(merged(&under, &at(&from.target, scalar(&text))));
    }
    let read = yaml::document(&text, Quote::Nothing).map_err(|error| {
        Problem::new(
            Exit::Refused,
            format!("{} {} holds no values in {}", from.object.kind, from.object.name, from.key),
        )
        .because(error)
    })?;
    Ok(if read.is_object() { merged(&under, &read) } else { under })
}

/// A value at a dotted path, as a `targetPath` names it.
fn at(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |inner, key| json!({key: inner}))
}

/// As helm's `--set` reads a text: whole numbers, true, false and null are no texts (helm `pkg/strvals`).
fn scalar(text: &str) -> Value {
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
        let entry = |target: &str| ValuesFrom {
            object: FluxRef::new("Secret", "m", "s"),
            key: "k".into(),
            target: target.into(),
            optional: false,
        };
        let first = with(json!({}), &entry(""), Some("a: {b: 1, c: 2}".into())).unwrap();
        let second = with(first, &entry("a.b"), Some("true".into())).unwrap();
        assert_eq!(second, json!({"a": {"b": true, "c": 2}}));
        assert_eq!(with(second.clone(), &entry(""), None).unwrap(), second);
        assert_eq!((scalar("007"), scalar("7"), scalar("x")), ("007".into(), 7.into(), "x".into()));
    }
}
