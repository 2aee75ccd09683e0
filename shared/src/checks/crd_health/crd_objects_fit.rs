//! Check `crd-objects-fit`.

use crate::checks::crd_health::{both, streamed};
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::crd::Crd;
use crate::model::view::NotSeen;
use crate::model::vitals::{Misfit, Streamed};

/// The card.
pub static CARD: Card = Card {
    id: "crd-objects-fit",
    section: Section::Crds,
    title: "every live custom resource fits the schema of its own CRD",
    level: Level::Error,
    why: "The API server judges an object when it is written, not when the schema changes. One that no longer fits is read as ever and then refuses the next write, the controller's own included.",
    fix: "Edit the object so that it fits; the finding names the field. Where only a field that was wrong before is wrong, other fields can still be written (ratcheting, Kubernetes 1.30 and newer).",
};

/// Whether each live object fits; as errors where even a write that changes nothing is refused, else as warnings.
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
        match streamed.get(crd.name()) {
            Some(one) => told(&mut gathered, crd, one),
            None => gathered.skipped("the CRDs serve no version"),
        }
    }
    gathered.skipped("none of the CRDs is on the cluster");
    gathered.checked()
}

fn told(gathered: &mut Gathered, crd: &Crd, one: &Streamed) {
    for misfit in &one.misfits {
        gathered.looked([finding(crd, misfit)]);
    }
    let more = one.unfit.saturating_sub(one.misfits.len());
    let rest = (more > 0).then(|| {
        let hint = format!("kubectl get {} --all-namespaces", crd.name());
        CARD.finding(format!("CRD {}", crd.name()), format!("{more} more of its objects do not fit"), hint)
    });
    // A kind without objects is one thing looked at.
    gathered.looked_many(one.looked_at.saturating_sub(one.misfits.len()).max(1), rest);
    if let Some(not_seen) = &one.broken_off {
        gathered.not_seen(not_seen);
    }
    if let Some(object) = &one.unsure {
        let reason = "one of its schema's rules cannot be judged here".to_owned();
        gathered.not_seen(&NotSeen { what: object.clone(), reason });
    }
}

fn finding(crd: &Crd, misfit: &Misfit) -> Finding {
    let Misfit { object, why, stuck } = misfit;
    let (level, what) = match stuck {
        true => (Level::Error, "every write to it is refused"),
        false => (Level::Warning, "it can no longer be made anew, nor this field be changed"),
    };
    let (_, place) = object.split_once(' ').unwrap_or(("", object));
    let hint = match place.split_once('/') {
        Some((namespace, name)) => format!("kubectl -n {namespace} edit {} {name}", crd.name()),
        None => format!("kubectl edit {} {place}", crd.name()),
    };
    Finding { level, ..CARD.finding(object.clone(), format!("does not fit, {what}: {why}"), hint) }
}
