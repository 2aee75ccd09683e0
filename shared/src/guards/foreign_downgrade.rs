//! CRDs of other projects (Flux, Open Cluster Management) that the charts would downgrade.

use semver::Version;

use crate::diff::{self, ChangeKind, FieldChange, VersionChange};
use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::manifest::release_objects;
use crate::model::task::Task;
use crate::plan::crd_plan::is_third_party;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "foreign-downgrade",
    section: Section::Guards,
    title: "CRDs of other projects that are not older than the live ones",
    level: Level::Error,
    why: "The charts contain CRDs of Flux and Open Cluster Management. A newer installation of these projects can \
        own them: its controllers would lose versions and fields that their objects use.",
    fix: "Use a chart with newer CRDs, or accept the older ones with --allow-foreign-downgrade.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Labels and annotations with the project version of a CRD. The version of its generator (controller-gen) does not count.
const VERSION_POINTERS: [&str; 2] =
    ["/metadata/labels/app.kubernetes.io~1version", "/metadata/annotations/gateway.networking.k8s.io~1bundle-version"];

/// Fails for each downgraded CRD. The project versions decide if both sides have one. Otherwise, a lost served version or field
/// counts as a downgrade, unless the storage version gets newer.
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
        (None, _) | (_, None) if is_from_own_chart(context, now) => return None,
        (None, _) | (_, None) => format!("would lose {}", describe_loss(now, next)?),
    };
    Some(CARD.finding(format!("CRD {}", now.name()), lost, CARD.fix))
}

/// Whether the live CRD has nothing that the CRD of one of the two releases lacks: then no other installation replaced it, and a newer
/// chart may drop what an older one had. The CRD checks look at the objects.
fn is_from_own_chart(context: &GuardContext<'_>, live: &Crd) -> bool {
    let records = [context.crds_release, context.app_release]
        .into_iter()
        .filter_map(|release| context.view.current_revision(release).ok().flatten());
    let of_records = records.flat_map(|record| &record.crd_documents);
    of_records.into_iter().any(|crd| crd.name() == live.name() && describe_loss(live, crd).is_none())
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
