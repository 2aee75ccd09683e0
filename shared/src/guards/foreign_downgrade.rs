//! CRDs of other projects (Flux, Open Cluster Management) that the charts would downgrade.

use semver::Version;

use crate::diff::{self, ChangeKind, FieldChange, VersionChange};
use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::managed_fields::{FIELD_MANAGER, HELM_FIELD_MANAGER, MIGRATION_FIELD_MANAGER, list_schema_writers};
use crate::model::manifest::{RELEASE_NAME_ANNOTATION, release_objects};
use crate::model::task::Task;
use crate::plan::crd_plan::is_third_party;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "foreign-downgrade",
    section: Section::Guards,
    title: "CRDs of other projects that are not older than the live ones",
    level: Level::Error,
    why: "The charts contain CRDs of Flux and Open Cluster Management. A newer installation of these projects can \
        own them: its controllers would lose versions and fields that their objects use. Without a version label, the \
        release records and the field managers of the live CRD show which installation wrote it.",
    fix: "Use a chart with newer CRDs, or accept the older ones with --allow-foreign-downgrade.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Managers that write CRDs for the two releases. kubectl is none: the vendor's upgrade guide uses it, and so do others.
const OWN_WRITERS: [&str; 3] = [HELM_FIELD_MANAGER, "helm-controller", MIGRATION_FIELD_MANAGER];
/// kubectl's field manager for `apply` without `--server-side`.
const KUBECTL_CLIENT_SIDE: &str = "kubectl-client-side-apply";

/// Labels and annotations with the project version of a CRD. The version of its generator (controller-gen) does not count.
const VERSION_POINTERS: [&str; 2] =
    ["/metadata/labels/app.kubernetes.io~1version", "/metadata/annotations/gateway.networking.k8s.io~1bundle-version"];

/// Fails for each downgraded CRD. The project versions decide if both sides have one. Otherwise, a lost served version or field
/// counts as a downgrade, unless the storage version gets newer: an error if another installation wrote the live CRD, a warning if
/// that is not known.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    if context.allowed.foreign_downgrade {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "--allow-foreign-downgrade".to_owned() });
    }
    let live = match &context.view.crds {
        Ok(live) => live,
        Err(failure) => return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() }),
    };
    let pairs: Vec<(&Crd, &Crd)> = context
        .planned_crds()
        .filter(|next| is_third_party(next.name()))
        .filter_map(|next| Some((live.get(next.name())?, next)))
        .collect();
    let findings = pairs.iter().filter_map(|(now, next)| check_crd(context, now, next));
    CheckResult::new(&CARD, pairs.len(), Verdict::from_findings(findings.collect()))
}

fn check_crd(context: &GuardContext<'_>, now: &Crd, next: &Crd) -> Option<Finding> {
    // The merged CRD can keep a label that another manager has set: the chart's own labels count.
    let chart = context
        .charts()
        .flat_map(|facts| release_objects(facts.rendered))
        .find(|other| Crd::name_of(other) == Some(next.name()));
    let lost = match (crd_version(now.json()), chart.and_then(crd_version)) {
        (Some(now), Some(next)) if now.cmp_precedence(&next).is_gt() => {
            format!("would be downgraded from {now} to {next}")
        }
        (Some(_), Some(_)) => return None,
        (None, _) | (_, None) => return check_origin(context, now, &describe_loss(now, next)?),
    };
    Some(CARD.finding(format!("CRD {}", now.name()), lost, CARD.fix))
}

/// A newer chart may drop what its older one had: the CRD checks look at the objects. It may not drop what others brought.
fn check_origin(context: &GuardContext<'_>, live: &Crd, loss: &str) -> Option<Finding> {
    let (level, origin) = match find_origin(context, live) {
        CrdOrigin::OwnChart => return None,
        CrdOrigin::Foreign(evidence) => (CARD.level, evidence),
        CrdOrigin::Unknown => (
            Level::Warning,
            "no record of the two releases shows whether they or another installation brought it".into(),
        ),
    };
    let message = format!("would lose {loss}; {origin}");
    Some(Finding { level, ..CARD.finding(format!("CRD {}", live.name()), message, CARD.fix) })
}

