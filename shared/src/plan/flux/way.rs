//! One chart's way through Flux: from what was read and what is wanted to what is patched.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::renewed;
use crate::ask::{Ask, Mode};
use crate::model::chart::{Digest, DigestOf};
use crate::model::flux::{
    ChartFrom, FluxObject, FluxRef, FluxView, HelmRelease, RefInEffect, Snapshot, Source, SourceKind, exact,
};
use crate::model::secret::Hidden;

/// Which chart an object shall show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The chart's version.
    pub version: String,
    /// The digest in its registry; none where it could not be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Wanted {
    /// Whether a revision of a release is it: version and digest, as far as both tell.
    #[must_use]
    pub fn is(&self, revision: &Snapshot) -> bool {
        let digest = self.digest.as_deref().filter(|_| !revision.oci_digest.is_empty());
        revision.is(&self.version) && digest.is_none_or(|digest| digest == revision.oci_digest)
    }

    /// Whether a source holds it.
    #[must_use]
    pub fn held_by(&self, source: &Source) -> bool {
        let Some(artifact) = source.artifact() else { return false };
        let plain = |text: &str| text.trim_start_matches('v').split('+').next().unwrap_or_default().to_owned();
        // A source that is pinned by digest alone shows no version.
        match (self.digest.as_deref(), artifact.digest()) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => plain(artifact.version()) == plain(&self.version),
        }
    }
}

/// One chart's way.
#[derive(Debug, Clone)]
pub struct FluxWay {
    /// The release.
    pub release: String,
    /// The HelmRelease that makes it, as it was read.
    pub helm_release: HelmRelease,
    /// What its chart comes from, as it was read: the OCIRepository, or the HelmRepository behind a HelmChart.
    pub source: Option<Source>,
    /// The object whose artifact is the chart, as it was read: the OCIRepository or the HelmChart.
    pub chart: Option<Source>,
    /// The object whose artifact is the chart.
    pub artifact: Option<FluxRef>,
    /// The object that says which version it is, and what is patched of it; none where nothing says a version (Git, a bucket).
    pub place: Option<(FluxRef, Value)>,
    /// The chart wanted; none where this chart stays.
    pub wanted: Option<Wanted>,
    /// `spec.values` as it shall be; none where it stays.
    pub values: Option<Hidden<Value>>,
    /// The name of the source that is insisted on; none where any will do.
    pub insisted: Option<String>,
    /// `spec.dependsOn` as it shall be, where a `readyExpr` names the version that is left; none where it stays.
    pub depends_on: Option<Value>,
}

impl FluxWay {
    /// Whether the source has to be patched: it is told something else than what is wanted.
    #[must_use]
    pub fn patches(&self) -> bool {
        let Some((object, patch)) = &self.place else { return false };
        self.read(object).is_none_or(|told| !holds(told, patch))
    }

    /// Whether all is as it shall be already: told, held, deployed, Ready.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        let Some(wanted) = &self.wanted else { return !self.rewrites() };
        let held = self.chart.as_ref().is_some_and(|chart| wanted.held_by(chart));
        let newest = self.helm_release.history().into_iter().next();
        let deployed = newest.is_some_and(|newest| newest.status == "deployed" && wanted.is(&newest));
        !self.patches() && held && deployed && self.helm_release.is_ready() && !self.rewrites()
    }

    /// Whether all that we would patch is as it shall be, and only its controllers have still to do their part.
    #[must_use]
    pub fn arrives(&self) -> bool {
        let held = |wanted: &Wanted| self.chart.as_ref().is_some_and(|chart| wanted.held_by(chart));
        !self.patches() && !self.rewrites() && self.wanted.as_ref().is_some_and(held)
    }

    /// Whether the HelmRelease itself is written, besides its hold.
    #[must_use]
    pub const fn rewrites(&self) -> bool {
        self.values.is_some() || self.depends_on.is_some()
    }

    /// Why its source may bring another version by itself.
    #[must_use]
    pub fn moves_by_itself(&self) -> Option<String> {
        match self.helm_release.chart_from()? {
            ChartFrom::Template { version, .. } if exact(&version) => None,
            ChartFrom::Template { version, .. } => Some(format!("version {version:?} is a range")),
            ChartFrom::Ref(_) => self.chart.as_ref()?.moves_by_itself(),
        }
    }

    /// One of its objects as it was read.
    #[must_use]
    pub fn read(&self, object: &FluxRef) -> Option<&Value> {
        let sources = [&self.chart, &self.source].into_iter().flatten();
        let mut all = std::iter::once(self.helm_release.json()).chain(sources.map(FluxObject::json));
        let named =
            |json: &Value, pointer: &str| json.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        all.find(|json| {
            named(json, "/kind") == object.kind
                && named(json, "/metadata/name") == object.name
                && named(json, "/metadata/namespace") == object.namespace
        })
    }

    /// The run of ours that suspended the HelmRelease and did not release it.
    #[must_use]
    pub fn held(&self) -> Option<&str> {
        self.helm_release.held_by().filter(|_| self.helm_release.suspended())
    }

    /// Whether the HelmRelease itself says the version (`spec.chart`): its HelmChart changes only while it is not suspended.
    #[must_use]
    pub fn is_templated(&self) -> bool {
        matches!(self.helm_release.chart_from(), Some(ChartFrom::Template { .. }))
    }
}

