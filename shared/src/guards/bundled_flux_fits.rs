//! The Flux controllers that the application brings find the CRDs that they need.

use semver::Version;
use serde_json::Value;

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;

/// The card.
pub static CARD: Card = Card {
    id: "bundled-flux-fits",
    section: Section::Guards,
    title: "the Flux that the application brings fits the Flux CRDs",
    level: Level::Error,
    why: "A Flux controller watches its kinds in certain versions. Where one is not served it crashes at its start, and nothing is reconciled any more.",
    fix: "Take the CRD chart that belongs to the application: name it with --crds.",
};

/// What a controller watches from a version of its own on: the controller, its first version, the CRD, the CRD's version.
/// From the changelogs of the controllers: an API became `v1` (`v2`) in that release, and the controller watches it from then on.
const NEEDS: [(&str, (u64, u64), &str, &str); 13] = [
    ("source-controller", (1, 0), "gitrepositories.source.toolkit.fluxcd.io", "v1"),
    ("source-controller", (1, 3), "helmrepositories.source.toolkit.fluxcd.io", "v1"),
    ("source-controller", (1, 3), "helmcharts.source.toolkit.fluxcd.io", "v1"),
    ("source-controller", (1, 4), "buckets.source.toolkit.fluxcd.io", "v1"),
    ("source-controller", (1, 6), "ocirepositories.source.toolkit.fluxcd.io", "v1"),
    ("kustomize-controller", (1, 0), "kustomizations.kustomize.toolkit.fluxcd.io", "v1"),
    ("helm-controller", (1, 0), "helmreleases.helm.toolkit.fluxcd.io", "v2"),
    ("helm-controller", (1, 0), "helmcharts.source.toolkit.fluxcd.io", "v1"),
    ("helm-controller", (1, 3), "ocirepositories.source.toolkit.fluxcd.io", "v1"),
    ("notification-controller", (1, 0), "receivers.notification.toolkit.fluxcd.io", "v1"),
    ("image-reflector-controller", (1, 0), "imagerepositories.image.toolkit.fluxcd.io", "v1"),
    ("image-automation-controller", (1, 0), "imageupdateautomations.image.toolkit.fluxcd.io", "v1"),
    ("source-watcher", (2, 0), "artifactgenerators.source.extensions.fluxcd.io", "v1beta1"),
];

/// The guard: the images of the application's forecast against the CRDs as they will be after the CRD step.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let Some(app) = &admission.app else {
        return Checked::new(&CARD, 0, Verdict::Skipped { reason: "the application stays where it is".to_owned() });
    };
    let controllers: Vec<(String, &str, Version)> = app.rendered.iter().flat_map(controllers).collect();
    if controllers.is_empty() {
        return Checked::new(&CARD, 0, Verdict::Pass);
    }
    if let Err(not_seen) = &admission.view.crds {
        return Checked::new(&CARD, 0, Verdict::Undetermined { reason: not_seen.to_string() });
    }
    let findings = controllers.iter().flat_map(|controller| missing(admission, controller));
    Checked::new(&CARD, controllers.len(), Verdict::from_findings(findings.collect()))
}

/// The Flux controllers among an object's containers: the object, the controller, its version.
fn controllers(object: &Value) -> Vec<(String, &'static str, Version)> {
    let containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array).into_iter().flatten();
    let images = containers.filter_map(|container| container["image"].as_str());
    let named = images.filter_map(|image| {
        let (repository, tag) = image.split('@').next()?.rsplit_once(':')?;
        let program = repository.rsplit('/').next()?;
        let (known, ..) = NEEDS.iter().find(|(known, ..)| *known == program)?;
        Some((ObjectRef::of(object)?.to_string(), *known, Version::parse(tag.trim_start_matches('v')).ok()?))
    });
    named.collect()
}

fn missing(admission: &Admission<'_>, (object, controller, version): &(String, &str, Version)) -> Vec<Finding> {
    let needed = NEEDS
        .iter()
        .filter(|(name, (major, minor), ..)| name == controller && (version.major, version.minor) >= (*major, *minor));
    let unserved = needed.filter(|(.., crd, wanted)| !serves(admission, crd, wanted));
    unserved
        .map(|(.., crd, wanted)| {
            let message = format!("{controller} {version} watches {crd} in {wanted}, which will not be served");
            CARD.finding(object.clone(), message, CARD.fix)
        })
        .collect()
}

fn serves(admission: &Admission<'_>, name: &str, wanted: &str) -> bool {
    let named = |crd: &&Crd| crd.name() == name;
    let live = || admission.view.crds.as_ref().ok()?.get(name);
    let crd = admission.planned().find(named).or_else(live);
    crd.is_some_and(|crd| crd.versions().any(|version| version.served && version.name == wanted))
}
