//! Health check `crd-in-two-charts`: requires each kind in only one chart and one CRD.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::{CheckResultBuilder, skipped_result, undetermined_result};
use crate::checks::crd_health::{expected_and_live, records_failure};
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::crd::Crd;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-in-two-charts",
    section: Section::Crds,
    title: "each kind in only one chart and one CRD",
    level: Level::Warning,
    why: "If both charts contain a CRD, each upgrade of either changes it. If two groups have the same kind, \
        `kubectl get KIND` shows only one of them.",
    fix: "Disable the CRD in one chart, for example with crds.install=false. Use the full name of an ambiguous kind: \
        kubectl get widgets.example.com",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Reports CRDs in both releases, and kinds that another CRD of the cluster has too.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let (wanted, live) = match expected_and_live(context, &CARD) {
        Ok(both) => both,
        Err(answer) => return answer,
    };
    let mut result = CheckResultBuilder::new(&CARD);
    let claims = releases_by_crd(&context.inventory.crds_by_release);
    for crd in wanted.iter().filter_map(|name| live.get(name)) {
        let same_kind = live.values().filter(|other| other.kind() == crd.kind() && other.name() != crd.name());
        let others: Vec<&str> = same_kind.map(Crd::name).collect();
        // Two CRDs of the charts with one kind are the vendor's choice and documented there.
        let others = Some(others).filter(|others| others.iter().any(|other| !wanted.contains(*other)));
        let releases = claims.get(crd.name()).filter(|releases| releases.len() > 1);
        let found = [
            releases.map(|releases| build_release_finding(crd, releases)),
            others.map(|others| build_kind_finding(crd, &others)),
        ];
        result.record(found.into_iter().flatten());
    }
    if let Some(failure) = records_failure(context) {
        return undetermined_result(&CARD, failure);
    }
    if context.inventory.crds_by_release.is_empty() {
        return skipped_result(&CARD, "no release has a record");
    }
    result.record_skip("none of the CRDs is on the cluster");
    result.build()
}

fn build_release_finding(crd: &Crd, releases: &BTreeSet<&str>) -> Finding {
    let message = format!("is in the releases {}", releases.iter().copied().collect::<Vec<_>>().join(" and "));
    let hint = format!("kubectl get crd {} --show-managed-fields --output yaml", crd.name());
    CARD.finding(format!("CRD {}", crd.name()), message, hint)
}

fn build_kind_finding(crd: &Crd, others: &[&str]) -> Finding {
    let message = format!("its kind {} is also the kind of {}", crd.kind(), others.join(", "));
    let hint = format!("use its full name: kubectl get {}", crd.name());
    Finding { level: Level::Info, ..CARD.finding(format!("CRD {}", crd.name()), message, hint) }
}

fn releases_by_crd(crds_of: &[(String, BTreeSet<String>)]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (release, crds) in crds_of {
        for crd in crds {
            all.entry(crd).or_default().insert(release);
        }
    }
    all
}
