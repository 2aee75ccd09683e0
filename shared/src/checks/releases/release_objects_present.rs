//! Check `release-objects-present`.

use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::checks::workloads::RUNNING;
use crate::model::check::{Card, Checked, Level, Section};
use crate::model::inventory::Listed;
use crate::model::object::ObjectRef;
use crate::model::owner::Owner;

/// The card.
pub static CARD: Card = Card {
    id: "release-objects-present",
    section: Section::Releases,
    title: "every object of the stored manifests is there",
    level: Level::Error,
    why: "What somebody deleted, helm does not miss: the release stays deployed. A Service, a role or a ConfigMap that is gone shows only when somebody needs it.",
    fix: "Put it back: repeat the upgrade to the installed version (kubectl mural upgrade, or helm upgrade with --reuse-values), or take it from the manifest: helm get manifest RELEASE.",
};

/// Whether each object lives. Workloads and CRDs have checks of their own, and what is not served has another.
pub fn check(seen: &Seen<'_>) -> Checked {
    let mut gathered = Gathered::new(&CARD);
    match &seen.named.objects {
        Listed::NotSeen(not_seen) => gathered.not_seen(not_seen),
        Listed::Nothing(reason) => gathered.skipped(reason),
        Listed::Known(objects) => {
            objects.iter().filter(|object| looked_for(object)).for_each(|object| look(seen, object, &mut gathered));
            gathered.skipped("the releases name no other objects than workloads and CRDs");
        }
    }
    gathered.checked()
}

/// Whether an object is looked for here. Workloads and CRDs have checks of their own; a Job may have been cleared away when it
/// was done (`ttlSecondsAfterFinished`).
#[must_use]
pub fn looked_for(object: &ObjectRef) -> bool {
    let kind = object.kind.as_str();
    !RUNNING.contains(&kind) && !["CustomResourceDefinition", "Job", "Pod"].contains(&kind)
}

/// The command that makes what is missing of the application anew: of helm a rollback to the revision that it is at, of Flux a
/// forced turn (helm.toolkit.fluxcd.io/v2 `ForceRequestAnnotation`: both marks must say the same).
#[must_use]
pub fn put_back(seen: &Seen<'_>) -> String {
    let (release, namespace) = (seen.app_release, seen.namespace());
    match seen.owner(release) {
        Some(Owner::Flux { helm_release, .. } | Owner::Appliance { helm_release, .. }) => {
            let (namespace, name) = helm_release.split_once('/').unwrap_or((namespace, helm_release));
            format!("kubectl -n {namespace} annotate helmrelease {name} --overwrite {}", forced())
        }
        Some(Owner::Argo { application }) => format!("argocd app sync {application}"),
        Some(Owner::Helm | Owner::Nobody | Owner::Undetermined { .. }) | None => {
            let revision = seen.view.newest(release).ok().flatten().map_or(0, |record| record.revision);
            format!("helm rollback {release} {revision} -n {namespace}")
        }
    }
}

fn forced() -> String {
    ["requestedAt", "forceAt"].map(|mark| format!("reconcile.fluxcd.io/{mark}=$(date +%s)")).join(" ")
}

fn look(seen: &Seen<'_>, object: &ObjectRef, gathered: &mut Gathered) {
    match &seen.vitals.kinds {
        Ok(kinds) if kinds.of(object).is_none() => return gathered.skipped("its kind is not served"),
        Ok(_) => {}
        Err(not_seen) => return gathered.not_seen(not_seen),
    }
    let namespace = if object.namespace.is_empty() { seen.namespace() } else { &object.namespace };
    match seen.vitals.lives(object, namespace) {
        Err(not_seen) => gathered.not_seen(&not_seen),
        Ok(Some(_)) => gathered.looked(None),
        Ok(None) => {
            let hint = put_back(seen);
            gathered.looked([CARD.finding(
                object.to_string(),
                "stands in a release's manifest and is not there",
                hint,
            )]);
        }
    }
}
