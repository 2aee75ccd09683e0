//! Limits outside of the range of the declared format.

use serde_json::Value;

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::{SchemaPath, list_positions};
use crate::model::check::{Card, Level, Section};

pub(crate) static CHECK: ChangeCheck = ChangeCheck {
    card: Card {
        id: "limit-outside-format",
        section: Section::CrdChanges,
        title: "a minimum or maximum outside the range of the format",
        level: Level::Error,
        why: "From Kubernetes 1.36, int32 and int64 are enforced. A maximum outside the format makes every value \
            invalid: 'Maximum boundary value must be of type integer with format int32'. MetalLB v0.13 to v0.14.9 \
            had such a CRD.",
        fix: "Move the limit into the range of the format, or use a wider format.",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/kubernetes/kubernetes/commit/0835a2fa9",
};

/// Finds limits outside of their format: the schema path and a message.
#[must_use]
pub(crate) fn find(schema: &Value) -> Vec<(SchemaPath, String)> {
    let wrong = |here: &Value| -> Option<String> {
        let (low, high) = match here["format"].as_str()? {
            "int32" => (f64::from(i32::MIN), f64::from(i32::MAX)),
            "int64" => (-9_223_372_036_854_775_808.0, 9_223_372_036_854_775_807.0),
            _ => return None,
        };
        ["minimum", "maximum"].into_iter().find_map(|key| {
            let limit = here[key].as_f64().filter(|limit| *limit < low || *limit > high)?;
            Some(format!("{key} {limit} is outside of {}", here["format"].as_str()?))
        })
    };
    list_positions(schema).into_iter().filter_map(|(path, here)| Some((path, wrong(here)?))).collect()
}
