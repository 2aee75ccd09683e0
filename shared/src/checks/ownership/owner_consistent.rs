//! Health check `owner-consistent`: requires the same kind of owner for both releases.

use super::unknown_owner;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::{CheckResultBuilder, skipped_result};
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::owner::Owner;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "owner-consistent",
    section: Section::Ownership,
    title: "the same kind of owner for both releases",
    level: Level::Warning,
    why: "CRDs must be upgraded before the application. Two kinds of owners do not keep this order: each upgrades \
        its release at any time.",
    fix: "Hand both releases to the same owner, or upgrade the CRD chart before each change of the application.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Checks that both releases have the same kind of owner.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    let mut owners: Vec<(&str, &Owner)> = Vec::new();
    for (_, release) in context.releases() {
        match context.owner(release) {
            Some(Owner::Undetermined { reason }) => result.record_failure(&unknown_owner(release, reason)),
            None => result.record_failure(&unknown_owner(release, "the owner was not read")),
            Some(Owner::NotInstalled) => return skipped_result(&CARD, format!("{release} is not installed")),
            Some(owner) => owners.push((release, owner)),
        }
    }
    if let [(first, one), (second, other)] = owners.as_slice() {
        let same = std::mem::discriminant(*one) == std::mem::discriminant(*other);
        let message = format!("{first} is owned by {one}, {second} by {other}");
        result.record(
            (!same)
                .then(|| CARD.finding(format!("releases {first}, {second}"), message, "kubectl mural upgrade status")),
        );
    }
    result.build()
}
