//! Check `crd-version-named`.

use std::collections::BTreeMap;

use crate::checks::crd_health::{both, streamed};
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::crd::Crd;
use crate::model::vitals::Streamed;
use crate::model::words::counted;

/// The card.
pub static CARD: Card = Card {
    id: "crd-version-named",
    section: Section::Crds,
    title: "nobody names a version of a CRD that is on its way out",
    level: Level::Warning,
    why: "Each manager of an object's fields is kept with the version that it wrote (managedFields). When that version is no longer served, a server-side apply by this manager is refused, and a version that is marked deprecated is the next to go.",
    fix: "Let the manager that is named write the object once more in the new version: upgrade it, or apply its manifest with the newer apiVersion.",
};

/// Whether any object's `managedFields` name a version that is deprecated or gone; gone ones are errors.
pub fn check(seen: &Seen<'_>) -> Checked {
    let (wanted, live) = match both(seen, &CARD) {
        Ok(both) => both,
        Err(answer) => return answer,
    };
    let streamed = match streamed(seen, &CARD) {
        Ok(streamed) => streamed,
        Err(answer) => return answer,
    };
    let mut gathered = Gathered::new(&CARD);
    for crd in wanted.iter().filter_map(|name| live.get(name)) {
        let Some(one) = streamed.get(crd.name()) else {
            gathered.skipped("the CRDs serve no version");
            continue;
        };
        gathered.looked(findings(crd, one));
        if let Some(not_seen) = &one.broken_off {
            gathered.not_seen(not_seen);
        }
    }
    gathered.skipped("none of the CRDs is on the cluster");
    gathered.checked()
}

fn findings(crd: &Crd, one: &Streamed) -> Vec<Finding> {
    let mut by_version: BTreeMap<&str, (usize, Vec<&str>)> = BTreeMap::new();
    for ((version, manager), objects) in &one.named {
        let told = by_version.entry(version).or_default();
        told.0 = told.0.max(*objects);
        told.1.push(manager);
    }
    by_version.into_iter().filter_map(|(version, told)| finding(crd, version, &told)).collect()
}

fn finding(crd: &Crd, version: &str, (objects, managers): &(usize, Vec<&str>)) -> Option<Finding> {
    let known = crd.versions().find(|one| one.name == version);
    let (level, what) = match known {
        Some(known) if known.served && !crd.deprecated(version) => return None,
        Some(known) if known.served => (Level::Warning, "is deprecated"),
        Some(_) | None => (Level::Error, "is no longer served"),
    };
    let objects = counted(*objects, "object");
    let message = format!("{version} {what}, and {} still names it in {objects}", managers.join(", "));
    let hint = format!("kubectl get {} --all-namespaces --show-managed-fields --output yaml", crd.name());
    Some(Finding { level, ..CARD.finding(format!("CRD {}", crd.name()), message, hint) })
}
