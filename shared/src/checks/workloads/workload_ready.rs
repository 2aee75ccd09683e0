//! Check `workload-ready`.

use serde_json::Value;

use super::{RUNNING, each, owned};
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::inventory::images;
use crate::model::object::ObjectRef;
use crate::model::status::{self, State, Trouble};

/// The card.
pub static CARD: Card = Card {
    id: "workload-ready",
    section: Section::Workloads,
    title: "every workload of the releases is ready",
    level: Level::Error,
    why: "A Deployment, StatefulSet or DaemonSet without all of its new pods ready serves in part, with the old version, or not at all.",
    fix: "Describe the workload and its pods, and read their logs; the finding's hint names the pod where one is in trouble.",
};

/// Whether each workload is as its spec wants it, by the rules of kstatus. `workload-present` names those that are missing.
pub fn check(seen: &Seen<'_>) -> Checked {
    each(seen, &CARD, &RUNNING, |object, live| judge(seen, object, live?))
}

fn judge(seen: &Seen<'_>, object: &ObjectRef, live: &Value) -> Option<Finding> {
    let found = status::status(live, seen.now);
    if found.state == State::Current {
        return None;
    }
    let counted =
        status::progress(live).map_or_else(String::new, |(ready, wanted)| format!("{ready}/{wanted} ready: "));
    let namespace = &object.namespace;
    let (reason, look) = match pod_of(seen, object) {
        Some((pod, trouble)) => (trouble.to_string(), format!("kubectl -n {namespace} describe pod {pod}")),
        None => {
            (found.reason, format!("kubectl -n {namespace} describe {} {}", object.kind.to_lowercase(), object.name))
        }
    };
    let (changed, hint) = match other_images(seen, object, live) {
        Some((images, wanted)) => {
            let (kind, name) = (object.kind.to_lowercase(), &object.name);
            let back = format!("kubectl -n {namespace} set image {kind}/{name} {wanted}");
            (format!("; its image {images} is not the release's"), format!("{look}; put it back: {back}"))
        }
        None => (String::new(), look),
    };
    Some(CARD.finding(object.to_string(), format!("{counted}{reason}{changed}"), hint))
}

/// Images of a workload that are not the manifest's, since somebody has changed them by hand; and `container=image` as they should
/// be. A rollback does not do: helm 4 gives way to whoever wrote the field last.
fn other_images(seen: &Seen<'_>, object: &ObjectRef, live: &Value) -> Option<(String, String)> {
    let own = |one: &ObjectRef| one.same_object(object) || owned::placed(one, seen.namespace()).same_object(object);
    let (_, wanted) = seen.named.images.iter().find(|(one, _)| own(one))?;
    let live = images(live);
    let changed: Vec<_> = wanted
        .iter()
        .filter_map(|(name, image)| Some((name, image, live.get(name).filter(|is| *is != image)?)))
        .collect();
    let all = |told: Vec<String>, between: &str| told.join(between);
    let is = all(changed.iter().map(|(_, _, is)| (*is).clone()).collect(), ", ");
    let should = all(changed.iter().map(|(name, image, _)| format!("{name}={image}")).collect(), " ");
    (!changed.is_empty()).then_some((is, should))
}

/// The workload's first pod in trouble, the gravest trouble first.
fn pod_of(seen: &Seen<'_>, object: &ObjectRef) -> Option<(String, Trouble)> {
    let workloads = seen.workloads(&object.namespace).ok()?;
    let (Ok(pods), Ok(live)) = (&workloads.pods, &workloads.owners) else { return None };
    let only = std::slice::from_ref(object);
    let mut found: Vec<(String, Trouble)> = owned::pods(pods, live, only, &object.namespace)
        .filter_map(|(pod, _)| Some((ObjectRef::of(pod)?.name, status::pod_trouble(pod)?)))
        .collect();
    found.sort_by(|(one, a), (other, b)| b.terminal.cmp(&a.terminal).then(one.cmp(other)));
    found.into_iter().next()
}
