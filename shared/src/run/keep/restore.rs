//! `restore`: CRDs first, established, then their objects, owners before what they own. Nothing is ever deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use http::Method;

use super::AT_ONCE;
use super::object::{Done, Maker};
use super::owners::Owners;
use super::read::{Kept, read};
use crate::cluster::snapshot::Snapshot;
use crate::cluster::{ApiError, Cluster, look, wait};
use crate::model::crd::Crd;
use crate::model::kept::rounds;
use crate::model::managed::FIELD_MANAGER;
use crate::model::object::ObjectRef;
use crate::problem::{Exit, Problem};
use crate::report::event::{Emit, Event};
use crate::report::keep::{Failure, RestoreReport, Unlinked};
use crate::tools::spawn::Stop;

/// The longest that a new CRD may take to be established.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Between two words about how far it is: objects.
const TELL_EVERY: usize = 500;

/// A save that was read and compared with the cluster; nothing is written yet.
pub struct Restore {
    cluster: Cluster,
    kept: Kept,
    live: BTreeMap<String, Crd>,
    /// Namespaces of its objects that the cluster has not.
    pub missing_namespaces: BTreeSet<String>,
    overwrite: bool,
    /// CRDs are left as they are.
    objects_alone: bool,
}

impl Restore {
    /// Reads a save whole and looks at the cluster.
    ///
    /// # Errors
    /// The save is not whole or not readable, the cluster cannot be read, or serves a kind in other versions than the save's.
    pub async fn prepare(cluster: &Cluster, folder: &std::path::Path, overwrite: bool) -> Result<Self, Problem> {
        let folder = folder.to_owned();
        let kept = tokio::task::spawn_blocking(move || read(&folder)).await;
        let kept = kept.map_err(|error| Problem::failed("the save cannot be read").because(error))??;
        let live = look::crds(cluster).await.map_err(|not_seen| Problem::failed(not_seen.to_string()))?;
        let namespaces = cluster.list("/api/v1/namespaces", "").await;
        let namespaces = namespaces.map_err(|error| error.problem(&cluster.context))?;
        let there: BTreeSet<&str> = namespaces.iter().filter_map(|one| one["metadata"]["name"].as_str()).collect();
        let wanted = kept.objects.iter().map(|object| &object.object.namespace).filter(|name| !name.is_empty());
        let missing_namespaces = wanted.filter(|name| !there.contains(name.as_str())).cloned().collect();
        let restore =
            Self { cluster: cluster.clone(), kept, live, missing_namespaces, overwrite, objects_alone: false };
        restore.versions_are_served()?;
        Ok(restore)
    }

    /// Leaves the CRDs as they are, and brings back the objects of these alone.
    #[must_use]
    pub fn objects_of(mut self, crds: &[String]) -> Self {
        self.kept.objects.retain(|object| crds.contains(&object.crd));
        self.kept.crds.retain(|name, _| crds.contains(name));
        self.objects_alone = true;
        self
    }

    /// A CRD that is there, and stays as it is, must serve what the save holds.
    fn versions_are_served(&self) -> Result<(), Problem> {
        for (name, crd) in &self.kept.crds {
            let in_force = self.live.get(name).filter(|_| !self.overwrite).unwrap_or(crd);
            let served: BTreeSet<&str> =
                in_force.versions().filter(|version| version.served).map(|version| version.name).collect();
            let of_crd = self.kept.objects.iter().filter(|object| object.crd == *name);
            if let Some(object) = of_crd.into_iter().find(|object| !served.contains(object.object.version())) {
                let (object, version) = (&object.object, object.object.version());
                let text =
                    format!("{object} was saved as {version}, which the CRD {name} of the cluster does not serve");
                return Err(Problem::new(Exit::Refused, text)
                    .hint("--overwrite puts the saved CRD in its place, and the saved objects in place of those that are there"));
            }
        }
        Ok(())
    }

    /// How much there is to bring back: CRDs that are not there, and objects in all.
    #[must_use]
    pub fn extent(&self) -> (usize, usize) {
        (self.kept.crds.keys().filter(|name| !self.live.contains_key(*name)).count(), self.kept.objects.len())
    }

    /// An answer that nothing was done for yet.
    #[must_use]
    pub fn report(&self) -> RestoreReport {
        RestoreReport::new(&self.cluster.context, &self.kept.index)
    }

