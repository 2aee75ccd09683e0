//! One chart's route through Flux: from the objects that were read and the wanted chart to the patches.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::update_ready_expr;
use crate::ask::{OwnerMode, UpgradeSpec};
use crate::model::chart::{Digest, DigestKind};
use crate::model::flux::{
    ChartOrigin, EffectiveRef, FluxObject, FluxRef, FluxSource, FluxView, HelmRelease, Snapshot, SourceKind,
    is_exact_version,
};
use crate::model::release_status::ReleaseStatus;
use crate::model::secret::Hidden;

/// The chart that an object must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetChart {
    /// The chart's version.
    pub version: String,
    /// The digest in its registry; none if it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl TargetChart {
    /// Whether a revision of a release is of this chart: compares version and digest, if both have them.
    #[must_use]
    pub fn matches_revision(&self, revision: &Snapshot) -> bool {
        let digest = self.digest.as_deref().filter(|_| !revision.oci_digest.is_empty());
        revision.is_version(&self.version) && digest.is_none_or(|digest| digest == revision.oci_digest)
    }

    /// Whether a source has this chart.
    #[must_use]
    pub fn matches_source(&self, source: &FluxSource) -> bool {
        let Some(artifact) = source.artifact() else { return false };
        let plain = |text: &str| text.trim_start_matches('v').split('+').next().unwrap_or_default().to_owned();
        // The artifact of a source pinned by digest alone has no version.
        match (self.digest.as_deref(), artifact.digest()) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => plain(artifact.version()) == plain(&self.version),
        }
    }
}

/// The route of one chart.
#[derive(Debug, Clone)]
pub struct FluxRoute {
    /// The release.
    pub release: String,
    /// The HelmRelease of the release, as it was read.
    pub helm_release: HelmRelease,
    /// Where the chart comes from, as it was read: the OCIRepository, or the HelmRepository behind a HelmChart.
    pub source: Option<FluxSource>,
    /// The object whose artifact is the chart, as it was read: the OCIRepository or the HelmChart.
    pub chart: Option<FluxSource>,
    /// The object whose artifact is the chart.
    pub artifact: Option<FluxRef>,
    /// The object that sets the version, and its merge patch; none if no object sets a version (Git, a bucket).
    pub version_patch: Option<(FluxRef, Value)>,
    /// The wanted chart; none if the chart does not change.
    pub target: Option<TargetChart>,
    /// The next `spec.values`; none if they do not change.
    pub values: Option<Hidden<Value>>,
    /// The required source name; none if any source is accepted.
    pub required_source: Option<String>,
    /// The next `spec.dependsOn`, if a `readyExpr` has the old version; none if it does not change.
    pub depends_on: Option<Value>,
}

impl FluxRoute {
    /// Whether the source needs a patch: it requests another chart than the wanted one.
    #[must_use]
    pub fn needs_source_patch(&self) -> bool {
        let Some((object, patch)) = &self.version_patch else { return false };
        self.find_object(object).is_none_or(|current| !matches_patch(current, patch))
    }

    /// Whether everything is in the wanted state already: requested, fetched, deployed, Ready.
    #[must_use]
    pub fn is_converged(&self) -> bool {
        let Some(target) = &self.target else { return !self.needs_release_patch() };
        let is_served = self.chart.as_ref().is_some_and(|chart| target.matches_source(chart));
        let newest = self.helm_release.history().into_iter().next();
        let deployed =
            newest.is_some_and(|newest| newest.status == ReleaseStatus::Deployed && target.matches_revision(&newest));
        !self.needs_source_patch()
            && is_served
            && deployed
            && self.helm_release.is_ready()
            && !self.needs_release_patch()
    }

    /// Whether every object that this program patches is in the wanted state, and only the controllers have work left.
    #[must_use]
    pub fn is_waiting_for_controllers(&self) -> bool {
        let is_served = |wanted: &TargetChart| self.chart.as_ref().is_some_and(|chart| wanted.matches_source(chart));
        !self.needs_source_patch() && !self.needs_release_patch() && self.target.as_ref().is_some_and(is_served)
    }

    /// Whether the HelmRelease itself is patched, apart from spec.suspend.
    #[must_use]
    pub const fn needs_release_patch(&self) -> bool {
        self.values.is_some() || self.depends_on.is_some()
    }

    /// Why its source may bring another version on its own.
    #[must_use]
    pub fn floating_reason(&self) -> Option<String> {
        match self.helm_release.chart_origin()? {
            ChartOrigin::Template { version, .. } if is_exact_version(&version) => None,
            ChartOrigin::Template { version, .. } => Some(format!("version {version:?} is a range")),
            ChartOrigin::Ref(_) => self.chart.as_ref()?.floating_reason(),
        }
    }

