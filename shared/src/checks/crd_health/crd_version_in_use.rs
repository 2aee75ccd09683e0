//! Check `crd-version-in-use`.

use std::collections::BTreeMap;

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::crd_health::{expected_and_live, object_reports};
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::crd::Crd;
use crate::model::health_inputs::ObjectScan;
use crate::model::text_format::format_count;

/// The card.
pub static CARD: Card = Card {
    id: "crd-version-in-use",
    section: Section::Crds,
    title: "nobody names a version of a CRD that is on its way out",
    level: Level::Warning,
    why: "Each manager of an object's fields is kept with the version that it wrote (managedFields). When that version is no longer served, a server-side apply by this manager is refused, and a version that is marked deprecated is the next to go.",
    fix: "Let the manager that is named write the object once more in the new version: upgrade it, or apply its manifest with the newer apiVersion.",
};

/// Whether any object's `managedFields` name a version that is deprecated or gone; gone ones are errors.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
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
    let message = format!("{version} {what}, and {} still names it in {objects}", managers.join(", "));
    let hint = format!("kubectl get {} --all-namespaces --show-managed-fields --output yaml", crd.name());
    Some(Finding { level, ..CARD.finding(format!("CRD {}", crd.name()), message, hint) })
}
