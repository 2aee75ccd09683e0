//! Check `pod-foreign`.

use std::collections::BTreeMap;

use super::{objects, owned, places};
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section};
use crate::model::words::counted;

/// The card.
pub static CARD: Card = Card {
    id: "pod-foreign",
    section: Section::Workloads,
    title: "every pod of the namespace comes of a release",
    level: Level::Info,
    why: "A pod whose owners end outside the releases is not touched by an upgrade and not judged here: it may be left over from an older version, or belong to a controller that makes pods of its own.",
    fix: "Look whose it is; delete what an older version has left behind.",
};

/// Which pods of the installation's namespace end at an owner that no release and no hook names; one finding an owner.
pub fn check(seen: &Seen<'_>) -> Checked {
    if let Err(answer) = objects(seen, &CARD) {
        return answer;
    }
    let mut gathered = Gathered::new(&CARD);
    for place in places(seen, &mut gathered).iter().filter(|place| place.namespace == seen.namespace()) {
        let pods = match place.pods {
            Ok(pods) => pods,
            Err(not_seen) => {
                gathered.not_seen(not_seen);
                continue;
            }
        };
        let mut others: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for maker in pods.iter().map(|pod| owned::maker(pod, place.live)) {
            if owned::names(&place.objects, maker.0, maker.1, &place.namespace) {
                gathered.looked(None);
            } else {
                *others.entry(maker).or_default() += 1;
            }
        }
        for ((kind, name), pods) in others {
            let message = format!("has {} here and stands in no release", counted(pods, "pod"));
            let hint = format!("kubectl -n {} describe {} {name}", place.namespace, kind.to_lowercase());
            let subject = format!("{kind} {}/{name}", place.namespace);
            gathered.looked_many(pods, [CARD.finding(subject, message, hint)]);
        }
    }
    gathered.skipped("the namespace has no pods");
    gathered.checked()
}
