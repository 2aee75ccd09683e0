//! Check `release-values`.

use crate::checks::gathered::{Gathered, skipped};
use crate::checks::seen::Seen;
use crate::diff::values;
use crate::model::check::{Card, Checked, Level, Section};
use crate::model::owner::without_record;

/// The card.
pub static CARD: Card = Card {
    id: "release-values",
    section: Section::Releases,
    title: "the application runs with the values of the file",
    level: Level::Warning,
    why: "Values that were set on the command line, edited in a HelmRelease or forgotten in the file are gone, or come back, with the next upgrade from this file.",
    fix: "Bring the two together: put what runs into the file, or upgrade with the file. helm get values RELEASE shows what runs.",
};

/// Characters of a value that are shown.
const SHOWN: usize = 60;

/// Which values of the release's record differ from those of `--values`; secrets are compared and not shown.
pub fn check(seen: &Seen<'_>) -> Checked {
    let Some(wanted) = &seen.expect.values else {
        return skipped(&CARD, "no values are named to compare with (--values)");
    };
    let mut gathered = Gathered::new(&CARD);
    let release = seen.app_release;
    match seen.view.newest(release) {
        Err(not_seen) => gathered.not_seen(not_seen),
        Ok(None) => gathered
            .skipped(without_record(seen.view, release).unwrap_or_else(|| format!("there is no release {release}"))),
        Ok(Some(record)) => {
            let changes = values::changes(record.config.reveal(), wanted.reveal());
            let hint = format!("helm get values {release} -n {}", seen.namespace());
            let findings = changes.into_iter().map(|change| {
                let message = match (change.old, change.new) {
                    (None, new) => format!("is not set, the file says {}", short(new)),
                    (old, None) => format!("is {}, and the file does not set it", short(old)),
                    (old, new) => format!("is {}, the file says {}", short(old), short(new)),
                };
                CARD.finding(format!("value {}", change.key), message, hint.clone())
            });
            gathered.looked(findings.collect::<Vec<_>>());
        }
    }
    gathered.checked()
}

/// A certificate in a value would fill a page.
fn short(value: Option<String>) -> String {
    let value = value.unwrap_or_default();
    if value.chars().count() <= SHOWN { value } else { value.chars().take(SHOWN).chain("…".chars()).collect() }
}
