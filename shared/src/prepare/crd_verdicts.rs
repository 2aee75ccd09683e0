//! Judges what a change of CRDs does to the objects of their kinds, which it reads page by page. An upgrade and
//! `helm mural crds check` use the same judge.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use jiff::Zoned;

use super::manifest_files::{Manifest, ManifestFiles};
use crate::ask::UpgradeSpec;
use crate::checks::crd_changes::object_evidence::{Evidence, EvidenceCollector, ObjectOrigin, ObjectSource};
use crate::checks::crd_changes::waivers::{self, WaiverNote};
use crate::checks::crd_changes::{CrdVerdict, ServerAnswer, judge_crd};
use crate::cluster::{Cluster, object_judge, stored_fields};
use crate::model::admission_policies::ServiceRef;
use crate::model::cluster_view::{ClusterView, Observed};
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::object::ObjectRef;
use crate::plan::crd_migration::plan_migration;
use crate::schema::ServerVersion;

/// Kinds that are read concurrently.
const MAX_CONCURRENT_KINDS: usize = 8;

/// One CRD before and after a change, with the API server's answer to it.
#[derive(Debug, Clone, Copy)]
pub struct CrdChange<'a> {
    /// The CRD before; none for a new one.
    pub old: Option<&'a Crd>,
    /// The CRD after the change; none if it leaves its chart.
    pub new: Option<&'a Crd>,
    /// The API server's answer for the new CRD.
    pub server_answer: ServerAnswer<'a>,
}

/// Judges changes of CRDs by the objects that it can read.
pub struct CrdJudge<'a> {
    /// The version of the API server.
    pub server: ServerVersion,
    /// The cluster with the live objects; none if only files are compared.
    pub cluster: Option<&'a Cluster>,
    /// Objects from files; none if the operator passed no files.
    pub files: Option<&'a ManifestFiles>,
    /// The number of ready endpoints of each conversion webhook's Service; a Service that is missing here is not judged.
    pub conversion_backends: &'a BTreeMap<ServiceRef, Observed<usize>>,
}

impl CrdJudge<'_> {
    /// A verdict for each change, in the order of the changes.
    pub async fn judge_all(&self, changes: Vec<CrdChange<'_>>) -> Vec<CrdVerdict> {
        stream::iter(changes).map(|change| self.judge(change)).buffered(MAX_CONCURRENT_KINDS).collect().await
    }

    async fn judge(&self, change: CrdChange<'_>) -> CrdVerdict {
        let CrdChange { old, new, server_answer } = change;
        let mut evidence = match (old, new) {
            (Some(old), Some(new)) => self.collect_evidence(old, new).await,
            (None, _) | (_, None) => Evidence::default(),
        };
        evidence.webhook_failure = new.and_then(|new| self.explain_silent_webhook(new));
        judge_crd(old, new, evidence, self.server, server_answer)
    }

    /// The objects from files, then the live ones if the change could break them.
    async fn collect_evidence(&self, old: &Crd, new: &Crd) -> Evidence {
        let source = match (self.cluster, self.files) {
            (Some(_), _) => ObjectSource::Live,
            (None, Some(_)) => ObjectSource::Files,
            (None, None) => return Evidence::default(),
        };
        let mut collector = EvidenceCollector::new(old, new, self.server, source);
        let manifests = self.files.into_iter().flat_map(|files| &files.manifests);
        for manifest in manifests.filter(|manifest| is_object_of(manifest, new)) {
            let (file, line) = (manifest.file.display().to_string(), manifest.line);
            collector.add_object(&manifest.document, &ObjectOrigin::File { file, line });
        }
        let unreadable = self.files.and_then(|files| files.unreadable.first());
        if let Some(error) = unreadable.filter(|_| object_judge::can_affect_objects(old, new)) {
            collector.mark_undetermined(error.to_string());
        }
        match self.cluster {
            Some(cluster) => object_judge::judge_objects(cluster, old, new, collector).await.finish(),
            None => collector.finish(),
        }
    }

    /// Why the CRD's conversion webhook would not answer; none if it would, or if it was not checked.
    fn explain_silent_webhook(&self, crd: &Crd) -> Option<String> {
        let service = ServiceRef::from_conversion(crd)?;
        match self.conversion_backends.get(&service)? {
            Ok(0) => Some(format!("{service} converts its objects and has no ready endpoint")),
            Ok(_) => None,
            Err(read_failure) => {
                Some(format!("the endpoints of {service}, which converts its objects, cannot be read: {read_failure}"))
            }
        }
    }
}

/// Whether an object is of the CRD's kind and has a name or a `generateName`.
fn is_object_of(manifest: &Manifest, crd: &Crd) -> bool {
    ObjectRef::from_unnamed_manifest(&manifest.document)
        .is_some_and(|object| object.group() == crd.group() && object.kind == crd.kind())
}

/// A verdict for every CRD on the cluster that the server accepts. Waivers are applied, and problems of waivers are reported.
pub(crate) async fn judge_crd_changes(
    cluster: &Cluster,
    ask: &UpgradeSpec,
    view: &ClusterView,
    forecasts: &BTreeMap<String, CrdDryRunResult>,
) -> (BTreeMap<String, CrdVerdict>, Vec<WaiverNote>) {
    let Ok(live) = &view.crds else { return Default::default() };
    let server = view.cluster.version.parse().unwrap_or(ServerVersion::NEWEST);
    let changes = forecasts.iter().filter_map(|(name, answer)| {
        let (new, server_answer) = match answer {
            CrdDryRunResult::Accepted(crd) => (crd, ServerAnswer::Accepted),
            CrdDryRunResult::NotAsked(crd) => (crd, ServerAnswer::NotAsked),
            CrdDryRunResult::Rejected(_) | CrdDryRunResult::NoAnswer(_) => return None,
        };
        Some(CrdChange { old: Some(live.get(name)?), new: Some(new), server_answer })
    });
    // Conversion webhooks have a guard of their own.
    let judge = CrdJudge { server, cluster: Some(cluster), files: None, conversion_backends: &BTreeMap::new() };
    let mut all = judge.judge_all(changes.collect()).await;
    for verdict in &mut all {
        let planned = forecasts.get(&verdict.name).and_then(CrdDryRunResult::planned_crd);
        let Some((now, next)) = live.get(&verdict.name).zip(planned) else { continue };
        let migration = plan_migration(now, next).ok().flatten().filter(|_| ask.allowed_actions.migrate);
        let Some(migration) = migration else { continue };
        // The migration ends in the storage version of the transitional CRD, which the chart has, or in that of the cluster's CRD.
        let target = if migration.needs_transitional_crd { next } else { now };
        let losses = stored_fields::judge_outdated_objects(cluster, now, target, server).await;
        verdict.evidence.absorb_losses(&losses);
    }
    let notes = waivers::apply(&ask.waivers, &mut all, Zoned::now().date());
    (all.into_iter().map(|verdict| (verdict.name.clone(), verdict)).collect(), notes)
}
