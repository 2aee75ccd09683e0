//! Objects in the stored manifests whose version is not served after the CRD step, so that helm could not read them.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "stored-manifest-served",
    section: Section::Guards,
    title: "stored manifests that use only versions that stay served",
    level: Level::Error,
    why: "helm first reads the objects of the current release. If a version in it is no longer served, every upgrade \
        and rollback fails: 'unable to build kubernetes objects from current release manifest'.",
    fix: "Upgrade first to a chart that uses the newer version, while the CRD serves both. Or rewrite the stored \
        manifest: helm mapkubeapis RELEASE --mapfile FILE",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Compares the current manifest of both releases with the CRDs as they are after the CRD step.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let judge = || -> Result<(usize, Vec<Finding>), String> {
        context.view.crds.as_ref().map_err(ToString::to_string)?;
        let (mut looked_at, mut findings) = (0, Vec::new());
        for release in [context.crds_release, context.app_release] {
            let Some(record) = context.view.current_revision(release).map_err(ToString::to_string)? else { continue };
            let stored = record
                .manifest_objects()
                .map_err(|error| format!("the stored manifest of {release} revision {}: {error}", record.revision))?;
            let objects: Vec<ObjectRef> = stored.iter().filter_map(ObjectRef::from_manifest).collect();
            looked_at += objects.len();
            findings.extend(objects.iter().filter_map(|object| check_served(context, release, object)));
        }
        Ok((looked_at, findings))
    };
    match judge() {
        Ok((looked_at, findings)) => CheckResult::new(&CARD, looked_at, Verdict::from_findings(findings)),
        Err(reason) => CheckResult::new(&CARD, 0, Verdict::Undetermined { reason }),
    }
}

/// Reports an object whose CRD serves only other versions after the CRD step.
fn check_served(context: &GuardContext<'_>, release: &str, object: &ObjectRef) -> Option<Finding> {
    let of_kind = |crd: &&Crd| crd.group() == object.group() && crd.kind() == object.kind;
    let planned = context.planned_crds().find(of_kind);
    let live = || context.view.crds.as_ref().ok()?.values().find(of_kind);
    let Some(crd) = planned.or_else(live) else { return check_discovered(context, release, object) };
    let served: Vec<&str> = crd.versions().filter(|version| version.served).map(|version| version.name).collect();
    if served.contains(&object.version()) {
        return None;
    }
    let message = format!(
        "is in the manifest of release {release} as {}, which is not served after the upgrade (served: {})",
        object.api_version,
        served.join(", ")
    );
    let namespace = &context.view.cluster.namespace;
    let newest = served.last().copied().unwrap_or_default();
    let hint = format!(
        "upgrade first to a chart that uses {group}/{newest} while both are served; or map {} to {group}/{newest} in FILE and run helm mapkubeapis {release} --namespace {namespace} --mapfile FILE",
        object.api_version,
        group = object.group(),
    );
    Some(CARD.finding(object.to_string(), message, hint))
}

/// Reports an object of a kind without a CRD that discovery does not list: a removed API of Kubernetes, or a deleted CRD.
fn check_discovered(context: &GuardContext<'_>, release: &str, object: &ObjectRef) -> Option<Finding> {
    let kinds = context.application?.kinds.as_ref().ok()?;
    if kinds.get(object).is_some() || kinds.is_stale(&object.api_version) {
        return None;
    }
    let (api_version, namespace) = (&object.api_version, &context.view.cluster.namespace);
    let message = format!(
        "is in the manifest of release {release} as {} in {api_version}, which the API server does not serve",
        object.kind
    );
    let hint = if object.is_built_in() {
        format!("rewrite the stored manifest: helm mapkubeapis {release} --namespace {namespace}")
    } else {
        format!(
            "install the CRD again; or map {api_version} in FILE and run helm mapkubeapis {release} --namespace {namespace} --mapfile FILE"
        )
    };
    Some(CARD.finding(object.to_string(), message, hint))
}
