//! The charts that the installation is held against: fetched, rendered, and dropped again.

use std::path::{Path, PathBuf};

use mural::ask::Installation;
use mural::ask::expect::{Expect, ExpectedChart};
use mural::cluster::Cluster;
use mural::model::chart::ChartRef;
use mural::model::crd::Crd;
use mural::model::object::ObjectRef;
use mural::model::view::ClusterView;
use mural::problem::Problem;
use mural::tools::chart::fetch;
use mural::tools::helm::Template;
use semver::Version;

use crate::job::Job;
use crate::look::helm;

/// What is expected, with the charts that were named.
pub(crate) async fn expected(
    job: &Job,
    installation: &Installation,
    cluster: &Cluster,
    view: &ClusterView,
) -> Result<Expect, Problem> {
    let mut expect = job.expect.clone();
    if job.charts.iter().all(Option::is_none) {
        return Ok(expect);
    }
    let failed = |error| Problem::failed("cannot make a private folder").because(error);
    let private = tempfile::tempdir().map_err(failed)?;
    let work = Work { job, installation, cluster, view, private: private.path() };
    let (crds, app) =
        tokio::join!(work.chart(0, expect.crds_version.as_ref()), work.chart(1, expect.app_version.as_ref()));
    (expect.crds_chart, expect.app_chart) = (crds?, app?);
    Ok(expect)
}

struct Work<'a> {
    job: &'a Job,
    installation: &'a Installation,
    cluster: &'a Cluster,
    view: &'a ClusterView,
    private: &'a Path,
}

impl Work<'_> {
    async fn chart(&self, which: usize, expected: Option<&Version>) -> Result<Option<ExpectedChart>, Problem> {
        let Some(reference) = &self.job.charts[which] else { return Ok(None) };
        let installation = self.installation;
        let release = [&installation.crds_release, &installation.app_release][which];
        let installed = self.view.newest(release).ok().flatten();
        let installed = installed.and_then(|record| Version::parse(record.chart_version.trim_start_matches('v')).ok());
        // A local chart carries its own version; from a registry the one that runs is meant, unless another is expected.
        let version = expected.cloned().or(installed).filter(|_| reference.needs_version());
        self.rendered(reference, release, version.as_ref(), which == 1).await.map(Some)
    }

    async fn rendered(
        &self,
        reference: &ChartRef,
        release: &str,
        version: Option<&Version>,
        is_app: bool,
    ) -> Result<ExpectedChart, Problem> {
        let helm = helm(self.installation, self.job.registry.clone())?;
        let fetched = fetch(&helm, reference, version, self.private, self.job.registry.config.as_deref()).await?;
        let values_files = if is_app { self.values(release)? } else { Vec::new() };
        let api_versions = self.cluster.api_versions().await.map_err(|error| error.problem(&self.cluster.context))?;
        let template = Template {
            release,
            chart: &fetched.file,
            values_files: &values_files,
            values: &[],
            kube_version: &self.view.hub.version,
            api_versions: &api_versions,
            include_crds: true,
            is_upgrade: true,
            passed: &["--no-hooks".to_owned()],
        };
        let rendered =
            helm.template(&template).await.map_err(|error| error.problem(format!("{reference} does not render")))?;
        let kept = rendered.iter().filter(|document| !fetched.chart.keeps_beside(document));
        let objects = kept.filter_map(ObjectRef::of).collect();
        let crds = rendered.into_iter().filter_map(|document| Crd::new(document).ok()).collect();
        let version = fetched.chart.version.clone();
        Ok(ExpectedChart { reference: reference.to_string(), version, digest: fetched.digest, objects, crds })
    }

    /// The values that run, or those of the files where some are named, in a private file.
    fn values(&self, release: &str) -> Result<Vec<PathBuf>, Problem> {
        let stored = self.view.newest(release).ok().flatten().map(|record| &record.config);
        let Some(values) = self.job.expect.values.as_ref().or(stored) else { return Ok(Vec::new()) };
        let file = self.private.join("values.json");
        let failed = |error| Problem::failed("cannot write a private file").because(error);
        std::fs::write(&file, values.reveal().to_string()).map_err(failed)?;
        Ok(vec![file])
    }
}
