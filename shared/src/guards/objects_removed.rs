//! Objects that hold data or run the product leave the manifest of a release.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::object::ObjectRef;
use crate::model::release::RESOURCE_POLICY_ANNOTATION;
use crate::model::task::Task;
use crate::plan::object_changes::select_release_objects;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "objects-removed",
    section: Section::Guards,
    title: "that no volume, namespace, custom resource or last workload leaves the manifest of a release",
    level: Level::Error,
    why: "helm deletes objects that leave a release's manifest. A deleted PersistentVolumeClaim, Namespace or custom \
        resource takes its data with it.",
    fix: "Check the chart and the values: a disabled component removes its objects. If the removal is intended, set \
        --allow-removals: the objects are in the backup before the run, but the data of volumes is not. --no-save \
        cannot be set with it.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Kinds that run the product.
const WORKLOADS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];
/// Kinds whose deletion takes data with it.
const DATA: [&str; 3] = ["PersistentVolumeClaim", "PersistentVolume", "Namespace"];
/// Releases with fewer objects lose half of them by ordinary changes.
const MIN_OBJECTS_FOR_SHARE: usize = 6;

/// Fails for each removed claim, namespace and custom resource, and if all workloads or more than half of the objects leave. Without
/// a backup, `--allow-removals` allows nothing.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let no_backup = context.backup.hint_for_loss().filter(|_| context.allowed.removals);
    if context.allowed.removals && no_backup.is_none() {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "--allow-removals".to_owned() });
    }
    let (mut checked, mut findings) = (0, Vec::new());
    for facts in context.charts() {
        match find_removals(context, facts) {
            Ok(removals) => {
                checked += removals.before;
                findings.extend(removals.into_findings(context, facts.release));
            }
            Err(reason) => return CheckResult::new(&CARD, checked, Verdict::Undetermined { reason }),
        }
    }
    if let Some(hint) = no_backup {
        findings.iter_mut().for_each(|finding| hint.clone_into(&mut finding.hint));
    }
    CheckResult::new(&CARD, checked, Verdict::from_findings(findings))
}

/// What leaves the manifest of one release.
struct Removals {
    /// How many objects the manifest has.
    before: usize,
    /// How many workloads the manifest has.
    workloads: usize,
    removed: Vec<ObjectRef>,
}

fn find_removals(context: &GuardContext<'_>, facts: &ChartFacts<'_>) -> Result<Removals, String> {
    let empty = Removals { before: 0, workloads: 0, removed: Vec::new() };
    let Some(record) = context.view.current_revision(facts.release).map_err(ToString::to_string)? else {
        return Ok(empty);
    };
    let stored = record.manifest_objects().map_err(|error| {
        format!("cannot read the stored manifest of {} revision {}: {error}", record.name, record.revision)
    })?;
    let namespace = &context.view.cluster.namespace;
    let next: Vec<ObjectRef> =
        select_release_objects(namespace, facts.rendered).into_iter().map(|(object, _)| object).collect();
    let old = select_release_objects(namespace, &stored);
    let is_removed = |object: &ObjectRef, document: &Value| {
        !next.iter().any(|other| other.is_same_object(object)) && !is_kept(document)
    };
    Ok(Removals {
        before: old.len(),
        workloads: old.iter().filter(|(object, _)| is_workload(object)).count(),
        removed: old
            .iter()
            .filter(|(object, document)| is_removed(object, document))
            .map(|(object, _)| object.clone())
            .collect(),
    })
}

fn is_kept(document: &Value) -> bool {
    let annotations = document.pointer("/metadata/annotations");
    annotations.is_some_and(|all| all[RESOURCE_POLICY_ANNOTATION] == "keep")
}

fn is_workload(object: &ObjectRef) -> bool {
    object.group() == "apps" && WORKLOADS.contains(&object.kind.as_str())
}

impl Removals {
    fn into_findings(self, context: &GuardContext<'_>, release: &str) -> Vec<Finding> {
        let kinds = custom_kinds(context);
        let holds_data = |object: &&ObjectRef| {
            DATA.contains(&object.kind.as_str()) || kinds.contains(&(object.group().to_owned(), object.kind.clone()))
        };
        let mut findings: Vec<Finding> = self
            .removed
            .iter()
            .filter(holds_data)
            .map(|object| {
                let message =
                    format!("would be deleted with its data: it leaves the manifest of the release {release}");
                CARD.finding(object.to_string(), message, CARD.fix)
            })
            .collect();
        let share = |message: String| CARD.finding(format!("release {release}"), message, CARD.fix);
        let workloads = self.removed.iter().filter(|object| is_workload(object)).count();
        let (removed, before) = (self.removed.len(), self.before);
        if workloads > 0 && workloads == self.workloads {
            findings.push(share(format!("would lose all of its {workloads} workloads")));
        } else if before >= MIN_OBJECTS_FOR_SHARE && removed * 2 > before {
            findings.push(share(format!("would lose {removed} of its {before} objects")));
        }
        findings
    }
}

/// Groups and kinds of the CRDs on the cluster.
fn custom_kinds(context: &GuardContext<'_>) -> BTreeSet<(String, String)> {
    let live = context.view.crds.iter().flat_map(|crds| crds.values());
    live.map(|crd| (crd.group().to_owned(), crd.kind().to_owned())).collect()
}
