//! Health check `crd-objects-fit`: requires live custom resources that are valid under their CRD.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::crd_health::{expected_and_live, object_reports};
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::cluster_view::ReadFailure;
use crate::model::crd::Crd;
use crate::model::health_inputs::{InvalidObject, ObjectScan, ReadScope};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-objects-fit",
    section: Section::Crds,
    title: "live custom resources that are valid under their CRD",
    level: Level::Error,
    why: "The API server validates an object when it is written, not when the schema changes. An invalid object can \
        be read, but the next write fails, also for its controller.",
    fix: "Correct the field in the finding: kubectl edit KIND NAME. On Kubernetes 1.30 and newer, other fields can \
        still be written.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::CustomResources], heals_with_time: false, run: check };

/// Validates each live object. It is an error if even an unchanged update is rejected, else a warning.
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
        match streamed.get(crd.name()) {
            Some(one) => record_misfits(&mut result, crd, one),
            None => result.record_skip("the CRDs serve no version"),
        }
    }
    result.record_skip("none of the CRDs is on the cluster");
    result.build()
}

fn record_misfits(result: &mut CheckResultBuilder, crd: &Crd, one: &ObjectScan) {
    for misfit in &one.invalid_examples {
        result.record([build_finding(crd, misfit)]);
    }
    let unlisted = one.invalid_count.saturating_sub(one.invalid_examples.len());
    let rest = (unlisted > 0).then(|| {
        let hint = format!("kubectl get {} --all-namespaces", crd.name());
        CARD.finding(format!("CRD {}", crd.name()), format!("has {unlisted} more invalid objects"), hint)
    });
    // A kind without objects is one thing looked at.
    result.record_many(one.checked_count.saturating_sub(one.invalid_examples.len()).max(1), rest);
    if let Some(failure) = &one.read_failure {
        result.record_failure(failure);
    }
    if let Some(object) = &one.undetermined_object {
        let reason = "a rule of its schema cannot be evaluated here".to_owned();
        result.record_failure(&ReadFailure { target: object.clone(), reason });
    }
}

fn build_finding(crd: &Crd, misfit: &InvalidObject) -> Finding {
    let InvalidObject { object, reason: why, blocks_all_writes: stuck } = misfit;
    let (level, what) = match stuck {
        true => (Level::Error, "the API server rejects every write to it"),
        false => (Level::Warning, "it can no longer be created, and this field cannot be changed"),
    };
    let (_, place) = object.split_once(' ').unwrap_or(("", object));
    let hint = match place.split_once('/') {
        Some((namespace, name)) => format!("kubectl -n {namespace} edit {} {name}", crd.name()),
        None => format!("kubectl edit {} {place}", crd.name()),
    };
    Finding { level, ..CARD.finding(object.clone(), format!("is invalid, {what}: {why}"), hint) }
}
