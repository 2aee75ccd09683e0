//! Check `release-values`.

use crate::checks::gathered::{Gathered, skipped};
use crate::checks::seen::{Seen, without_record};
use crate::checks::{Card, Checked, Level, Section};
use crate::plan::values;

/// The card.
pub static CARD: Card = Card {
    id: "release-values",
    section: Section::Releases,
    title: "the application runs with the values of the file",
    level: Level::Warning,
    why: "Values that were set on the command line, edited in a HelmRelease or forgotten in the file are gone, or come back, with the next upgrade from this file.",
    fix: "Bring the two together: put what runs into the file, or upgrade with the file. helm get values RELEASE shows what runs.",
};

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
            let told = |value: Option<String>| value.unwrap_or_else(|| "not set".to_owned());
            let hint = format!("helm get values {release} -n {}", seen.namespace());
            let findings = changes.into_iter().map(|change| {
                let message = format!("runs with {}, the file says {}", told(change.old), told(change.new));
                CARD.finding(format!("value {}", change.key), message, hint.clone())
            });
            gathered.looked(findings.collect::<Vec<_>>());
        }
    }
    gathered.checked()
}
