//! Fetches and renders the charts of `--chart` and `--crds-chart`, in a temporary folder.

use std::path::{Path, PathBuf};

use crate::ask::Installation;
use crate::ask::expect::{Expectations, ExpectedChart};
use crate::cluster::Cluster;
use crate::model::chart::ChartRef;
use crate::model::chart_version::ChartVersion;
use crate::model::cluster_view::ClusterView;
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::release_role::ReleaseRole;
use crate::problem::Problem;
use crate::tools::chart_fetch::fetch_chart;
use crate::tools::helm::{TemplateArgs, TemplateLookups};
use crate::tools::private_files::{PrivateFileError, create_private_dir, write_private_file};

use crate::cli::validate::operator_tools::build_helm;
use crate::cli::validate::validate_request::ValidateRequest;

/// The expected state of the request, with the rendered charts.
pub(crate) async fn read_expected(
    request: &ValidateRequest,
    installation: &Installation,
    cluster: &Cluster,
    view: &ClusterView,
) -> Result<Expectations, Problem> {
    let mut expect = request.expect.clone();
    if request.charts.iter().all(Option::is_none) {
        return Ok(expect);
    }
    let private = create_private_dir()?;
    let renderer = ChartRenderer { request, installation, cluster, view, private: private.path() };
    let (crds, app) = tokio::join!(
        renderer.render_chart(ReleaseRole::Crds, expect.crds_version.as_ref()),
        renderer.render_chart(ReleaseRole::App, expect.app_version.as_ref())
    );
    (expect.crds_chart, expect.app_chart) = (crds?, app?);
    Ok(expect)
}

struct ChartRenderer<'a> {
    request: &'a ValidateRequest,
    installation: &'a Installation,
    cluster: &'a Cluster,
    view: &'a ClusterView,
    private: &'a Path,
}

impl ChartRenderer<'_> {
    async fn render_chart(
        &self,
        role: ReleaseRole,
        expected: Option<&ChartVersion>,
    ) -> Result<Option<ExpectedChart>, Problem> {
        let [crds_chart, app_chart] = &self.request.charts;
        let (chart, release) = match role {
            ReleaseRole::Crds => (crds_chart, &self.installation.crds_release),
            ReleaseRole::App => (app_chart, &self.installation.app_release),
        };
        let Some(reference) = chart else { return Ok(None) };
        let installed = self.view.newest_revision(release).ok().flatten();
        let installed = installed.and_then(|record| record.chart_version.parse::<ChartVersion>().ok());
        // A local chart carries its own version. For a registry chart, --expect applies, else the installed version.
        let version = expected.cloned().or(installed).filter(|_| reference.needs_version());
        self.render(reference, release, version.as_ref(), role).await.map(Some)
    }

    async fn render(
        &self,
        reference: &ChartRef,
        release: &str,
        version: Option<&ChartVersion>,
        role: ReleaseRole,
    ) -> Result<ExpectedChart, Problem> {
        let helm = build_helm(self.installation, self.request.registry.clone())?;
        let fetched =
            fetch_chart(&helm, reference, version, self.private, self.request.registry.config.as_deref()).await?;
        let values_files = self.write_values_file(release, role)?;
        let api_versions =
            self.cluster.list_api_versions().await.map_err(|error| error.in_context(&self.cluster.context))?;
        let template = TemplateArgs {
            release,
            chart: &fetched.file,
            values_files: &values_files,
            values: &[],
            kube_version: &self.view.cluster.version,
            api_versions: &api_versions,
            include_crds: true,
            is_upgrade: true,
            lookups: TemplateLookups::Nothing,
            extra_args: &["--no-hooks".to_owned()],
        };
        let rendered = helm
            .template(&template)
            .await
            .map_err(|error| error.into_failure(format!("{reference} does not render")))?
            .objects;
        let manifest_documents = rendered.iter().filter(|document| !fetched.chart.is_folder_crd(document));
        let objects = manifest_documents.filter_map(ObjectRef::from_manifest).collect();
        let crds = rendered.into_iter().filter_map(|document| Crd::new(document).ok()).collect();
        let version = fetched.chart.version.clone();
        Ok(ExpectedChart { reference: reference.to_string(), version, digest: fetched.digest, objects, crds })
    }

    /// The values that the release stores, in a private file; those of the given files for the application.
    fn write_values_file(&self, release: &str, role: ReleaseRole) -> Result<Vec<PathBuf>, PrivateFileError> {
        let stored = self.view.current_revision(release).ok().flatten().map(|record| &record.config);
        let given = self.request.expect.values.as_ref().filter(|_| role == ReleaseRole::App);
        let Some(values) = given.or(stored) else { return Ok(Vec::new()) };
        let file = self.private.join(match role {
            ReleaseRole::App => "values.json",
            ReleaseRole::Crds => "crds-values.json",
        });
        write_private_file(&file, values.reveal().to_string()).map_err(PrivateFileError::File)?;
        Ok(vec![file])
    }
}
