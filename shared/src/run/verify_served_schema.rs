//! Verifies that the API server serves the charts' schemas, and that they stay.
//!
//! `Established` proves nothing after an update: it was true before. The exit code of an apply proves nothing either: another
//! manager may revert the CRD, and one of several API servers behind one address may still serve the old schema. Owns the reads of
//! OpenAPI documents over new connections, and the second check. Input: names of CRDs. Output: a text for the report.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::context::Run;
use super::probe;
use super::served_schema_error::ServedSchemaError;
use crate::cluster::openapi_documents::OpenApiDocument;
use crate::cluster::{ApiError, Cluster, crd_reader, openapi_documents};
use crate::diff;
use crate::model::crd::{Crd, find_writer_since, list_spec_writers};
use crate::plan::Step;

/// The limit until new schemas are served: seconds with one API server, longer with several.
const SERVED_TIMEOUT: Duration = Duration::from_secs(120);
/// The interval between two reads of the documents.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long a verified schema must stay before the application relies on it. A controller that reverts CRDs is usually faster; a
/// slower one is found by the final check.
const STABLE_PERIOD: Duration = Duration::from_secs(1);
/// New connections for each API server: with four, one of three is missed in one of two hundred cases.
const CONNECTIONS_PER_SERVER: usize = 4;
/// The assumed number of API servers if it cannot be read.
const ASSUMED_API_SERVERS: usize = 3;
/// The limit of new connections: more prove nothing new.
const MAX_CONNECTIONS: usize = 20;

