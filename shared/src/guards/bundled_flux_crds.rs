//! Flux controllers in the application chart that watch a CRD version which is not served.

use semver::Version;
use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "bundled-flux-crds",
    section: Section::Guards,
    title: "Flux CRDs that match the Flux controllers in the application chart",
    level: Level::Error,
    why: "A Flux controller crashes at its start if a version that it watches is not served. Flux then reconciles \
        nothing.",
    fix: "Use the CRD chart that belongs to the application: set --crds VERSION.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// From which version on a controller watches a CRD version: controller, its first version, CRD, CRD version. Taken from the
/// changelog of each controller, for example <https://github.com/fluxcd/source-controller/blob/main/CHANGELOG.md>.
const CONTROLLER_REQUIREMENTS: [(&str, (u64, u64), &str, &str); 13] = [
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

/// Fails for each Flux image of the rendered application that needs a CRD version which is not served after the CRD step.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(app) = &context.app_chart else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application is not upgraded".to_owned() });
    };
    let controllers: Vec<(String, &str, Version)> = app.rendered.iter().flat_map(flux_controllers).collect();
    if controllers.is_empty() {
        return CheckResult::new(&CARD, 0, Verdict::Pass);
    }
    if let Err(failure) = &context.view.crds {
        return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() });
    }
    let findings = controllers.iter().flat_map(|controller| find_unserved_crds(context, controller));
    CheckResult::new(&CARD, controllers.len(), Verdict::from_findings(findings.collect()))
}

/// Lists the Flux controllers among the containers of an object: the object, the controller, its version.
fn flux_controllers(object: &Value) -> Vec<(String, &'static str, Version)> {
    let containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array).into_iter().flatten();
    let images = containers.filter_map(|container| container["image"].as_str());
    let recognized = images.filter_map(|image| {
        let (repository, tag) = image.split('@').next()?.rsplit_once(':')?;
        let program = repository.rsplit('/').next()?;
        let (known, ..) = CONTROLLER_REQUIREMENTS.iter().find(|(known, ..)| *known == program)?;
        Some((ObjectRef::from_manifest(object)?.to_string(), *known, Version::parse(tag.trim_start_matches('v')).ok()?))
    });
    recognized.collect()
}

fn find_unserved_crds(
    context: &GuardContext<'_>,
    (object, controller, version): &(String, &str, Version),
) -> Vec<Finding> {
    let needed = CONTROLLER_REQUIREMENTS
        .iter()
        .filter(|(name, (major, minor), ..)| name == controller && (version.major, version.minor) >= (*major, *minor));
    let unserved = needed.filter(|(.., crd, wanted)| !is_served(context, crd, wanted));
    unserved
        .map(|(.., crd, wanted)| {
            let message =
                format!("{controller} {version} watches {crd} in {wanted}, which is not served after the upgrade");
            CARD.finding(object.clone(), message, CARD.fix)
        })
        .collect()
}

fn is_served(context: &GuardContext<'_>, name: &str, wanted: &str) -> bool {
    let has_name = |crd: &&Crd| crd.name() == name;
    let live = || context.view.crds.as_ref().ok()?.get(name);
    let crd = context.planned_crds().find(has_name).or_else(live);
    crd.is_some_and(|crd| crd.versions().any(|version| version.served && version.name == wanted))
}
