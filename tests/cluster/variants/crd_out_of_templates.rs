//! A CRD that moves out of `templates/`: with the guide's commands its objects are deleted, with ours they stay.

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;

use super::case_state;
use super::overlay::{self, Charts};
use crate::small::{self, NAMESPACE};
use crate::test_cluster::TestCluster;

const CASE: &str = "crd-moved-out-of-templates";
pub const KIND: &str = "crates.small.example.com";

pub fn loses_its_objects_by_the_guide_and_keeps_them_with_us(test_cluster: &TestCluster) -> Result<()> {
    let charts = prepared(test_cluster)?;
    by_guide(test_cluster, &charts)?;
    let gone = test_cluster.run(User::Admin, "kubectl", &["get", KIND, "--namespace", NAMESPACE])?;
    ensure!(
        gone.code != 0 && gone.stderr.contains("doesn't have a resource type"),
        "nothing was lost:\n{}",
        gone.all_text()
    );

    let charts = prepared(test_cluster)?;
    let before = case_state::read_live_objects(test_cluster)?;
    let values = small::values(test_cluster)?;
    let args = ["--yes", "--values", &values, "--chart", &charts.app, "--crds-chart", &charts.crds, "--keep-crds"];
    test_cluster.run(User::Operator, "kubectl-mural-upgrade", &args)?.expect_code(0)?;
    case_state::ensure_still_running(&before, &case_state::read_live_objects(test_cluster)?)?;
    let manifest =
        test_cluster.run(User::Admin, "helm", &["get", "manifest", "mural-crds", "--namespace", NAMESPACE])?;
    ensure!(
        !manifest.expect_code(0)?.stdout.contains(KIND),
        "it has not left the release's manifest: the test proves nothing"
    );
    Ok(())
}

/// The older charts as helm has them, with a Crate alive.
pub fn prepared(test_cluster: &TestCluster) -> Result<Charts> {
    test_cluster.install_older()?;
    let charts = overlay::charts(test_cluster, CASE)?;
    case_state::prepare(test_cluster, CASE, &charts)?;
    ensure!(
        case_state::read_live_objects(test_cluster)?.keys().any(|name| name.starts_with("Crate ")),
        "no Crate to lose"
    );
    Ok(charts)
}

/// Apply the CRDs, then let helm know of them, as the guide does for charts with templates among their CRDs.
fn by_guide(test_cluster: &TestCluster, charts: &Charts) -> Result<()> {
    let template = ["template", "mural-crds", &charts.crds, "--include-crds"];
    let rendered = test_cluster.run(User::Admin, "helm", &template)?.expect_code(0)?.stdout;
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &apply, &rendered, &[])?.expect_code(0)?;
    let upgrade = ["upgrade", "--install", "mural-crds", &charts.crds, "--namespace", NAMESPACE, "--skip-crds"];
    test_cluster.run(User::Admin, "helm", &upgrade)?.expect_code(0).context("helm itself sees nothing wrong")?;
    let wait = ["wait", "--for=delete", &format!("crd/{KIND}"), "--timeout=30s"];
    test_cluster.run(User::Admin, "kubectl", &wait)?.expect_code(0)?;
    Ok(())
}
