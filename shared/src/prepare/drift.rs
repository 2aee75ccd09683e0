//! What of the world has moved since a plan was saved or a run was cut off.

use std::collections::BTreeMap;

use crate::ask::Ask;
use crate::diff;
use crate::model::dry_run::ServerAnswer;
use crate::model::owner::Owner;
use crate::model::pending::made_by;
use crate::model::view::{ClusterView, Looked};
use crate::plan::drift::Moved;
use crate::plan::journal::since::{Now, moved as moved_since};
use crate::plan::journal::{JournalSeen, RunEntry, Task};
use crate::plan::saved::SavedPlan;
use crate::plan::world::{World, moved};
use crate::prepare::judge;
use crate::prepare::recorded_state::world;
use crate::prepare::render::Rendered;

/// What was agreed to before, and is followed.
#[derive(Clone, Copy)]
pub(crate) enum Follow<'a> {
    Nothing,
    Saved(&'a SavedPlan),
    Run(&'a RunEntry),
}

/// What the plan is made from.
pub(crate) struct Known<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) view: &'a ClusterView,
    pub(crate) rendered: &'a Rendered,
    pub(crate) forecasts: &'a BTreeMap<String, ServerAnswer>,
}

/// What the plan is made from, as it is kept, and what of it has moved since a plan was saved or a run was cut off.
pub(crate) struct Since {
    pub(crate) world: Looked<World>,
    pub(crate) moved: Option<Looked<Vec<Moved>>>,
    pub(crate) follows: Option<RunEntry>,
}

impl Known<'_> {
    pub(crate) fn since(&self, follow: Follow<'_>, journal: Option<&JournalSeen>, salt: &str) -> Since {
        match follow {
            Follow::Saved(saved) => {
                let world = self.world(&saved.world.values.salt);
                let moved = Some(world.as_ref().map(|now| moved(&saved.world, now)).map_err(Clone::clone));
                let follows = journal.and_then(|journal| self.went_before(journal));
                Since { world, moved, follows }
            }
            Follow::Run(run) => {
                let (world, moved) = self.since_run(run);
                Since { world, moved: Some(moved), follows: Some(run.clone()) }
            }
            Follow::Nothing => {
                let follows = journal.and_then(|journal| self.went_before(journal));
                Since { world: self.world(salt), moved: None, follows }
            }
        }
    }

    fn world(&self, salt: &str) -> Looked<World> {
        world(self.ask, self.view, self.rendered, &judge::gone(self.ask, self.view, self.rendered), salt)
    }

    fn since_run(&self, run: &RunEntry) -> (Looked<World>, Looked<Vec<Moved>>) {
        let world = self.world(&run.world.values.salt);
        let more = self.now(run);
        let moved = world.as_ref().map(|now| moved_since(run, now, &more)).map_err(Clone::clone);
        (world, moved)
    }

    /// The run that was cut off in this very upgrade, where nobody has moved anything since: the same command again goes on
    /// from it, and what was there before it is what a rollback goes back to.
    fn went_before(&self, journal: &JournalSeen) -> Option<RunEntry> {
        let run = journal.unfinished().filter(|run| run.task == Task::Upgrade)?;
        self.since_run(run).1.is_ok_and(|moved| moved.is_empty()).then(|| run.clone())
    }

    fn now(&self, run: &RunEntry) -> Now {
        let live = self.view.crds.as_ref().ok();
        let same = |name: &String, answer: &ServerAnswer| {
            let (live, next) = (live?.get(name)?, answer.as_ref().ok()?);
            diff::same(live.json(), next.json()).then(|| name.clone())
        };
        let makers = self
            .view
            .releases
            .iter()
            .filter_map(|(release, records)| Some((release.clone(), made_by(records.as_ref().ok()?)?.to_owned())));
        let others =
            |release: &&String| !matches!(self.view.owners.get(*release), None | Some(Owner::Helm | Owner::Nobody));
        let wanted = |release: &String| {
            let installation = &self.ask.installation;
            let is_crds = *release == installation.crds_release;
            let side = if is_crds { &self.rendered.crds } else { &self.rendered.app };
            let newest = self.view.newest(release).ok().flatten()?;
            // helm-controller appends the digest: 1.2.3+abc.
            let version = newest.chart_version.split('+').next().unwrap_or_default();
            Some(version == side.as_ref()?.fetched.chart.version.to_string())
        };
        // Its owner gave up and went back to what was there before the run: nobody else has moved it.
        let went_back = |release: &String| {
            let then = run.world.releases.get(release)?.as_ref()?.revision;
            let records = self.view.releases.get(release)?.as_ref().ok()?;
            let was = records.iter().find(|record| record.revision == then)?;
            Some(records.last()?.chart_version == was.chart_version)
        };
        let expected = |release: &&String| wanted(release) == Some(true) || went_back(release) == Some(true);
        Now {
            through_owner: self.view.releases.keys().filter(others).filter(expected).cloned().collect(),
            as_wanted: self.forecasts.iter().filter_map(|(name, answer)| same(name, answer)).collect(),
            made_by: makers.collect(),
        }
    }
}
