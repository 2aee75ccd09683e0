//! The proof that the API server serves what the charts say, and that it stays so.
//!
//! Established alone proves nothing after an update: it was true before. An apply that exits with 0 proves nothing either:
//! another manager may put the CRD back, and of several API servers behind one address one may still serve the old schema.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Run;
use super::probe;
use crate::cluster::served::Document;
use crate::cluster::{ApiError, Cluster, served, wait};
use crate::diff;
use crate::model::crd::{Crd, Writer, writer_since, writers};
use crate::plan::seal::digest;
use crate::plan::world::LiveCrd;
use crate::plan::{Action, Step};
use crate::problem::{Exit, Problem};

/// The longest that new schemas may take to be served: seconds on one API server, more where there are several.
const SERVED_WITHIN: Duration = Duration::from_secs(120);
/// Between two looks at whether they are.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Before the application relies on a proof it has to hold for so long: a controller that puts things back is quick, and one that
/// is slower is found by the look in the end.
const HOLDS_FOR: Duration = Duration::from_secs(1);
/// New connections for each API server: with four, one of three is missed in one of two hundred cases.
const ASKED_EACH: usize = 4;
/// Where it is not told how many API servers there are.
const SERVERS_ASSUMED: usize = 3;
/// More than this many new connections tell nothing new.
const ASKED_AT_MOST: usize = 20;

/// What was proved, and when: for a second look.
#[derive(Default)]
pub struct Proved(Mutex<Option<(Instant, BTreeMap<String, Spec>)>>);

/// A CRD's spec as it was proved.
#[derive(Clone)]
struct Spec {
    uid: String,
    digest: String,
    stored_versions: Vec<String>,
    writers: Vec<Writer>,
}

impl Spec {
    fn of(crd: &Crd) -> Self {
        let stored_versions = crd.stored_versions().into_iter().map(str::to_owned).collect();
        Self { uid: crd.uid().to_owned(), digest: digest(&crd.json()["spec"]), stored_versions, writers: writers(crd) }
    }

    fn same(&self, now: &Crd) -> bool {
        let now = Self::of(now);
        (&self.uid, &self.digest) == (&now.uid, &now.digest)
    }
}