/// Verifies that these CRDs are established, their names accepted, and every version served with the chart's schema.
///
/// # Errors
/// They are not within [`SERVED_TIMEOUT`], the user interrupts, or the server does not answer.
pub(super) async fn verify_served_schema(run: &Run<'_>, names: &[String]) -> Result<String, ServedSchemaError> {
    let cluster = &run.prepared.session.cluster;
    let (began, mut proof) = (Instant::now(), ServedSchemaCheck::default());
    let servers = openapi_documents::count_servers(cluster);
    tokio::pin!(servers);
    loop {
        let live = crd_reader::list_crds(cluster).await.map_err(|error| error.in_context(&cluster.context))?;
        let live: Vec<Crd> = live.into_iter().filter(|crd| names.iter().any(|name| name == crd.name())).collect();
        let mut missing = list_unestablished(names, &live);
        if missing.is_empty() {
            missing = proof.check_documents(run, cluster, names).await?;
        }
        let mut connections = 0;
        if missing.is_empty() {
            (connections, missing) = proof.check_over_new_connections(run, names, (&mut servers).await).await?;
            servers.set(openapi_documents::count_servers(cluster));
        }
        let Some(first) = missing.first() else {
            run.verified_crds.record(&live);
            return Ok(proof.summary(names.len(), connections));
        };
        if run.options.stop.is_requested() {
            return Err(ServedSchemaError::Stopped);
        }
        if began.elapsed() >= SERVED_TIMEOUT.min(run.options.timeout) {
            return Err(not_served_error(&missing, first, &live));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// A version that the API server does not serve yet.
#[derive(Clone)]
struct Unserved {
    /// The CRD; `None` if a whole group and version is missing.
    crd: Option<String>,
    /// What is missing.
    reason: String,
}

impl Unserved {
    fn of_crd(crd: &str, reason: String) -> Self {
        Self { crd: Some(crd.to_owned()), reason }
    }
}

fn not_served_error(missing: &[Unserved], first: &Unserved, live: &[Crd]) -> ServedSchemaError {
    let crd = live.iter().find(|crd| first.crd.as_deref() == Some(crd.name()));
    let last_write = crd.and_then(|crd| Some((crd.name().to_owned(), list_spec_writers(crd).pop()?)));
    ServedSchemaError::NotServed { count: missing.len(), first_reason: first.reason.clone(), last_write }
}

/// The CRDs that do not exist or are not established.
fn list_unestablished(names: &[String], live: &[Crd]) -> Vec<Unserved> {
    let one = |name: &String| match live.iter().find(|crd| crd.name() == name) {
        None => Some(Unserved::of_crd(name, format!("CRD {name} does not exist"))),
        Some(crd) => {
            let condition =
                ["Established", "NamesAccepted"].into_iter().find(|condition| !crd.has_condition(condition))?;
            Some(Unserved::of_crd(name, format!("CRD {name} is not {condition}")))
        }
    };
    names.iter().filter_map(one).collect()
}

/// The state of the served documents. A document whose hash has not changed is not read again.
#[derive(Default)]
struct ServedSchemaCheck {
    /// The hash of each document that was read.
    hashes: BTreeMap<String, String>,
    /// The missing versions of each document.
    missing: BTreeMap<String, Vec<Unserved>>,
    /// How many versions were verified by dry run, because no document contains them.
    probe_count: usize,
}

impl ServedSchemaCheck {
    /// Returns the versions that are not served yet.
    async fn check_documents(
        &mut self,
        run: &Run<'_>,
        cluster: &Cluster,
        names: &[String],
    ) -> Result<Vec<Unserved>, ServedSchemaError> {
        let wanted = group_by_document(run, names);
        let now = match openapi_documents::read_hashes(cluster).await {
            Ok(now) => now,
            Err(ApiError::Rejected { .. }) => return self.probe_all(run, &wanted).await,
            Err(error) => return Err(error.in_context(&cluster.context).into()),
        };
        let changed = |path: &&String| now.get(*path).is_none_or(|hash| self.hashes.get(*path) != Some(hash));
        let changed: BTreeSet<String> = wanted.keys().filter(changed).cloned().collect();
        let documents = openapi_documents::read_documents(cluster, &changed)
            .await
            .map_err(|error| error.in_context(&cluster.context))?;
        for path in changed {
            let missing = match documents.get(&path) {
                Some(document) => self.check_document(run, document, &wanted[&path]).await?,
                None => vec![Unserved { crd: None, reason: format!("{path} is not served") }],
            };
            self.missing.insert(path.clone(), missing);
            self.hashes.insert(path.clone(), now.get(&path).cloned().unwrap_or_default());
        }
        Ok(self.missing.values().flatten().cloned().collect())
    }

    async fn check_document(
        &mut self,
        run: &Run<'_>,
        document: &OpenApiDocument,
        wanted: &[(&Crd, String)],
    ) -> Result<Vec<Unserved>, ServedSchemaError> {
        let mut missing = Vec::new();
        for (crd, version) in wanted {
            let schema = crd.versions().find(|one| one.name == version).and_then(|one| one.schema);
            let definition = document.definition(crd.group(), version, crd.kind());
            match (definition, schema) {
                (Some(definition), Some(schema)) => {
                    if let Err(paths) = diff::compare_served_schema(schema, definition) {
                        let first = paths.first().map_or_else(String::new, |path| format!(" at {path}"));
                        let reason = format!("{version} of CRD {} is served with another schema{first}", crd.name());
                        missing.push(Unserved::of_crd(crd.name(), reason));
                    }
                }
                (Some(_), None) => {}
                // The document has the version but not the kind: it is new, or the server does not publish it.
                (None, _) => missing.extend(self.probe(run, crd, version).await?),
            }
        }
        Ok(missing)
    }

    async fn probe_all(
        &mut self,
        run: &Run<'_>,
        wanted: &BTreeMap<String, Vec<(&Crd, String)>>,
    ) -> Result<Vec<Unserved>, ServedSchemaError> {
        self.probe_count = 0;
        let mut missing = Vec::new();
        for (crd, version) in wanted.values().flatten() {
            missing.extend(self.probe(run, crd, version).await?);
        }
        Ok(missing)
    }

    async fn probe(&mut self, run: &Run<'_>, crd: &Crd, version: &str) -> Result<Option<Unserved>, ServedSchemaError> {
        self.probe_count += 1;
        let reason = probe::probe_version(run, crd, version).await?;
        Ok(reason.map(|reason| Unserved::of_crd(crd.name(), reason)))
    }

    /// Reads the documents over new connections. A document that differs from the verified one is checked too.
    async fn check_over_new_connections(
        &mut self,
        run: &Run<'_>,
        names: &[String],
        servers: Option<usize>,
    ) -> Result<(usize, Vec<Unserved>), ServedSchemaError> {
        if self.hashes.is_empty() {
            return Ok((0, Vec::new()));
        }
        let times = match servers {
            Some(1) => 1,
            Some(count) => count * CONNECTIONS_PER_SERVER,
            None => ASSUMED_API_SERVERS * CONNECTIONS_PER_SERVER,
        };
        let times = times.min(MAX_CONNECTIONS);
        for _ in 0..times {
            let missing = self.check_documents(run, &run.prepared.session.cluster.reconnect()?, names).await?;
            if !missing.is_empty() {
                return Ok((times, missing));
            }
        }
        Ok((times, Vec::new()))
    }

    fn summary(&self, crds: usize, connections: usize) -> String {
        let served = format!("{crds} of {crds} established and served with the chart's schema");
        let connections_text = match connections {
            0 | 1 => String::new(),
            count => format!(", verified over {count} new connections"),
        };
        let probed = match self.probe_count {
            0 => String::new(),
            some => format!(", {some} versions by strict dry run"),
        };
        format!("{served}{connections_text}{probed}")
    }
}

/// The versions that each document must contain, according to the charts.
fn group_by_document<'a>(run: &Run<'a>, names: &[String]) -> BTreeMap<String, Vec<(&'a Crd, String)>> {
    let mut all: BTreeMap<String, Vec<(&Crd, String)>> = BTreeMap::new();
    for crd in names.iter().filter_map(|name| run.prepared.work.crds().get(name)) {
        for version in crd.versions().filter(|version| version.served) {
            let path = format!("apis/{}/{}", crd.group(), version.name);
            all.entry(path).or_default().push((crd, version.name.to_owned()));
        }
    }
    all
}

/// The second check: before the application relies on the verified CRDs, and at the end of the run.
///
/// # Errors
/// Another manager has reverted or deleted a CRD; the error names the manager.
pub(super) async fn check_crds_stable(run: &Run<'_>, step: &Step) -> Result<(), ServedSchemaError> {
    let Some((since, proved)) = run.verified_crds.snapshot() else { return Ok(()) };
    if !step.action.relies_on_verified_crds() {
        return Ok(());
    }
    tokio::time::sleep(STABLE_PERIOD.saturating_sub(since.elapsed())).await;
    let cluster = &run.prepared.session.cluster;
    let now = crd_reader::list_crds(cluster).await.map_err(|error| error.in_context(&cluster.context))?;
    for (name, then) in &proved {
        match now.iter().find(|crd| crd.name() == name) {
            Some(crd) if then.is_same(crd) => {}
            Some(crd) => {
                let writer = find_writer_since(&then.writers, &list_spec_writers(crd));
                return Err(ServedSchemaError::Changed { name: name.clone(), after: since.elapsed(), writer });
            }
            None => return Err(ServedSchemaError::Deleted { name: name.clone() }),
        }
    }
    Ok(())
}
