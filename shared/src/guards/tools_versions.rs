//! helm and kubectl are there and new enough.

use semver::Version;

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Level, Section, Verdict};
use crate::model::tools::{OLDEST_HELM, OLDEST_KUBECTL};
use crate::model::view::Looked;

/// The card.
pub static CARD: Card = Card {
    id: "tools-versions",
    section: Section::Guards,
    title: "helm and kubectl are new enough",
    level: Level::Error,
    why: "An older helm ignores or misreads flags that the upgrade relies on: helm before 3.17 does not check a digest.",
    fix: "Install helm 3.17 or newer and kubectl 1.31 or newer, and put them first on PATH.",
};

/// The guard.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let asked = [("helm", &admission.helm, OLDEST_HELM), ("kubectl", &admission.kubectl, OLDEST_KUBECTL)];
    let unseen: Vec<String> =
        asked.iter().filter_map(|(_, found, _)| found.as_ref().err().map(ToString::to_string)).collect();
    if !unseen.is_empty() {
        return Checked::new(&CARD, 2, Verdict::Undetermined { reason: unseen.join("; ") });
    }
    let old = asked.iter().filter_map(|(name, found, oldest)| too_old(name, found, oldest));
    Checked::new(&CARD, 2, Verdict::from_findings(old.collect()))
}

fn too_old(name: &str, found: &Looked<Version>, oldest: &Version) -> Option<crate::model::check::Finding> {
    let found = found.as_ref().ok().filter(|found| *found < oldest)?;
    Some(CARD.finding(
        name,
        format!("is {found}; at least {oldest} is needed"),
        format!("install {name} {oldest} or newer"),
    ))
}
