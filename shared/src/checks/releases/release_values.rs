//! Health check `release-values`: requires a release with the values in the file.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::{CheckResultBuilder, skipped_result};
use crate::checks::health_check::HealthCheck;
use crate::diff::value_changes;
use crate::model::check::{Card, CheckResult, Level, Section};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-values",
    section: Section::Releases,
    title: "a release with the values in the file",
    level: Level::Warning,
    why: "The next upgrade with this file drops values that were set on the command line, edited in a HelmRelease or \
        missing in the file.",
    fix: "Compare with helm get values RELEASE. Then add the running values to the file, or upgrade with the file.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Maximum length of a shown value, in characters.
const MAX_VALUE_CHARS: usize = 60;

/// Compares the values of the release record with `--values`. Secrets are compared but not shown.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let Some(wanted) = &context.expectations.values else {
        return skipped_result(&CARD, "no values to compare with (set --values)");
    };
    let mut result = CheckResultBuilder::new(&CARD);
    let release = context.app_release;
    match context.view.newest_revision(release) {
        Err(failure) => result.record_failure(failure),
        Ok(None) => result.record_skip(
            context.view.explain_missing_record(release).unwrap_or_else(|| format!("there is no release {release}")),
        ),
        Ok(Some(record)) => {
            let changes = value_changes::diff_values(record.config.reveal(), wanted.reveal());
            let hint = format!("helm get values {release} -n {}", context.namespace());
            let findings = changes.into_iter().map(|change| {
                let message = match (change.old, change.new) {
                    (None, new) => format!("is not set, but is {} in the file", display_value(new)),
                    (old, None) => format!("is {}, but not set in the file", display_value(old)),
                    (old, new) => format!("is {}, but {} in the file", display_value(old), display_value(new)),
                };
                CARD.finding(format!("value {}", change.key), message, hint.clone())
            });
            result.record(findings.collect::<Vec<_>>());
        }
    }
    result.build()
}

/// A long value, such as a certificate, is counted and not shown: half a secret would not be recognized as one.
fn display_value(value: Option<String>) -> String {
    let value = value.unwrap_or_default();
    match value.chars().count() {
        count if count > MAX_VALUE_CHARS => format!("a text of {count} characters"),
        _ => value,
    }
}
