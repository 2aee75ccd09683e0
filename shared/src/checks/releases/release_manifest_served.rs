//! Check `release-manifest-served`.

use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section};
use crate::model::inventory::Listed;

/// The card.
pub static CARD: Card = Card {
    id: "release-manifest-served",
    section: Section::Releases,
    title: "the API server still serves every version in the stored manifests",
    level: Level::Error,
    why: "helm builds the objects of the release as it is before every upgrade, rollback and uninstall. A version that is no longer served ends each of them with \"unable to build kubernetes objects from current release manifest\".",
    fix: "Serve the version again (the CRD's spec.versions), or rewrite the stored manifest: helm mapkubeapis RELEASE --mapfile FILE (its own map knows only built-in kinds).",
};

/// Whether each object of the newest manifests could be built by helm.
pub fn check(seen: &Seen<'_>) -> Checked {
    let mut gathered = Gathered::new(&CARD);
    match (&seen.named.objects, &seen.vitals.kinds) {
        (Listed::NotSeen(not_seen), _) | (_, Err(not_seen)) => gathered.not_seen(not_seen),
        (Listed::Nothing(reason), _) => gathered.skipped(reason),
        (Listed::Known(objects), Ok(kinds)) => {
            for object in objects {
                let message = format!("stands in a release's manifest as {}, which is not served", object.api_version);
                let hint = format!("kubectl api-resources --api-group={}", object.group());
                gathered.looked(kinds.of(object).is_none().then(|| CARD.finding(object.to_string(), message, hint)));
            }
            gathered.skipped("the releases name no objects");
        }
    }
    gathered.checked()
}