    /// One of its objects, as it was read.
    #[must_use]
    pub fn find_object(&self, object: &FluxRef) -> Option<&Value> {
        let sources = [&self.chart, &self.source].into_iter().flatten();
        let mut all = std::iter::once(self.helm_release.json()).chain(sources.map(FluxObject::json));
        let text =
            |json: &Value, pointer: &str| json.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        all.find(|json| {
            text(json, "/kind") == object.kind
                && text(json, "/metadata/name") == object.name
                && text(json, "/metadata/namespace") == object.namespace
        })
    }

    /// The run of ours that suspended the HelmRelease and did not resume it.
    #[must_use]
    pub fn suspended_by_run(&self) -> Option<&str> {
        self.helm_release.suspended_by_run().filter(|_| self.helm_release.is_suspended())
    }

    /// Whether the HelmRelease itself sets the version (`spec.chart`). Its HelmChart does not change while it is suspended.
    #[must_use]
    pub fn is_templated(&self) -> bool {
        matches!(self.helm_release.chart_origin(), Some(ChartOrigin::Template { .. }))
    }
}

/// The routes of both charts; none if Flux does not own the release.
#[derive(Debug, Clone, Default)]
pub struct FluxRoutes {
    /// The CRD chart's route.
    pub crds: Option<FluxRoute>,
    /// The application's route.
    pub app: Option<FluxRoute>,
}

impl FluxRoutes {
    /// Whether the upgrade goes through Flux.
    #[must_use]
    pub const fn has_any(&self) -> bool {
        self.crds.is_some() || self.app.is_some()
    }

    /// Both, the CRD chart's first.
    pub fn routes(&self) -> impl Iterator<Item = &FluxRoute> {
        [&self.crds, &self.app].into_iter().flatten()
    }
}

/// Finds the routes of both charts. `charts` are version and digest of each chart that moves, the CRD chart first.
#[must_use]
pub fn find_routes(
    ask: &UpgradeSpec,
    flux: &FluxView,
    charts: [Option<(String, &Digest)>; 2],
    values: Option<Hidden<Value>>,
) -> FluxRoutes {
    let installation = &ask.installation;
    if ask.mode == OwnerMode::Helm {
        return FluxRoutes::default();
    }
    let [crds, app] = charts.map(|chart| chart.map(|(version, digest)| build_target(version, digest)));
    let route_of = |release: &String, target: Option<TargetChart>, required_source: &Option<String>| {
        let helm_release = flux.helm_releases_of(release, &installation.namespace).next()?;
        let source = flux.helm_release_source(helm_release).cloned();
        let artifact = helm_release.chart_origin().map(|from| from.artifact_ref());
        let chart = artifact.as_ref().and_then(|named| flux.source(named)).cloned();
        let version_patch = target.as_ref().and_then(|wanted| find_version_patch(helm_release, flux, wanted));
        let (release, helm_release, insisted) = (release.clone(), helm_release.clone(), required_source.clone());
        Some(FluxRoute {
            release,
            helm_release,
            source,
            chart,
            artifact,
            version_patch,
            target,
            values: None,
            required_source: insisted,
            depends_on: None,
        })
    };
    let crds = route_of(&installation.crds_release, crds, &ask.sources.crds);
    let app = route_of(&installation.app_release, app, &ask.sources.app);
    let app = app.map(|app| FluxRoute {
        values,
        depends_on: crds.as_ref().and_then(|crds| update_depends_on(&app, crds)),
        ..app
    });
    FluxRoutes { crds, app }
}

fn build_target(version: String, digest: &Digest) -> TargetChart {
    TargetChart { version, digest: (digest.kind == DigestKind::Manifest).then(|| digest.sha256.clone()) }
}

/// The object that sets the version, with the merge patch for the new one. It changes only the fields in effect, never the url.
fn find_version_patch(helm_release: &HelmRelease, flux: &FluxView, target: &TargetChart) -> Option<(FluxRef, Value)> {
    let version = &target.version;
    match helm_release.chart_origin()? {
        ChartOrigin::Template { source, .. } if source.kind == "HelmRepository" => {
            Some((helm_release.object_ref(), json!({"spec": {"chart": {"spec": {"version": version}}}})))
        }
        ChartOrigin::Template { .. } => None,
        ChartOrigin::Ref(source_ref) => {
            let source = flux.source(&source_ref)?;
            match source.kind() {
                SourceKind::OciRepository => {
                    Some((source_ref, json!({"spec": {"ref": build_oci_ref(source, target)?}})))
                }
                SourceKind::HelmChart if source.chart_source()?.kind == "HelmRepository" => {
                    Some((source_ref, json!({"spec": {"version": version}})))
                }
                _ => None,
            }
        }
    }
}