/// Both charts' ways; none where Flux does not make the release.
#[derive(Debug, Clone, Default)]
pub struct Ways {
    /// The CRD chart's.
    pub crds: Option<FluxWay>,
    /// The application's.
    pub app: Option<FluxWay>,
}

impl Ways {
    /// Whether the upgrade goes through Flux.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.crds.is_some() || self.app.is_some()
    }

    /// Both, the CRD chart's first.
    pub fn all(&self) -> impl Iterator<Item = &FluxWay> {
        [&self.crds, &self.app].into_iter().flatten()
    }
}

/// The ways of both charts. `charts` are version and digest of each that moves, the CRD chart first.
#[must_use]
pub fn ways(ask: &Ask, flux: &FluxView, charts: [Option<(String, &Digest)>; 2], values: Option<Hidden<Value>>) -> Ways {
    let installation = &ask.installation;
    if ask.mode == Mode::Helm {
        return Ways::default();
    }
    let [crds, app] = charts.map(|chart| chart.map(|(version, digest)| wanted(version, digest)));
    let one = |release: &String, wanted: Option<Wanted>, insisted: &Option<String>| {
        let helm_release = flux.making(release, &installation.namespace).next()?;
        let source = flux.source_of(helm_release).cloned();
        let artifact = helm_release.chart_from().map(|from| from.object());
        let chart = artifact.as_ref().and_then(|named| flux.source(named)).cloned();
        let place = wanted.as_ref().and_then(|wanted| place(helm_release, flux, wanted));
        let (release, helm_release, insisted) = (release.clone(), helm_release.clone(), insisted.clone());
        Some(FluxWay {
            release,
            helm_release,
            source,
            chart,
            artifact,
            place,
            wanted,
            values: None,
            insisted,
            depends_on: None,
        })
    };
    let crds = one(&installation.crds_release, crds, &ask.sources.crds);
    let app = one(&installation.app_release, app, &ask.sources.app);
    let app =
        app.map(|app| FluxWay { values, depends_on: crds.as_ref().and_then(|crds| depends_on(&app, crds)), ..app });
    Ways { crds, app }
}

fn wanted(version: String, digest: &Digest) -> Wanted {
    Wanted { version, digest: (digest.of == DigestOf::Manifest).then(|| digest.sha256.clone()) }
}

/// The object that says the version, and the merge patch that says the new one. Only what is in effect now is touched, and never the url.
fn place(helm_release: &HelmRelease, flux: &FluxView, wanted: &Wanted) -> Option<(FluxRef, Value)> {
    let version = &wanted.version;
    match helm_release.chart_from()? {
        ChartFrom::Template { source, .. } if source.kind == "HelmRepository" => {
            Some((helm_release.named(), json!({"spec": {"chart": {"spec": {"version": version}}}})))
        }
        ChartFrom::Template { .. } => None,
        ChartFrom::Ref(named) => {
            let source = flux.source(&named)?;
            match source.kind() {
                SourceKind::OciRepository => Some((named, json!({"spec": {"ref": oci_ref(source, wanted)?}}))),
                SourceKind::HelmChart if source.chart_source()?.kind == "HelmRepository" => {
                    Some((named, json!({"spec": {"version": version}})))
                }
                _ => None,
            }
        }
    }
}

/// The fields of `spec.ref` that decide: the one in effect, and below a digest the version that stands beside it.
fn oci_ref(source: &Source, wanted: &Wanted) -> Option<Value> {
    let version = &wanted.version;
    // A tag cannot hold a plus.
    let tag = version.replace('+', "_");
    let beside = |fields: &mut Value| {
        if !source.text("/spec/ref/semver").is_empty() {
            fields["semver"] = version.as_str().into();
        } else if !source.text("/spec/ref/tag").is_empty() {
            fields["tag"] = tag.as_str().into();
        }
    };
    match source.ref_in_effect() {
        RefInEffect::Digest(_) => {
            let mut fields = json!({"digest": wanted.digest.as_ref()?});
            beside(&mut fields);
            Some(fields)
        }
        RefInEffect::Semver(_) | RefInEffect::Newest => Some(json!({"semver": version})),
        RefInEffect::Tag(_) => Some(json!({"tag": tag})),
    }
}

