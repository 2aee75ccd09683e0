//! A CRD that a run left standing between two specs, with objects stored in a version that no chart keeps: taken back exactly.

use std::collections::BTreeMap;

use super::{Ailment, Facts, step};
use crate::model::crd::Crd;
use crate::plan::back::restored::restored;
use crate::plan::bridge::{self, Migration, NoBridge};
use crate::plan::decide::plural;
use crate::plan::journal::RunEntry;
use crate::plan::seal::digest;
use crate::plan::{Action, Step};

/// Those that are taken back: each CRD as it is applied, and how its objects get there, where a version goes.
#[derive(Default)]
pub(super) struct Bridges(Vec<(Crd, Option<Migration>)>);

impl Bridges {
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(crd, _)| crd.name().to_owned()).collect()
    }

    /// First of all: objects leave the version that goes, before anything else is written.
    pub(super) fn migrate(&self) -> Option<Step> {
        let crds: Vec<Migration> = self.0.iter().filter_map(|(_, migration)| migration.clone()).collect();
        let title = format!("move the objects of {} CRD{} back", crds.len(), plural(crds.len()));
        (!crds.is_empty()).then(|| step("migrate", title, Action::MigrateObjects { crds }))
    }

    /// After the application: the CRDs as they were, and the proof.
    pub(super) fn restore(&self) -> Vec<Step> {
        let names = self.names();
        if names.is_empty() {
            return Vec::new();
        }
        let count = format!("{} CRD{}", names.len(), plural(names.len()));
        let apply = Action::RestoreCrds { names: names.clone() };
        vec![
            step("crds", format!("apply {count} as before the run"), apply),
            step("served", format!("{count} established and served so"), Action::ProveServed { names }),
        ]
    }

    /// As they are applied.
    pub(super) fn wanted(self) -> BTreeMap<String, Crd> {
        self.0.into_iter().map(|(crd, _)| (crd.name().to_owned(), crd)).collect()
    }
}

/// Names every bridge that still stands; those of runs that are over are taken back.
pub(super) fn found(facts: &Facts<'_>, ailments: &mut Vec<Ailment>) -> Bridges {
    let mut bridges = Bridges::default();
    for (run, migration) in standing(facts) {
        let Some(live) = facts.live.get(&migration.name) else { continue };
        let Some(before) = before(run, migration, live) else { continue };
        let back = bridge::needed(live, &before);
        let (cure, mended) = cure(run, &back);
        ailments.push(Ailment {
            id: "bridge-left-standing",
            subject: format!("CRD {}", migration.name),
            message: format!(
                "run {} was moving its objects to {}: it stands between the old CRD and the chart's, and stores new objects as {}",
                run.run, migration.to, live.storage_version()
            ),
            cure,
            mended,
        });
        if let (true, Ok(back)) = (mended, back) {
            bridges.0.push((restored(&before, live), back));
        }
    }
    bridges
}

/// What is done about one; or, where nothing is, what to do.
fn cure(run: &RunEntry, back: &Result<Option<Migration>, NoBridge>) -> (String, bool) {
    if run.unfinished() {
        return (
            "kubectl mural upgrade resume goes on over it; after a rollback, repair takes it back".to_owned(),
            false,
        );
    }
    match back {
        Ok(Some(back)) => {
            let to = &back.to;
            (format!("move its objects back to {to}, prove it, and apply the CRD as it was before the run"), true)
        }
        Ok(None) => ("apply the CRD as it was before the run".to_owned(), true),
        Err(why) => (format!("helm mural crds apply CHART puts a chart's CRD in its place; not here: {why}"), false),
    }
}

/// The newest migration of each CRD that no run has proved to be over.
fn standing<'a>(facts: &Facts<'a>) -> Vec<(&'a RunEntry, &'a Migration)> {
    let mut all: Vec<(&RunEntry, &Migration)> = Vec::new();
    for (at, run) in facts.journal.runs.iter().enumerate().rev() {
        for migration in run.migrations() {
            let known = all.iter().any(|(_, other)| other.name == migration.name);
            let over = facts.journal.runs[at..].iter().any(|later| later.has_proved(&migration.name));
            if !known && !over {
                all.push((run, migration));
            }
        }
    }
    all
}

/// The CRD as it was before the run; none where what is there is not the bridge that the run made of it.
fn before(run: &RunEntry, migration: &Migration, live: &Crd) -> Option<Crd> {
    let before = run.world.crds.get(&migration.name)?.as_ref()?;
    let was = |spec: &serde_json::Value| digest(spec) == before.spec;
    if was(&live.json()["spec"]) || live.uid() != before.uid {
        return None;
    }
    bridge::before(live, &migration.to, was)
}
