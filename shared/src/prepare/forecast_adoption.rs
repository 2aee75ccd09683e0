//! Finds out what helm must own before it writes the releases, and which fields it may not write. Dry-runs and reads only.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ask::UpgradeSpec;
use crate::cluster::field_conflicts::ConflictFinder;
use crate::cluster::{Cluster, application_objects};
use crate::model::application::{ApplyMethod, LiveObjects};
use crate::model::cluster_view::{ClusterView, Observed, ReadFailure};
use crate::model::crd::{CRD_KIND, Crd, crd_path};
use crate::model::dry_run::CrdDryRunResult;
use crate::model::manifest::set_release_owner;
use crate::model::object::ObjectRef;
use crate::model::owner::Owner;
use crate::model::release_role::ReleaseRole;
use crate::model::served_kinds::ServedKinds;
use crate::plan::CrdMigration;
use crate::plan::adoption::{AdoptionFacts, AdoptionForecast, FieldConflict, plan_adoption, select_candidates};
use crate::plan::crd_migration::{plan_migrations, with_dropped_versions};
use crate::prepare::forecast_app::choose_apply_method;
use crate::prepare::rendered_charts::RenderedCharts;

/// The forecast for each release that helm writes. helm-controller takes ownership and forces conflicts by itself.
pub(crate) async fn forecast_adoption(
    cluster: &Cluster,
    ask: &UpgradeSpec,
    view: &ClusterView,
    rendered: &RenderedCharts,
    answers: &BTreeMap<String, CrdDryRunResult>,
    helm_major: u64,
) -> AdoptionForecast {
    let mut forecast = AdoptionForecast::default();
    let no_crds = BTreeMap::new();
    let live_crds = view.crds.as_ref().unwrap_or(&no_crds);
    let migrations = plan_migrations(live_crds, &rendered.desired_crds, ask.allowed_actions.migrate);
    for (role, chart) in [(ReleaseRole::Crds, &rendered.crds), (ReleaseRole::App, &rendered.app)] {
        let release = ask.installation.release(role);
        let Some(chart) = chart else { continue };
        if !view.owners.get(release).is_none_or(Owner::is_helm_or_absent) {
            continue;
        }
        let Ok(record) = view.current_revision(release) else { continue };
        let scope = ReleaseScope { cluster, view, role, release, namespace: &ask.installation.namespace };
        let apply_method = choose_apply_method(ask.helm_options.server_side, record, helm_major);
        // An unreadable manifest ends the plan elsewhere.
        let stored = record.and_then(|record| record.manifest_objects().ok()).unwrap_or_default();
        let next = chart.manifest_objects();
        let live = scope.read_live_objects(&next).await;
        let facts = AdoptionFacts {
            role,
            release,
            namespace: scope.namespace,
            apply_method,
            stored: &stored,
            next: &next,
            answers,
            migrations: &migrations,
        };
        forecast.adoptions.push(plan_adoption(&facts, |object| live.get(&scope, object)));
        let forces = ask.helm_options.force_conflicts || !ask.server_dry_runs;
        if apply_method == ApplyMethod::ServerSide && !forces {
            let found = scope.find_conflicts(&next, &live, &migrations).await;
            forecast.conflicts = match (forecast.conflicts, found) {
                (Ok(all), Ok(found)) => Ok([all, found].concat()),
                (Err(failure), _) | (_, Err(failure)) => Err(failure),
            };
        }
    }
    forecast
}

/// One release of the installation.
#[derive(Clone, Copy)]
struct ReleaseScope<'a> {
    cluster: &'a Cluster,
    view: &'a ClusterView,
    role: ReleaseRole,
    release: &'a str,
    namespace: &'a str,
}

/// The live objects of a release, CRDs excluded: the view has them.
#[derive(Default)]
struct LiveRelease {
    kinds: ServedKinds,
    objects: LiveObjects,
}

impl LiveRelease {
    fn get<'a>(&'a self, scope: &ReleaseScope<'a>, object: &ObjectRef) -> Option<&'a Value> {
        if object.kind == CRD_KIND {
            return scope.view.crds.as_ref().ok()?.get(&object.name).map(Crd::json);
        }
        self.objects.get(object, scope.namespace).ok().flatten()
    }

    fn path(&self, scope: &ReleaseScope<'_>, object: &ObjectRef) -> Option<String> {
        if object.kind == CRD_KIND {
            return Some(crd_path(&object.name));
        }
        Some(format!("{}/{}", self.kinds.collection_path(object, scope.namespace)?, object.name))
    }
}

impl ReleaseScope<'_> {
    async fn read_live_objects(&self, next: &[Value]) -> LiveRelease {
        let wanted: Vec<ObjectRef> = select_candidates(self.role, self.namespace, next)
            .into_iter()
            .map(|(object, _)| object)
            .filter(|object| object.kind != CRD_KIND)
            .collect();
        if wanted.is_empty() {
            return LiveRelease::default();
        }
        let kinds = match application_objects::read_served_kinds(self.cluster).await {
            Ok(kinds) => kinds,
            Err(failure) => {
                let mut live = LiveRelease::default();
                wanted.iter().for_each(|object| live.objects.insert_failure(object, failure.clone()));
                return live;
            }
        };
        let (cluster, view, namespace) = (self.cluster, self.view, self.namespace);
        let objects = application_objects::read_live_objects(cluster, view, &kinds, namespace, &wanted).await;
        LiveRelease { kinds, objects }
    }

    async fn find_conflicts(
        &self,
        next: &[Value],
        live: &LiveRelease,
        migrations: &[CrdMigration],
    ) -> Observed<Vec<FieldConflict>> {
        if let Some(failure) = live.objects.read_failures().next() {
            return Err(failure.clone());
        }
        let (mut found, finder) = (Vec::new(), ConflictFinder::new(self.cluster));
        for (object, document) in select_candidates(self.role, self.namespace, next) {
            let (Some(now), Some(path)) = (live.get(self, &object), live.path(self, &object)) else { continue };
            let mut document = keep_dropped_versions(now, document, migrations);
            set_release_owner(&mut document, self.release, self.namespace);
            let fields = finder.find_conflicting_owners(&path, now, &document).await;
            let fields = fields.map_err(|reason| ReadFailure { target: format!("a dry-run of {object}"), reason })?;
            if !fields.is_empty() {
                found.push(FieldConflict { release: self.release.to_owned(), object, fields });
            }
        }
        Ok(found)
    }
}

/// What the server can be asked about a CRD before its objects are migrated: the chart's CRD with the versions that it drops.
fn keep_dropped_versions(live: &Value, document: &Value, migrations: &[CrdMigration]) -> Value {
    let widened = || {
        let (live, wanted) = (Crd::new(live.clone()).ok()?, Crd::new(document.clone()).ok()?);
        let migration = migrations.iter().find(|migration| migration.name == live.name())?;
        Some(with_dropped_versions(&live, &wanted, migration))
    };
    widened().unwrap_or_else(|| document.clone())
}
