//! Check `flux-source-version`.

use super::{helm_releases, maker};
use crate::ask::expect::Role;
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::flux::{FluxObject, RefInEffect, Source, allows};

/// The card.
pub static CARD: Card = Card {
    id: "flux-source-version",
    section: Section::Flux,
    title: "each source names one version, once",
    level: Level::Warning,
    why: "Beside a digest, semver and tag are ignored without a word: a patch of semver changes nothing. A range moves by itself, the application perhaps before its CRDs; and a range lets no pre-release through.",
    fix: "Name one exact version in spec.ref.semver, and remove what stands beside it.",
};

/// Whether a source of ours has more than one of digest, semver and tag, moves by itself, or leaves out the expected version.
pub fn check(seen: &Seen<'_>) -> Checked {
    if let Err(answer) = helm_releases(seen, &CARD) {
        return answer;
    }
    let mut gathered = Gathered::new(&CARD);
    for (role, expected) in [(Role::Crds, &seen.expect.crds_version), (Role::App, &seen.expect.app_version)] {
        let source = maker(seen, role).and_then(crate::model::flux::HelmRelease::chart_from).map(|from| from.object());
        let Some(source) = source.and_then(|named| seen.view.flux.source(&named)) else { continue };
        gathered.looked(judge(source, expected.as_ref()));
    }
    gathered.skipped("no source was found");
    gathered.checked()
}

fn judge(source: &Source, expected: Option<&semver::Version>) -> Vec<Finding> {
    let named = source.named();
    let hint = format!(
        "kubectl patch {} --type merge --patch '{{\"spec\":{{\"ref\":{{\"digest\":null,\"tag\":null,\"semver\":\"{}\"}}}}}}'",
        named.words(),
        version(source, expected)
    );
    let told =
        |level: Level, message: String| Finding { level, ..CARD.finding(named.to_string(), message, hint.clone()) };
    let set: Vec<&str> = ["digest", "semver", "tag"]
        .into_iter()
        .filter(|key| !source.text(&format!("/spec/ref/{key}")).is_empty())
        .collect();
    let mut found = Vec::new();
    if let [first, rest @ ..] = set.as_slice()
        && !rest.is_empty()
    {
        found.push(told(Level::Warning, format!("{first} counts, and {} beside it is ignored", rest.join(" and "))));
    }
    if let Some(why) = source.moves_by_itself() {
        found.push(told(Level::Warning, why));
    }
    if let (RefInEffect::Semver(range), Some(expected)) = (source.ref_in_effect(), expected)
        && allows(range, expected) == Some(false)
    {
        found.push(told(Level::Error, format!("semver {range:?} does not let {expected} through")));
    }
    found
}

/// The version to pin: what is expected, else what it holds.
fn version(source: &Source, expected: Option<&semver::Version>) -> String {
    let holds =
        || source.artifact().map(|artifact| artifact.version().to_owned()).filter(|version| !version.is_empty());
    expected.map(ToString::to_string).or_else(holds).unwrap_or_else(|| "VERSION".to_owned())
}
