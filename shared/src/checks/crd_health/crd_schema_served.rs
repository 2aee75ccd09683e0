//! Health check `crd-schema-served`: requires the schema of each CRD, served by the API server.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::{CheckResultBuilder, undetermined_result};
use crate::checks::crd_health::expected_and_live;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::crd::Crd;
use crate::model::health_inputs::{PublishedSchema, ReadScope};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-schema-served",
    section: Section::Crds,
    title: "the schema of each CRD, served by the API server",
    level: Level::Error,
    why: "After a change of a CRD, the API server rebuilds its schema. Established does not show this: it was true \
        before. Until then, kubectl explain and client-side validation use the old schema.",
    fix: "Wait a few seconds and check again. If it stays, read the conditions of the CRD and the log of each API \
        server.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::ServedSchemas], heals_with_time: true, run: check };

/// Compares the published OpenAPI schema of each served version with the schema in the CRD.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let (wanted, live) = match expected_and_live(context, &CARD) {
        Ok(both) => both,
        Err(answer) => return answer,
    };
    let published = match &context.health_inputs.published_schemas {
        Ok(published) => published,
        Err(failure) => return undetermined_result(&CARD, failure),
    };
    let mut result = CheckResultBuilder::new(&CARD);
    for crd in wanted.iter().filter_map(|name| live.get(name)) {
        // `crd-established` reports CRDs that are not established.
        for version in crd.versions().filter(|version| version.served && crd.has_condition("Established")) {
            if let Some(one) = published.get(&(crd.name().to_owned(), version.name.to_owned())) {
                result.record(compare_published(crd, version.name, one));
            }
        }
    }
    result.record_skip("none of the CRDs is established");
    result.build()
}

fn compare_published(crd: &Crd, version: &str, published: &PublishedSchema) -> Option<Finding> {
    let message = match published {
        PublishedSchema::Same => return None,
        PublishedSchema::Differs(first) => format!("{version} is served with another schema, first at {first}"),
        PublishedSchema::Missing => format!("{version} is not served"),
    };
    let hint = format!(
        "kubectl get crd {} --output yaml; kubectl get --raw /openapi/v3/apis/{}/{version}",
        crd.name(),
        crd.group()
    );
    Some(CARD.finding(format!("CRD {}", crd.name()), message, hint))
}