/// Proves that these CRDs are established, their names accepted, and every version served with the chart's schema.
///
/// # Errors
/// They are not within two minutes; Ctrl-C; the server does not answer.
pub(super) async fn prove(run: &Run<'_>, names: &[String]) -> Result<String, Problem> {
    let cluster = &run.prepared.cluster;
    let (began, mut proof) = (Instant::now(), Proof::default());
    let servers = served::servers(cluster);
    tokio::pin!(servers);
    loop {
        let live = wait::crds(cluster).await.map_err(|error| error.problem(&cluster.context))?;
        let live: Vec<Crd> = live.into_iter().filter(|crd| names.iter().any(|name| name == crd.name())).collect();
        let mut missing = unestablished(names, &live);
        if missing.is_empty() {
            missing = proof.look(run, cluster, names).await?;
        }
        let mut asked = 0;
        if missing.is_empty() {
            (asked, missing) = proof.ask_anew(run, names, (&mut servers).await).await?;
            servers.set(served::servers(cluster));
        }
        let Some(first) = missing.first() else {
            run.proved.keep(&live);
            return Ok(proof.told(names.len(), asked));
        };
        if run.manner.stop.asked() {
            return Err(Problem::new(Exit::Interrupted, "stopped by Ctrl-C while proving the CRDs")
                .hint("run the same command again: it proves them again"));
        }
        if began.elapsed() >= SERVED_WITHIN.min(run.manner.timeout) {
            return Err(late(&missing, first, &live));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn late(missing: &[String], first: &str, live: &[Crd]) -> Problem {
    let text = format!("{} of the CRDs' versions are not served as the chart has them: {first}", missing.len());
    let named = live.iter().find(|crd| first.contains(crd.name()));
    let writer = named.and_then(|crd| Some((crd.name(), writers(crd).pop()?)));
    let hint = match writer {
        Some((name, Writer { manager, time })) => {
            format!("{manager} wrote {name} last, at {time}; look at its conditions and at who else keeps it")
        }
        None => "kubectl get crd; then look at the conditions of the one that is named".to_owned(),
    };
    Problem::new(Exit::OutOfTime, text).hint(hint)
}

/// What is not there or not established, in words.
fn unestablished(names: &[String], live: &[Crd]) -> Vec<String> {
    let one = |name: &String| match live.iter().find(|crd| crd.name() == name) {
        None => Some(format!("CRD {name} is not there")),
        Some(crd) => {
            let condition = ["Established", "NamesAccepted"].into_iter().find(|condition| !crd.has(condition))?;
            Some(format!("CRD {name} is not {condition}"))
        }
    };
    names.iter().filter_map(one).collect()
}

/// What has been seen of the served documents. One that has not changed is not read again.
#[derive(Default)]
struct Proof {
    /// The hash of each document that was read.
    hashes: BTreeMap<String, String>,
    /// What is missing in each.
    missing: BTreeMap<String, Vec<String>>,
    /// How many versions were asked for by dry-run, since no document told.
    probed: usize,
}

impl Proof {
    /// What is not served yet, in words.
    async fn look(&mut self, run: &Run<'_>, cluster: &Cluster, names: &[String]) -> Result<Vec<String>, Problem> {
        let wanted = by_document(run, names);
        let now = match served::hashes(cluster).await {
            Ok(now) => now,
            Err(ApiError::Refused { .. }) => return self.probe_all(run, &wanted).await,
            Err(error) => return Err(error.problem(&cluster.context)),
        };
        let changed = |path: &&String| now.get(*path).is_none_or(|hash| self.hashes.get(*path) != Some(hash));
        let changed: BTreeSet<String> = wanted.keys().filter(changed).cloned().collect();
        let documents = served::documents(cluster, &changed).await.map_err(|error| error.problem(&cluster.context))?;
        for path in changed {
            let told = match documents.get(&path) {
                Some(document) => self.judge(run, document, &wanted[&path]).await?,
                None => vec![format!("{path} is not served")],
            };
            self.missing.insert(path.clone(), told);
            self.hashes.insert(path.clone(), now.get(&path).cloned().unwrap_or_default());
        }
        Ok(self.missing.values().flatten().cloned().collect())
    }

    async fn judge(
        &mut self,
        run: &Run<'_>,
        document: &Document,
        wanted: &[(&Crd, String)],
    ) -> Result<Vec<String>, Problem> {
        let mut missing = Vec::new();
        for (crd, version) in wanted {
            let schema = crd.versions().find(|one| one.name == version).and_then(|one| one.schema);
            let definition = document.definition(crd.group(), version, crd.kind());
            match (definition, schema) {
                (Some(definition), Some(schema)) => {
                    if let Err(paths) = diff::served_schema_matches(schema, definition) {
                        let first = paths.first().map_or_else(String::new, |path| format!(" at {path}"));
                        missing.push(format!("{version} of CRD {} is served with another schema{first}", crd.name()));
                    }
                }
                (Some(_), None) => {}
                // The document holds the version and not the kind: it is new, or the server publishes it nowhere.
                (None, _) => missing.extend(self.probe(run, crd, version).await?),
            }
        }
        Ok(missing)
    }

    async fn probe_all(
        &mut self,
        run: &Run<'_>,
        wanted: &BTreeMap<String, Vec<(&Crd, String)>>,
    ) -> Result<Vec<String>, Problem> {
        self.probed = 0;
        let mut missing = Vec::new();
        for (crd, version) in wanted.values().flatten() {
            missing.extend(self.probe(run, crd, version).await?);
        }
        Ok(missing)
    }

    async fn probe(&mut self, run: &Run<'_>, crd: &Crd, version: &str) -> Result<Option<String>, Problem> {
        self.probed += 1;
        probe::unserved(run, crd, version).await
    }

    /// Asks over new connections; whoever answers another document than the proved one has it judged too.
    async fn ask_anew(
        &mut self,
        run: &Run<'_>,
        names: &[String],
        servers: Option<usize>,
    ) -> Result<(usize, Vec<String>), Problem> {
        if self.hashes.is_empty() {
            return Ok((0, Vec::new()));
        }
        let times = match servers {
            Some(1) => 1,
            Some(more) => more * ASKED_EACH,
            None => SERVERS_ASSUMED * ASKED_EACH,
        };
        let times = times.min(ASKED_AT_MOST);
        for _ in 0..times {
            let missing = self.look(run, &run.prepared.cluster.anew()?, names).await?;
            if !missing.is_empty() {
                return Ok((times, missing));
            }
        }
        Ok((times, Vec::new()))
    }

    fn told(&self, crds: usize, asked: usize) -> String {
        let served = format!("{crds} of {crds} established and served with the chart's schema");
        let asked = match asked {
            0 | 1 => String::new(),
            more => format!(", asked {more} times over new connections"),
        };
        let probed = match self.probed {
            0 => String::new(),
            some => format!(", {some} by strict dry-runs, since no document told"),
        };
        format!("{served}{asked}{probed}")
    }
}

/// Which versions of which CRDs each document must hold, as the charts have them: that is what was asked for.
fn by_document<'a>(run: &Run<'a>, names: &[String]) -> BTreeMap<String, Vec<(&'a Crd, String)>> {
    let mut all: BTreeMap<String, Vec<(&Crd, String)>> = BTreeMap::new();
    for crd in names.iter().filter_map(|name| run.prepared.wanted.get(name)) {
        for version in crd.versions().filter(|version| version.served) {
            let path = format!("apis/{}/{}", crd.group(), version.name);
            all.entry(path).or_default().push((crd, version.name.to_owned()));
        }
    }
    all
}

impl Proved {
    fn keep(&self, live: &[Crd]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut specs = kept.take().map_or_else(BTreeMap::new, |(_, specs)| specs);
        specs.extend(live.iter().map(|crd| (crd.name().to_owned(), Spec::of(crd))));
        *kept = Some((Instant::now(), specs));
    }

    /// The proved CRDs, as a journal keeps them.
    pub(super) fn left(&self) -> BTreeMap<String, LiveCrd> {
        let specs = self.kept().map(|(_, specs)| specs).unwrap_or_default();
        let live = |spec: Spec| LiveCrd { uid: spec.uid, spec: spec.digest, stored_versions: spec.stored_versions };
        specs.into_iter().map(|(name, spec)| (name, live(spec))).collect()
    }

    fn kept(&self) -> Option<(Instant, BTreeMap<String, Spec>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The second look: before the application relies on the proved CRDs, and in the end.
///
/// # Errors
/// Another manager has put one of them back, or deleted it; it is named.
pub(super) async fn still(run: &Run<'_>, step: &Step) -> Result<(), Problem> {
    let Some((since, proved)) = run.proved.kept() else { return Ok(()) };
    let relies = matches!(
        step.action,
        Action::UpgradeRelease { .. }
            | Action::MoveSource { crds: false, .. }
            | Action::ApplyManifests { crds: false, .. }
            | Action::LetReleaseGo { .. }
            | Action::RestoreObjects { .. }
            | Action::Validate
    );
    if !relies {
        return Ok(());
    }
    tokio::time::sleep(HOLDS_FOR.saturating_sub(since.elapsed())).await;
    let cluster = &run.prepared.cluster;
    let now = wait::crds(cluster).await.map_err(|error| error.problem(&cluster.context))?;
    for (name, then) in &proved {
        match now.iter().find(|crd| crd.name() == name) {
            Some(crd) if then.same(crd) => {}
            Some(crd) => return Err(put_back(crd, then, since.elapsed())),
            None => {
                return Err(Problem::failed(format!("CRD {name} was proved and has been deleted since"))
                    .hint("look who deletes it; then run the same command again"));
            }
        }
    }
    Ok(())
}

fn put_back(crd: &Crd, then: &Spec, after: Duration) -> Problem {
    let (name, seconds) = (crd.name(), after.as_secs_f64());
    let writer = writer_since(&then.writers, &writers(crd));
    let (who, at) =
        writer.map_or_else(|| ("somebody".to_owned(), String::new()), |one| (one.manager, format!(" at {}", one.time)));
    let text = format!("CRD {name} was proved, and {seconds:.0}s later it is another one: {who} wrote it{at}");
    Problem::failed(text)
        .hint(format!(
            "let {who} have the new CRD too, or stop it from writing this one; then run the same command again"
        ))
        .hint(format!("kubectl get crd {name} --show-managed-fields --output yaml shows who owns which field"))
}
