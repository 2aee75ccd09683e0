//! Check `owner-same`.

use super::unknown;
use crate::checks::gathered::{Gathered, skipped};
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section};
use crate::model::owner::Owner;

/// The card.
pub static CARD: Card = Card {
    id: "owner-same",
    section: Section::Ownership,
    title: "both releases have the same kind of owner",
    level: Level::Warning,
    why: "CRDs must be upgraded before the application. With two kinds of owners nobody sees to that order: each upgrades its half when it likes.",
    fix: "Hand both releases to the same owner, or upgrade the CRD chart by hand before each change of the application.",
};

/// Whether one kind of owner keeps both.
pub fn check(seen: &Seen<'_>) -> Checked {
    let mut gathered = Gathered::new(&CARD);
    let mut owners: Vec<(&str, &Owner)> = Vec::new();
    for (_, release) in seen.releases() {
        match seen.owner(release) {
            Some(Owner::Undetermined { reason }) => gathered.not_seen(&unknown(release, reason)),
            None => gathered.not_seen(&unknown(release, "nobody looked")),
            Some(Owner::Nobody) => return skipped(&CARD, format!("{release} is not installed")),
            Some(owner) => owners.push((release, owner)),
        }
    }
    if let [(first, one), (second, other)] = owners.as_slice() {
        let same = std::mem::discriminant(*one) == std::mem::discriminant(*other);
        let message = format!("{first} is kept by {one}, {second} by {other}");
        gathered.looked(
            (!same)
                .then(|| CARD.finding(format!("releases {first}, {second}"), message, "kubectl mural upgrade status")),
        );
    }
    gathered.checked()
}
