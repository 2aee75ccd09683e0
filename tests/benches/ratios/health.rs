//! `kubectl mural validate` and the commands of the vendor's guide, one after another; and the number of requests.

use anyhow::{Result, ensure};
use mural::cluster::USER_AGENT_VALUE;
use mural_tests::install::NAMESPACE;
use mural_tests::proxy::{FaultProxy, ProxiedRequest};
use mural_tests::sandbox::User;

use crate::bench_cluster::BenchCluster;
use crate::row::{Pairs, Row, measure_duration};

/// The commands of the vendor's guide for a Helm installation.
const PAGE: [(&str, &[&str]); 4] = [
    ("helm", &["status", "mural-crds", "--namespace", NAMESPACE]),
    ("helm", &["status", "mural", "--namespace", NAMESPACE]),
    ("kubectl", &["get", "pods", "--namespace", NAMESPACE]),
    ("kubectl", &["get", "crds"]),
];

/// The commands of the vendor's guide for a Flux installation.
const FLUX_PAGE: [(&str, &[&str]); 3] = [
    ("kubectl", &["get", "ocirepository", "--namespace", NAMESPACE]),
    ("kubectl", &["get", "helmrelease", "--namespace", NAMESPACE]),
    ("kubectl", &["get", "pods", "--namespace", NAMESPACE]),
];

/// The same for an installation that Flux owns, which is there already.
pub fn compare_with_flux_guide(test_cluster: &BenchCluster, runs: usize) -> Result<Row> {
    Ok(pairs(test_cluster, runs, &FLUX_PAGE)?.row("validate on Flux, all checks, ÷ the guide's commands", "≤ 1.0", 1.0))
}

fn pairs(test_cluster: &BenchCluster, runs: usize, guide: &[(&str, &[&str])]) -> Result<Pairs> {
    let ours = || measure_duration(|| test_cluster.run("kubectl-mural-validate", &[]).map(drop));
    let theirs =
        || measure_duration(|| guide.iter().try_for_each(|(program, args)| test_cluster.run(program, args).map(drop)));
    Pairs::measure(runs, ours, theirs)
}

/// All that the guide's commands show, and every other check.
pub fn compare_with_guide(test_cluster: &BenchCluster, runs: usize) -> Result<Vec<Row>> {
    test_cluster.restore_older()?;
    let pairs = pairs(test_cluster, runs, &PAGE)?;
    let few = requests(test_cluster)?;
    // Sixty pods more: the pages of a list grow, and nothing else.
    test_cluster
        .run("kubectl", &["create", "deployment", "many", "--image=x", "--replicas=60", "--namespace", NAMESPACE])?;
    test_cluster
        .run("kubectl", &["rollout", "status", "deployment/many", "--namespace", NAMESPACE, "--timeout=120s"])?;
    let many = requests(test_cluster)?;
    let row = |what: &str, requests: usize, theirs: String, reached: bool| Row {
        what: what.to_owned(),
        ours: requests.to_string(),
        theirs,
        figure: "–".to_owned(),
        goal: "constant",
        reached,
    };
    Ok(vec![
        pairs.row("validate, all 53 checks, ÷ the guide's commands", "≤ 0.6", 0.6),
        row("requests of validate, 42 CRDs", few, "10 pods".to_owned(), true),
        row("requests of validate, sixty pods more", many, "70 pods".to_owned(), many <= few + 1),
    ])
}

fn requests(test_cluster: &BenchCluster) -> Result<usize> {
    let proxy = FaultProxy::start(&test_cluster.sandbox.kubeconfig(User::Operator), test_cluster.files())?;
    let output = test_cluster.command("kubectl-mural-validate").env("KUBECONFIG", proxy.kubeconfig()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let ours: Vec<ProxiedRequest> =
        proxy.requests().into_iter().filter(|seen| seen.agent == USER_AGENT_VALUE).collect();
    Ok(ours.len())
}
