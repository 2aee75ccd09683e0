//! Which permissions the upgrade needs, from what the plan will write, and which of them are granted.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ask::{BackupMode, UpgradeSpec};
use crate::cluster::{Cluster, application_objects, object_judge, permission_reader};
use crate::diff;
use crate::model::access_review::{AccessReview, RequiredPermissions};
use crate::model::admission_policies::AdmissionPolicies;
use crate::model::application::ApplicationState;
use crate::model::cluster_view::ClusterView;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::flux::{FluxObject, FluxRef};
use crate::model::served_kinds::ServedKinds;
use crate::plan::adoption::AdoptionForecast;
use crate::plan::crd_migration;
use crate::plan::required_permissions::{CrdWrites, HelmWait, PermissionScope, ReleaseWrites, collect_permissions};
use crate::prepare::forecast_app::choose_apply_method;
use crate::prepare::rendered_charts::{RenderedChart, RenderedCharts};

/// The forecast, as far as it decides which requests the run sends.
pub(crate) struct ForecastWrites<'a> {
    pub(crate) ask: &'a UpgradeSpec,
    pub(crate) view: &'a ClusterView,
    pub(crate) rendered: &'a RenderedCharts,
    pub(crate) crd_answers: &'a BTreeMap<String, CrdDryRunResult>,
    pub(crate) application: Option<&'a ApplicationState>,
    pub(crate) policies: &'a AdmissionPolicies,
    pub(crate) adoption: &'a AdoptionForecast,
    pub(crate) helm_major: u64,
    pub(crate) backup: BackupMode,
}

impl ForecastWrites<'_> {
    /// Which permissions of the run are granted.
    pub(crate) async fn read_grants(&self, cluster: &Cluster) -> AccessReview {
        let kinds = match self.application {
            Some(application) => application.kinds.clone().ok(),
            None => application_objects::read_served_kinds(cluster).await.ok(),
        };
        let crds_manifests = self.crds_chart_manifests();
        let app_manifest = self.rendered.app.as_ref().map(RenderedChart::manifest_objects);
        let releases = self.list_releases(crds_manifests.as_ref(), app_manifest.as_deref());
        permission_reader::review_permissions(cluster, self.collect_permissions(releases, kinds.as_ref())).await
    }

    fn collect_permissions(
        &self,
        releases: Vec<ReleaseWrites<'_>>,
        kinds: Option<&ServedKinds>,
    ) -> RequiredPermissions {
        let migrations = crd_migration::plan_migrations(
            self.view.crds.as_ref().unwrap_or(&BTreeMap::new()),
            &self.rendered.desired_crds,
            self.ask.allowed_actions.migrate,
        );
        let desired = &self.rendered.desired_crds;
        let migrated: Vec<&Crd> = migrations.iter().filter_map(|migration| desired.get(&migration.name)).collect();
        collect_permissions(&PermissionScope {
            namespace: &self.ask.installation.namespace,
            crd_writes: self.crd_writes(),
            releases,
            inspected_crds: &self.list_inspected_crds(),
            migrated_crds: &migrated,
            kinds,
            chart_crds: &desired.values().collect::<Vec<_>>(),
            patched_objects: &self.list_patched_flux_objects(),
            webhook_namespaces: self
                .policies
                .ready_endpoints
                .keys()
                .map(|service| service.namespace.as_str())
                .collect(),
        })
    }

    /// From the charts, not from the answers: without the permission, every answer is a rejection.
    fn crd_writes(&self) -> CrdWrites {
        let live = |name: &str| self.view.crds.as_ref().ok().and_then(|live| live.get(name));
        let write = |(name, desired): (&String, &Crd)| {
            let planned = self.crd_answers.get(name).and_then(CrdDryRunResult::planned_crd);
            match live(name) {
                None => CrdWrites::CreateAndUpdate,
                Some(now) if diff::is_same_crd(now.json(), planned.unwrap_or(desired).json()) => CrdWrites::DryRunOnly,
                Some(_) => CrdWrites::Update,
            }
        };
        let adopts = self.adoption.adoptions.iter().any(|adoption| !adoption.objects.is_empty());
        let adopted = adopts.then_some(CrdWrites::Update);
        self.rendered.desired_crds.iter().map(write).chain(adopted).max().unwrap_or(CrdWrites::None)
    }

    /// The CRDs whose objects are read, because their change could break one.
    fn list_inspected_crds(&self) -> Vec<&Crd> {
        let is_inspected = match self.backup {
            BackupMode::Enabled => object_judge::can_affect_objects_either_way,
            BackupMode::Declined | BackupMode::Unsupported => object_judge::can_affect_objects,
        };
        let live = |name: &str| self.view.crds.as_ref().ok().and_then(|live| live.get(name));
        let planned = self.crd_answers.values().filter_map(CrdDryRunResult::planned_crd);
        planned.filter(|next| live(next.name()).is_some_and(|now| is_inspected(now, next))).collect()
    }

    fn crds_chart_manifests(&self) -> Option<(Vec<Value>, Vec<Value>)> {
        let chart = self.rendered.crds.as_ref()?;
        let record = self.view.current_revision(&self.ask.installation.crds_release).ok().flatten();
        let old = record.and_then(|record| record.manifest_objects().ok()).unwrap_or_default();
        Some((old, chart.manifest_objects()))
    }

    fn list_releases<'b>(
        &'b self,
        crds_manifests: Option<&'b (Vec<Value>, Vec<Value>)>,
        app_manifest: Option<&'b [Value]>,
    ) -> Vec<ReleaseWrites<'b>> {
        let crds_record = self.view.current_revision(&self.ask.installation.crds_release).ok().flatten();
        let crds_method = choose_apply_method(self.ask.helm_options.server_side, crds_record, self.helm_major);
        let crds = crds_manifests.map(|(old, new)| ReleaseWrites {
            old,
            new,
            live: None,
            method: crds_method,
            wait: HelmWait::None,
        });
        let app = self.application.zip(app_manifest).map(|(application, new)| ReleaseWrites {
            old: application.stored_objects.reveal(),
            new,
            live: Some(&application.live_objects),
            method: application.apply_method,
            wait: HelmWait::of_version(self.helm_major),
        });
        crds.into_iter().chain(app).collect()
    }

    /// The Flux objects that the run patches; none if helm writes.
    fn list_patched_flux_objects(&self) -> Vec<FluxRef> {
        let installation = &self.ask.installation;
        let charts =
            [(&self.rendered.crds, &installation.crds_release), (&self.rendered.app, &installation.app_release)];
        let moving = charts.into_iter().filter(|(chart, _)| chart.is_some());
        let makers =
            moving.filter_map(|(_, release)| self.view.flux.sole_helm_release(release, &installation.namespace));
        makers
            .flat_map(|maker| [Some(maker.object_ref()), maker.chart_origin().map(|from| from.artifact_ref())])
            .flatten()
            .collect()
    }
}