/// The fields of `spec.ref` that decide: the one in effect, and beside a digest also the version.
fn build_oci_ref(source: &FluxSource, target: &TargetChart) -> Option<Value> {
    let version = &target.version;
    // A tag cannot hold a plus.
    let tag = version.replace('+', "_");
    let set_version_beside_digest = |fields: &mut Value| {
        if !source.text("/spec/ref/semver").is_empty() {
            fields["semver"] = version.as_str().into();
        } else if !source.text("/spec/ref/tag").is_empty() {
            fields["tag"] = tag.as_str().into();
        }
    };
    match source.effective_ref() {
        EffectiveRef::Digest(_) => {
            let mut fields = json!({"digest": target.digest.as_ref()?});
            set_version_beside_digest(&mut fields);
            Some(fields)
        }
        EffectiveRef::Semver(_) | EffectiveRef::Latest => Some(json!({"semver": version})),
        EffectiveRef::Tag(_) => Some(json!({"tag": tag})),
    }
}

/// The application's `dependsOn`, if an expression in it requires the old version of the CRD chart.
fn update_depends_on(app: &FluxRoute, crds: &FluxRoute) -> Option<Value> {
    let target = crds.target.as_ref()?;
    let old = crds.helm_release.history().into_iter().next()?.version().to_owned();
    let mut all = app.helm_release.json().pointer("/spec/dependsOn")?.as_array()?.clone();
    let mut changed = false;
    for (entry, dependency) in all.iter_mut().zip(app.helm_release.depends_on()) {
        let on_crds = dependency.helm_release == crds.helm_release.object_ref();
        if let Some(next) = update_ready_expr(&dependency.ready_expr, &old, &target.version).filter(|_| on_crds) {
            entry["readyExpr"] = next.into();
            changed = true;
        }
    }
    changed.then_some(Value::Array(all))
}

/// Whether an object already has every value of a merge patch.
fn matches_patch(object: &Value, patch: &Value) -> bool {
    match patch {
        Value::Object(fields) => {
            fields.iter().all(|(key, value)| object.get(key).is_some_and(|found| matches_patch(found, value)))
        }
        other => object == other,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::flux::FluxView;

    pub(in crate::plan::flux) fn flux_view(reference: &Value, expression: &str) -> FluxView {
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
            (FluxRef::new("OCIRepository", "m", name), Ok(Some(FluxSource::new(object))))
        };
        let depends_on = json!([{"name": "mural-crds", "readyExpr": expression}]);
        FluxView {
            helm_releases: Ok(vec![release("mural-crds", json!([])), release("mural", depends_on)]),
            sources: BTreeMap::from([source("mural-crds", reference), source("mural", &json!({"semver": "1.x"}))]),
            ..FluxView::empty()
        }
    }

    fn version_patch_of(reference: &Value, digest: Option<&str>) -> Option<Value> {
        let flux = flux_view(reference, "");
        let target = TargetChart { version: "0.7.4".into(), digest: digest.map(str::to_owned) };
        let maker = flux.sole_helm_release("mural-crds", "m").unwrap();
        find_version_patch(maker, &flux, &target).map(|(_, patch)| patch["spec"]["ref"].clone())
    }

    #[test]
    fn only_the_field_in_effect_is_patched_and_a_digest_with_its_version() {
        assert_eq!(version_patch_of(&json!({"semver": "0.7.1", "tag": "x"}), None), Some(json!({"semver": "0.7.4"})));
        assert_eq!(version_patch_of(&json!({"tag": "0.7.1"}), None), Some(json!({"tag": "0.7.4"})));
        let pinned = json!({"digest": "sha256:old", "semver": "0.7.1"});
        assert_eq!(
            version_patch_of(&pinned, Some("sha256:new")),
            Some(json!({"digest": "sha256:new", "semver": "0.7.4"}))
        );
        assert_eq!(version_patch_of(&pinned, None), None, "without the new digest a pin cannot be moved");
    }

    #[test]
    fn a_source_is_compared_by_digest_before_version() {
        let flux = flux_view(&json!({"semver": "0.7.1"}), "");
        let source = flux.source(&FluxRef::new("OCIRepository", "m", "mural-crds")).unwrap();
        let target = |version: &str, digest: Option<&str>| TargetChart {
            version: version.into(),
            digest: digest.map(str::to_owned),
        };
        assert!(
            target("0.7.1", None).matches_source(source) && target("9.9.9", Some("sha256:old")).matches_source(source)
        );
        assert!(!target("0.7.1", Some("sha256:new")).matches_source(source), "the same tag, pushed again");
    }

    #[test]
    fn an_expression_that_asks_for_the_old_version_is_renewed() {
        let flux = flux_view(&json!({"semver": "0.7.1"}), &super::super::build_ready_expr("0.7.1"));
        let route = |release: &str, wanted: Option<TargetChart>| FluxRoute {
            release: release.into(),
            helm_release: flux.sole_helm_release(release, "m").unwrap().clone(),
            source: None,
            chart: None,
            artifact: None,
            version_patch: None,
            target: wanted,
            values: None,
            required_source: None,
            depends_on: None,
        };
        let crds = route("mural-crds", Some(TargetChart { version: "0.7.4".into(), digest: None }));
        let next = update_depends_on(&route("mural", None), &crds).unwrap();
        assert_eq!(next[0]["readyExpr"], super::super::build_ready_expr("0.7.4").as_str());
    }
}
