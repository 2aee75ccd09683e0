//! Check `claim-bound`.

use serde_json::Value;

use super::{Place, objects, owned, places};
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::object::ObjectRef;
use crate::model::status::{self, State};

/// The card.
pub static CARD: Card = Card {
    id: "claim-bound",
    section: Section::Workloads,
    title: "every volume claim of the releases is bound",
    level: Level::Error,
    why: "A pod waits for ever for a claim that no volume is bound to; a Lost claim has lost its data's volume.",
    fix: "Describe the claim: its events tell whether the storage class is missing, full, or waits for a pod that cannot start.",
};

/// Whether each claim of the manifests, and each that a StatefulSet of theirs has made, is bound.
pub fn check(seen: &Seen<'_>) -> Checked {
    if let Err(answer) = objects(seen, &CARD) {
        return answer;
    }
    let mut gathered = Gathered::new(&CARD);
    for place in places(seen, &mut gathered) {
        let ours = |claim: &ObjectRef| {
            owned::names(&place.objects, &claim.kind, &claim.name, &place.namespace) || made_by_set(&claim.name, &place)
        };
        for (claim, object) in place.live.iter().filter_map(|object| Some((ObjectRef::of(object)?, object))) {
            if claim.kind == "PersistentVolumeClaim" && ours(&claim) {
                gathered.looked(judge(seen, &claim, object));
            }
        }
    }
    gathered.skipped("the releases have no volume claims");
    gathered.checked()
}

fn judge(seen: &Seen<'_>, claim: &ObjectRef, object: &Value) -> Option<Finding> {
    let found = status::status(object, seen.now);
    let hint = format!("kubectl -n {} describe pvc {}", claim.namespace, claim.name);
    (found.state != State::Current).then(|| CARD.finding(claim.to_string(), found.reason, hint))
}

/// A StatefulSet names its claims `<template>-<set>-<ordinal>`.
fn made_by_set(claim: &str, place: &Place<'_>) -> bool {
    let Some((stem, ordinal)) = claim.rsplit_once('-') else { return false };
    if !ordinal.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let sets = place.live.iter().filter(|object| object["kind"] == "StatefulSet").filter_map(|object| {
        Some((object.pointer("/metadata/name")?.as_str()?, object.pointer("/spec/volumeClaimTemplates")?.as_array()?))
    });
    sets.filter(|(set, _)| owned::names(&place.objects, "StatefulSet", set, &place.namespace)).any(
        |(set, templates)| {
            let names = templates.iter().filter_map(|template| template.pointer("/metadata/name")?.as_str());
            names.into_iter().any(|template| stem == format!("{template}-{set}"))
        },
    )
}