    /// Brings everything back. What fails is told, and the rest goes on.
    ///
    /// # Errors
    /// A CRD is refused or is not established in time, or somebody asked to stop. Run again, it goes on.
    pub async fn run(&self, create_namespaces: bool, stop: &Stop, emit: Emit<'_>) -> Result<RestoreReport, Problem> {
        let mut report = self.report();
        if create_namespaces {
            self.namespaces().await?;
        }
        self.crds(&mut report).await?;
        let objects: Vec<_> =
            self.kept.objects.iter().map(|object| (object.object.clone(), object.owners.clone())).collect();
        let maker = Maker { cluster: &self.cluster, owners: Owners::new(&self.cluster), overwrite: self.overwrite };
        let (mut done, total) = (0_usize, objects.len() as u64);
        for round in rounds(&objects) {
            let mut results = stream::iter(round).map(|at| self.one(&maker, at, stop)).buffer_unordered(AT_ONCE);
            while let Some((at, result)) = results.next().await {
                self.tell(&mut report, at, result);
                done += 1;
                if done % TELL_EVERY == 0 {
                    let (step, detail) = ("restore".to_owned(), "objects".to_owned());
                    emit(Event::Progress { step, detail, done: done as u64, total });
                }
            }
            if stop.asked() {
                return Err(Problem::new(Exit::Interrupted, "stopped by Ctrl-C: not everything is brought back")
                    .hint("run the same command again: what is there already is left as it is"));
            }
        }
        Ok(report)
    }

    async fn namespaces(&self) -> Result<(), Problem> {
        for name in &self.missing_namespaces {
            let namespace = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            let made = self.cluster.request(Method::POST, "/api/v1/namespaces", Some(("application/json", &namespace)));
            match made.await {
                Err(error) if !error.conflict() => {
                    return Err(Problem::failed(format!("namespace {name} cannot be made")).because(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn crds(&self, report: &mut RestoreReport) -> Result<(), Problem> {
        for (name, crd) in &self.kept.crds {
            if self.objects_alone {
                report.crds_left.push(name.clone());
                continue;
            }
            let list = match (self.live.contains_key(name), self.overwrite) {
                (false, _) => &mut report.crds_created,
                (true, true) => &mut report.crds_overwritten,
                (true, false) => {
                    report.crds_left.push(name.clone());
                    continue;
                }
            };
            let mut wanted = crd.json().clone();
            if let Some(fields) = wanted.as_object_mut() {
                fields.remove("status");
            }
            let path = format!(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?force=true&fieldManager={FIELD_MANAGER}"
            );
            let applied = self.cluster.request(Method::PATCH, &path, Some(("application/apply-patch+yaml", &wanted)));
            applied
                .await
                .map_err(|error| Problem::failed(format!("CRD {name} cannot be brought back")).because(error))?;
            list.push(name.clone());
        }
        self.established().await
    }

    async fn established(&self) -> Result<(), Problem> {
        let began = Instant::now();
        loop {
            let live = wait::crds(&self.cluster).await.map_err(|error| error.problem(&self.cluster.context))?;
            let stands = |name: &String| {
                let crd = live.iter().find(|crd| crd.name() == name);
                crd.is_some_and(|crd| crd.has("Established") && crd.has("NamesAccepted"))
            };
            let Some(open) = self.kept.crds.keys().find(|name| !stands(name)) else { return Ok(()) };
            if began.elapsed() >= ESTABLISHED_WITHIN {
                let text = format!("CRD {open} is not established after {}s", ESTABLISHED_WITHIN.as_secs());
                return Err(Problem::new(Exit::OutOfTime, text).hint(format!("kubectl describe crd {open}")));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn one(&self, maker: &Maker<'_>, at: usize, stop: &Stop) -> (usize, Option<Result<Made, String>>) {
        if stop.asked() {
            return (at, None);
        }
        let Some(entry) = self.kept.objects.get(at) else { return (at, None) };
        let Some(crd) = self.kept.crds.get(&entry.crd) else { return (at, None) };
        let object = match Snapshot::read(&entry.file) {
            Ok(object) if ObjectRef::of(&object).as_ref() == Some(&entry.object) => object,
            Ok(_) => return (at, Some(Err(format!("{}: it has just been changed", entry.file.display())))),
            Err(error) => return (at, Some(Err(error.to_string()))),
        };
        let crd = self.live.get(&entry.crd).filter(|_| !self.overwrite).unwrap_or(crd);
        let made = maker.make(crd, object).await;
        (at, Some(made.map_err(|error: ApiError| error.to_string())))
    }

    fn tell(&self, report: &mut RestoreReport, at: usize, result: Option<Result<Made, String>>) {
        let (Some(entry), Some(result)) = (self.kept.objects.get(at), result) else { return };
        let kind = report.of(&entry.crd);
        match result {
            Ok((done, lost)) => {
                match done {
                    Done::Created => kind.created += 1,
                    Done::Equal => kind.equal += 1,
                    Done::Left => kind.left += 1,
                    Done::Overwritten => kind.overwritten += 1,
                }
                let object = entry.object.to_string();
                report.unlinked.extend(lost.into_iter().map(|owner| Unlinked { object: object.clone(), owner }));
            }
            Err(reason) => {
                kind.failed += 1;
                report.failures.push(Failure { object: entry.object.to_string(), reason });
            }
        }
    }
}

type Made = (Done, Vec<String>);
