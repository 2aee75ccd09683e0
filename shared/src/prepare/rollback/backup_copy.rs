//! What was saved before a run, as far as this workstation has it and nobody has touched it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::cluster::snapshot::Snapshot;
use crate::model::crd::Crd;
use crate::model::kept::file_name;
use crate::plan::back::restored::restored;
use crate::plan::journal::{RunEntry, SavedCopy};
use crate::plan::seal::digest;
use crate::prepare::state_dir::folder_of;
use crate::prepare::state_dir::{SUMS, sums};
use crate::prepare::{Bare, Surroundings};
use crate::problem::{Exit, Problem};

/// What was saved, as far as this workstation has it.
pub(crate) struct Copy {
    pub(crate) folder: Option<PathBuf>,
    /// The CRDs; why there are none.
    pub(crate) crds: Result<BTreeMap<String, Crd>, String>,
}

impl Copy {
    /// # Errors
    /// It is here, and is not as it was written.
    pub(crate) fn of(run: &RunEntry, bare: &Bare, around: &Surroundings) -> Result<Self, Problem> {
        let none = |why: String| Ok(Self { folder: None, crds: Err(why) });
        let Some(saved) = &run.saved else {
            return none("nothing was saved before the run (--no-save, or it was forgotten)".to_owned());
        };
        let first = run.ids().into_iter().next().unwrap_or_default();
        // Where we would have put it, too: the folder may have come here with a home folder that machines share.
        let ours = around.state.as_deref().map(|state| folder_of(state, &bare.cluster.context).join(file_name(&first)));
        let places = [Some(PathBuf::from(&saved.folder)), ours];
        let Some(folder) = places.into_iter().flatten().find(|folder| folder.join(SUMS).is_file()) else {
            return none(format!("the saved copy is on {}, in {}", saved.host, saved.folder));
        };
        unchanged(&folder, saved)?;
        let crds = crds(&folder)?;
        Ok(Self { folder: Some(folder), crds: Ok(crds) })
    }

    pub(crate) fn told(&self) -> String {
        match (&self.crds, &self.folder) {
            (Ok(crds), Some(folder)) => format!("{} CRDs in {}", crds.len(), folder.display()),
            (Ok(_), None) => String::new(),
            (Err(why), _) => why.clone(),
        }
    }
}

/// Compares every file with the list that the journal knows by its digest.
fn unchanged(folder: &Path, saved: &SavedCopy) -> Result<(), Problem> {
    let edited = |what: String| {
        Problem::new(Exit::Refused, format!("the saved copy {} is not as it was written: {what}", folder.display()))
            .hint("bring the copy back as it was; or move it away: then CRDs stay, and the application alone goes back")
    };
    let listed = std::fs::read(folder.join(SUMS)).map_err(|error| edited(error.to_string()))?;
    let listed: Map<String, Value> =
        serde_json::from_slice(&listed).map_err(|_| edited(format!("{SUMS} is no list of files")))?;
    let listed = Value::Object(listed);
    if digest(&listed) != saved.digest {
        return Err(edited(format!("{SUMS} is another one")));
    }
    let (now, _) = sums(folder).map_err(|error| edited(error.to_string()))?;
    let (Some(listed), Some(now)) = (listed.as_object(), now.as_object()) else { return Ok(()) };
    let names: BTreeSet<&String> = listed.keys().chain(now.keys()).collect();
    match names.into_iter().find(|name| listed.get(*name) != now.get(*name)) {
        Some(name) => Err(edited(format!("{name} was changed, added or removed"))),
        None => Ok(()),
    }
}

fn crds(folder: &Path) -> Result<BTreeMap<String, Crd>, Problem> {
    let unreadable = |reason: String| Problem::new(Exit::Refused, "the saved copy cannot be read").because(reason);
    let (snapshot, index) = Snapshot::open(folder).map_err(|error| unreadable(error.to_string()))?;
    let mut all = BTreeMap::new();
    for kept in &index.crds {
        let document = Snapshot::read(&snapshot.crd_file(&kept.name)).map_err(|error| unreadable(error.to_string()))?;
        let crd = Crd::new(document).map_err(|_| unreadable(format!("{} is no CRD", kept.name)))?;
        all.insert(kept.name.clone(), crd);
    }
    Ok(all)
}

/// The saved CRDs that the live ones differ from, as they would be applied.
pub(crate) fn differing(run: &RunEntry, live: &BTreeMap<String, Crd>, copy: &Copy) -> BTreeMap<String, Crd> {
    let saved = copy.crds.as_ref().ok().into_iter().flatten();
    let differs = |name: &String, now: &Crd| {
        let before = run.world.crds.get(name).and_then(Option::as_ref);
        before.is_some_and(|before| before.spec != digest(&now.json()["spec"]))
    };
    saved
        .filter_map(|(name, saved)| Some((name, saved, live.get(name)?)))
        .filter(|(name, _, now)| differs(name, now))
        .map(|(name, saved, now)| (name.clone(), restored(saved, now)))
        .collect()
}
