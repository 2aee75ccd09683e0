//! CRDs of other projects never go back to an older state by accident.

use semver::Version;

use crate::diff::{self, ChangeKind, FieldChange, VersionChange};
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::plan::crd_plan::is_third_party;

/// The card.
pub static CARD: Card = Card {
    id: "foreign-downgrade",
    section: Section::Guards,
    title: "no CRD of another project goes back to an older state",
    level: Level::Error,
    why: "The charts bring CRDs of Flux and Open Cluster Management, which a newer installation of those projects may own: forced back, its controllers lose versions and fields that their objects already use.",
    fix: "Take a chart with newer CRDs. Where the older state is wanted: --allow-foreign-downgrade.",
};

/// Where projects write which release a CRD belongs to. The version of the generator that wrote it says nothing.
const VERSION_POINTERS: [&str; 2] =
    ["/metadata/labels/app.kubernetes.io~1version", "/metadata/annotations/gateway.networking.k8s.io~1bundle-version"];

/// The guard. Where both sides bear a version, it decides. Else: a served version or a field would be lost, while no newer storage
/// version arrives.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
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
    // What the server makes of the chart's CRD may keep a label that somebody else put there: the chart's own counts.
    let chart =
        context.charts().flat_map(|facts| facts.rendered).find(|other| Crd::name_of(other) == Some(next.name()));
    let lost = match (crd_version(now.json()), chart.and_then(crd_version)) {
        (Some(now), Some(next)) if now.cmp_precedence(&next).is_gt() => format!("would go back from {now} to {next}"),
        (Some(_), Some(_)) => return None,
        (None, _) | (_, None) => format!("would lose {}", describe_loss(now, next)?),
    };
    Some(CARD.finding(format!("CRD {}", now.name()), lost, CARD.fix))
}

fn crd_version(crd: &serde_json::Value) -> Option<Version> {
    VERSION_POINTERS
        .iter()
        .find_map(|pointer| Version::parse(crd.pointer(pointer)?.as_str()?.trim_start_matches('v')).ok())
}

/// What the live CRD has and the next one has not, in words.
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

/// Kubernetes' own order of API versions (apimachinery `pkg/version`, `CompareKubeAwareVersionStrings`): a larger one is newer.
/// An older served version that goes while a newer one stays is how projects move on.
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
