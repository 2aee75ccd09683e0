//! The number of requests to the API server, counted by a proxy.

use anyhow::{Result, ensure};
use mural::cluster::USER_AGENT_VALUE;
use mural_tests::charts;
use mural_tests::proxy::{FaultProxy, ProxiedRequest};
use mural_tests::sandbox::User;

use crate::bench_cluster::BenchCluster;
use crate::row::Row;

const CRDS: &str = "/customresourcedefinitions/";

/// Looks at 42 CRDs, applies those that differ and proves them: the CRD chart alone, so that no wait for pods is
/// counted.
pub fn look_and_prove(test_cluster: &BenchCluster, _: usize) -> Result<Vec<Row>> {
    test_cluster.restore_older()?;
    let proxy = FaultProxy::start(&test_cluster.sandbox.kubeconfig(User::Operator), test_cluster.files())?;
    let chart = test_cluster.registry("mural-crds");
    let args = ["--yes", "--plain-http", "--crds-chart", &chart, "--crds", charts::PAIRS[1].0];
    let run = |words: &[&str], code: i32| -> Result<Vec<ProxiedRequest>> {
        proxy.clear();
        let mut command = test_cluster.command("kubectl-mural-upgrade");
        let output = command.args(words).args(&args[1..]).env("KUBECONFIG", proxy.kubeconfig()).output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(code), "{}\n{words}", output.status);
        Ok(proxy.requests())
    };
    let look = run(&["plan"], 2)?;
    let whole = run(&args[..1], 0)?;
    // The proof: what is read between the CRDs' last write and the release's record, which helm writes.
    let by_tools = |request: &&ProxiedRequest| request.agent != USER_AGENT_VALUE && !request.path.contains("dryRun");
    let written =
        |request: &ProxiedRequest| by_tools(&request) && request.method == "PATCH" && request.path.contains(CRDS);
    let after = whole.iter().rposition(written).map_or(&[][..], |last| &whole[last + 1..]);
    let proof = after.iter().position(|request| by_tools(&request)).map_or(after, |record| &after[..record]);
    ensure!(proof.iter().any(|request| request.path.starts_with("/openapi/v3/")), "no schema was looked at");
    Ok(vec![
        row("requests of look and prove, 42 CRDs, dry-runs apart", &[&look[..], proof].concat(), "≤ 40", 40),
        row("requests of the CRDs' whole upgrade, dry-runs apart", &whole, "–", usize::MAX),
    ])
}

fn row(what: &str, seen: &[ProxiedRequest], goal: &'static str, at_most: usize) -> Row {
    let (ours, tools): (Vec<&ProxiedRequest>, Vec<&ProxiedRequest>) =
        seen.iter().partition(|request| request.agent == USER_AGENT_VALUE);
    let asked: Vec<&&ProxiedRequest> = ours.iter().filter(|request| !request.path.contains("dryRun")).collect();
    Row {
        what: what.to_owned(),
        ours: asked.len().to_string(),
        theirs: format!("tools {}", tools.len()),
        figure: format!("dry {}", ours.len() - asked.len()),
        goal,
        reached: asked.len() <= at_most,
    }
}