/// The application's `dependsOn`, where an expression in it asks for the version of the CRD chart that is left.
fn depends_on(app: &FluxWay, crds: &FluxWay) -> Option<Value> {
    let wanted = crds.wanted.as_ref()?;
    let old = crds.helm_release.history().into_iter().next()?.version().to_owned();
    let mut all = app.helm_release.json().pointer("/spec/dependsOn")?.as_array()?.clone();
    let mut changed = false;
    for (entry, dependency) in all.iter_mut().zip(app.helm_release.depends_on()) {
        let on_crds = dependency.on == crds.helm_release.named();
        if let Some(next) = renewed(&dependency.ready_expr, &old, &wanted.version).filter(|_| on_crds) {
            entry["readyExpr"] = next.into();
            changed = true;
        }
    }
    changed.then_some(Value::Array(all))
}

/// Whether an object already says all that a merge patch says.
fn holds(object: &Value, patch: &Value) -> bool {
    match patch {
        Value::Object(fields) => {
            fields.iter().all(|(key, value)| object.get(key).is_some_and(|found| holds(found, value)))
        }
        other => object == other,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::flux::FluxView;

    pub(in crate::plan::flux) fn world(reference: &Value, expression: &str) -> FluxView {
        let release = |name: &str, depends_on: Value| {
            let history =
                json!([{"chartVersion": "0.7.1+0509", "ociDigest": "sha256:old", "status": "deployed", "version": 1}]);
            HelmRelease::new(json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
                "metadata": {"name": name, "namespace": "m", "generation": 1},
                "spec": {"chartRef": {"kind": "OCIRepository", "name": name}, "dependsOn": depends_on},
                "status": {"observedGeneration": 1, "history": history, "conditions": [{"type": "Ready", "status": "True"}]}}))
        };
        let source = |name: &str, reference: &Value| {
            let object = json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository", "metadata": {"name": name, "namespace": "m"},
                "spec": {"ref": reference}, "status": {"artifact": {"revision": "0.7.1@sha256:old"}}});
            (FluxRef::new("OCIRepository", "m", name), Ok(Some(Source::new(object))))
        };
        let depends_on = json!([{"name": "mural-crds", "readyExpr": expression}]);
        FluxView {
            helm_releases: Ok(vec![release("mural-crds", json!([])), release("mural", depends_on)]),
            sources: BTreeMap::from([source("mural-crds", reference), source("mural", &json!({"semver": "1.x"}))]),
            ..FluxView::none()
        }
    }

    fn place_of(reference: &Value, digest: Option<&str>) -> Option<Value> {
        let flux = world(reference, "");
        let wanted = Wanted { version: "0.7.4".into(), digest: digest.map(str::to_owned) };
        let maker = flux.maker("mural-crds", "m").unwrap();
        place(maker, &flux, &wanted).map(|(_, patch)| patch["spec"]["ref"].clone())
    }

    #[test]
    fn only_the_field_in_effect_is_patched_and_a_digest_with_what_stands_beside_it() {
        assert_eq!(place_of(&json!({"semver": "0.7.1", "tag": "x"}), None), Some(json!({"semver": "0.7.4"})));
        assert_eq!(place_of(&json!({"tag": "0.7.1"}), None), Some(json!({"tag": "0.7.4"})));
        let pinned = json!({"digest": "sha256:old", "semver": "0.7.1"});
        assert_eq!(place_of(&pinned, Some("sha256:new")), Some(json!({"digest": "sha256:new", "semver": "0.7.4"})));
        assert_eq!(place_of(&pinned, None), None, "without the new digest a pin cannot be moved");
    }

    #[test]
    fn what_a_source_holds_is_known_by_digest_before_version() {
        let flux = world(&json!({"semver": "0.7.1"}), "");
        let source = flux.source(&FluxRef::new("OCIRepository", "m", "mural-crds")).unwrap();
        let wanted =
            |version: &str, digest: Option<&str>| Wanted { version: version.into(), digest: digest.map(str::to_owned) };
        assert!(wanted("0.7.1", None).held_by(source) && wanted("9.9.9", Some("sha256:old")).held_by(source));
        assert!(!wanted("0.7.1", Some("sha256:new")).held_by(source), "the same tag, pushed anew");
    }

    #[test]
    fn an_expression_that_asks_for_the_old_version_is_renewed() {
        let flux = world(&json!({"semver": "0.7.1"}), &super::super::ready_expr("0.7.1"));
        let way = |release: &str, wanted: Option<Wanted>| FluxWay {
            release: release.into(),
            helm_release: flux.maker(release, "m").unwrap().clone(),
            source: None,
            chart: None,
            artifact: None,
            place: None,
            wanted,
            values: None,
            insisted: None,
            depends_on: None,
        };
        let crds = way("mural-crds", Some(Wanted { version: "0.7.4".into(), digest: None }));
        let next = depends_on(&way("mural", None), &crds).unwrap();
        assert_eq!(next[0]["readyExpr"], super::super::ready_expr("0.7.4").as_str());
    }
}
