//! The CRD that moves out of `templates/`: by the page's commands its objects are lost, with ours they live.

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;

use super::overlay::{self, Charts};
use super::world;
use crate::ground::Ground;
use crate::small::{self, NAMESPACE};

const CASE: &str = "crd-moved-out-of-templates";
pub const KIND: &str = "crates.small.example.com";

pub fn loses_its_objects_by_the_page_and_keeps_them_with_ours(ground: &Ground) -> Result<()> {
    let charts = prepared(ground)?;
    by_the_page(ground, &charts)?;
    let gone = ground.run(User::Admin, "kubectl", &["get", KIND, "--namespace", NAMESPACE])?;
    ensure!(
        gone.code != 0 && gone.stderr.contains("doesn't have a resource type"),
        "nothing was lost:\n{}",
        gone.all()
    );

    let charts = prepared(ground)?;
    let before = world::living(ground)?;
    let values = small::values(ground)?;
    let args = ["--yes", "--values", &values, "--chart", &charts.app, "--crds-chart", &charts.crds, "--keep-crds"];
    ground.run(User::Operator, "kubectl-mural-upgrade", &args)?.with(0)?;
    world::still_runs(&before, &world::living(ground)?)?;
    let manifest = ground.run(User::Admin, "helm", &["get", "manifest", "mural-crds", "--namespace", NAMESPACE])?;
    ensure!(!manifest.with(0)?.stdout.contains(KIND), "it has not left the release's manifest: nothing was proved");
    Ok(())
}

/// The older charts as helm has them, with a Crate alive.
pub fn prepared(ground: &Ground) -> Result<Charts> {
    ground.older()?;
    let charts = overlay::charts(ground, CASE)?;
    world::prepare(ground, CASE, &charts)?;
    ensure!(world::living(ground)?.keys().any(|name| name.starts_with("Crate ")), "no Crate to lose");
    Ok(charts)
}

/// Apply the CRDs, then let helm know of them, as the page does for charts with templates among their CRDs.
fn by_the_page(ground: &Ground, charts: &Charts) -> Result<()> {
    let template = ["template", "mural-crds", &charts.crds, "--include-crds"];
    let rendered = ground.run(User::Admin, "helm", &template)?.with(0)?.stdout;
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    ground.run_with(User::Admin, "kubectl", &apply, &rendered, &[])?.with(0)?;
    let upgrade = ["upgrade", "--install", "mural-crds", &charts.crds, "--namespace", NAMESPACE, "--skip-crds"];
    ground.run(User::Admin, "helm", &upgrade)?.with(0).context("helm itself sees nothing wrong")?;
    let wait = ["wait", "--for=delete", &format!("crd/{KIND}"), "--timeout=30s"];
    ground.run(User::Admin, "kubectl", &wait)?.with(0)?;
    Ok(())
}
