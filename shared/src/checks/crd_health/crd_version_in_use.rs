//! Health check `crd-version-in-use`: requires no use of a CRD version that is deprecated or not served.

use std::collections::BTreeMap;

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::crd_health::{expected_and_live, object_reports};
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::crd::Crd;
use crate::model::health_inputs::{ObjectScan, ReadScope};
use crate::model::text_format::format_count;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-version-in-use",
    section: Section::Crds,
    title: "no use of a CRD version that is deprecated or not served",
    level: Level::Warning,
    why: "The API server stores the version of each field manager in managedFields. If the version is no longer \
        served, server-side apply by this manager fails. A deprecated version is the next one to be removed.",
    fix: "Upgrade the manager, or apply its manifest with the newer apiVersion.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::CustomResources], heals_with_time: false, run: check };

/// Reports versions in `managedFields` that are deprecated (warning) or no longer served (error).
fn check(context: &CheckContext<'_>) -> CheckResult {
    let (wanted, live) = match expected_and_live(context, &CARD) {
        Ok(both) => both,
        Err(answer) => return answer,
    };
    let streamed = match object_reports(context, &CARD) {
        Ok(streamed) => streamed,
        Err(answer) => return answer,
    };
    let mut result = CheckResultBuilder::new(&CARD);
    for crd in wanted.iter().filter_map(|name| live.get(name)) {
        let Some(one) = streamed.get(crd.name()) else {
            result.record_skip("the CRDs serve no version");
            continue;
        };
        result.record(check_managers(crd, one));
        if let Some(failure) = &one.read_failure {
            result.record_failure(failure);
        }
    }
    result.record_skip("none of the CRDs is on the cluster");
    result.build()
}

fn check_managers(crd: &Crd, one: &ObjectScan) -> Vec<Finding> {
    let mut by_version: BTreeMap<&str, (usize, Vec<&str>)> = BTreeMap::new();
    for ((version, manager), objects) in &one.manager_versions {
        let usage = by_version.entry(version).or_default();
        usage.0 = usage.0.max(*objects);
        usage.1.push(manager);
    }
    by_version.into_iter().filter_map(|(version, usage)| build_finding(crd, version, &usage)).collect()
}

fn build_finding(crd: &Crd, version: &str, (objects, managers): &(usize, Vec<&str>)) -> Option<Finding> {
    let known = crd.versions().find(|one| one.name == version);
    let (level, what) = match known {
        Some(known) if known.served && !crd.is_deprecated(version) => return None,
        Some(known) if known.served => (Level::Warning, "is deprecated"),
        Some(_) | None => (Level::Error, "is no longer served"),
    };
    let objects = format_count(*objects, "object");
    let message = format!("{version} {what}, but {} still uses it in {objects}", managers.join(", "));
    let hint = format!("kubectl get {} --all-namespaces --show-managed-fields --output yaml", crd.name());
    Some(Finding { level, ..CARD.finding(format!("CRD {}", crd.name()), message, hint) })
}