/// Who brought a live CRD.
enum CrdOrigin {
    /// One of the two releases: a kept revision has everything that the live CRD has.
    OwnChart,
    /// Another installation, with the evidence.
    Foreign(String),
    /// The records do not have it, as with the `crds/` of a subchart, or the revision that brought it is no longer kept.
    Unknown,
}

/// helm writes a CRD of a `crds/` folder once, so a CRD can be as old as the first revision.
fn find_origin(context: &GuardContext<'_>, live: &Crd) -> CrdOrigin {
    let releases = [context.crds_release, context.app_release];
    let recorded = list_recorded_copies(context, &releases, live.name());
    if recorded.iter().any(|crd| describe_loss(live, crd).is_none()) {
        return CrdOrigin::OwnChart;
    }
    if let Some(owner) = live.annotation(RELEASE_NAME_ANNOTATION).filter(|owner| !releases.contains(owner)) {
        return CrdOrigin::Foreign(format!("it belongs to the release {owner}"));
    }
    let mut writers = list_schema_writers(live.json());
    match writers.find(|writer| !OWN_WRITERS.contains(writer)) {
        Some(FIELD_MANAGER | KUBECTL_CLIENT_SIDE) if recorded.is_empty() => CrdOrigin::Unknown,
        Some(writer) => CrdOrigin::Foreign(format!("{writer} wrote it, and no revision of the two releases has that")),
        None => CrdOrigin::Unknown,
    }
}

/// The copies of a CRD in the records: in the `crds/` folders of all revisions, and among the templates of the current one.
fn list_recorded_copies(context: &GuardContext<'_>, releases: &[&str], name: &str) -> Vec<Crd> {
    let mut copies = Vec::new();
    for release in releases {
        let records = context.view.releases.get(*release).and_then(|records| records.as_ref().ok());
        let documents = records.into_iter().flatten().flat_map(|record| &record.crd_documents);
        copies.extend(documents.filter(|crd| crd.name() == name).cloned());
        let current = context.view.current_revision(release).ok().flatten();
        // Most manifests have no CRD, and a manifest is large.
        let Some(record) = current.filter(|record| record.manifest.reveal().contains(name)) else { continue };
        let manifest = record.manifest_objects().unwrap_or_default();
        copies.extend(
            manifest.into_iter().filter_map(|document| Crd::new(document).ok()).filter(|crd| crd.name() == name),
        );
    }
    copies
}

fn crd_version(crd: &serde_json::Value) -> Option<Version> {
    VERSION_POINTERS
        .iter()
        .find_map(|pointer| Version::parse(crd.pointer(pointer)?.as_str()?.trim_start_matches('v')).ok())
}

/// Describes what the live CRD has and the planned one lacks; `None` if nothing is lost or the storage version gets newer.
fn describe_loss(now: &Crd, next: &Crd) -> Option<String> {
    if next.storage_version() != now.storage_version()
        && version_priority(next.storage_version()) > version_priority(now.storage_version())
    {
        return None;
    }
    let losses: Vec<String> = diff::compare_crds(now.json(), next.json())
        .iter()
        .filter_map(|change| {
            let version = change.version.as_deref().unwrap_or_default();
            match &change.kind {
                ChangeKind::Version(VersionChange::Removed { served: true, .. } | VersionChange::Unserved)
                    if version_priority(version) > version_priority(next.storage_version()) =>
                {
                    Some(format!("the served version {version}"))
                }
                ChangeKind::Field(FieldChange::Removed { .. }) => {
                    let path = change.path.as_ref().map(ToString::to_string).unwrap_or_default();
                    Some(format!("{version} {path}"))
                }
                _ => None,
            }
        })
        .collect();
    let (first, rest) = losses.split_first()?;
    Some(if rest.is_empty() { first.clone() } else { format!("{first} and {} more", rest.len()) })
}

/// Sort key of an API version; a larger key is newer. The order is that of
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apimachinery/pkg/version/helpers.go>.
fn version_priority(version: &str) -> (u8, u64, u64) {
    let digits = |text: &str| text.parse::<u64>().unwrap_or_default();
    let rest = version.trim_start_matches('v');
    for (word, rank) in [("beta", 2), ("alpha", 1)] {
        if let Some((major, minor)) = rest.split_once(word) {
            return (rank, digits(major), digits(minor));
        }
    }
    (3, digits(rest), 0)
}
