//! `kubectl mural validate` beside the page's own commands, one after another; and how many questions it asks.

use anyhow::{Result, ensure};
use mural::cluster::AGENT;
use mural_tests::install::NAMESPACE;
use mural_tests::proxy::{FaultProxy, Seen};
use mural_tests::sandbox::User;

use crate::ground::Ground;
use crate::row::{Pairs, Row, timed};

/// What the page says to look at, where Helm keeps the releases.
const PAGE: [(&str, &[&str]); 4] = [
    ("helm", &["status", "mural-crds", "--namespace", NAMESPACE]),
    ("helm", &["status", "mural", "--namespace", NAMESPACE]),
    ("kubectl", &["get", "pods", "--namespace", NAMESPACE]),
    ("kubectl", &["get", "crds"]),
];

/// What the page says to look at, where Flux keeps the releases.
const FLUX_PAGE: [(&str, &[&str]); 3] = [
    ("kubectl", &["get", "ocirepository", "--namespace", NAMESPACE]),
    ("kubectl", &["get", "helmrelease", "--namespace", NAMESPACE]),
    ("kubectl", &["get", "pods", "--namespace", NAMESPACE]),
];

/// The same for an installation that Flux owns, which is there already.
pub fn beside_the_flux_page(ground: &Ground, runs: usize) -> Result<Row> {
    Ok(pairs(ground, runs, &FLUX_PAGE)?.row("validate on Flux, all checks, beside the page's commands", "≤ 1.0", 1.0))
}

fn pairs(ground: &Ground, runs: usize, page: &[(&str, &[&str])]) -> Result<Pairs> {
    let ours = || timed(|| ground.run("kubectl-mural-validate", &[]).map(drop));
    let theirs = || timed(|| page.iter().try_for_each(|(program, args)| ground.run(program, args).map(drop)));
    Pairs::of(runs, ours, theirs)
}

/// All that the page's commands show, and every other check.
pub fn beside_the_page(ground: &Ground, runs: usize) -> Result<Vec<Row>> {
    ground.older()?;
    let pairs = pairs(ground, runs, &PAGE)?;
    let few = requests(ground)?;
    // Sixty pods more: the pages of a list grow, and nothing else.
    ground.run("kubectl", &["create", "deployment", "many", "--image=x", "--replicas=60", "--namespace", NAMESPACE])?;
    ground.run("kubectl", &["rollout", "status", "deployment/many", "--namespace", NAMESPACE, "--timeout=120s"])?;
    let many = requests(ground)?;
    let row = |what: &str, requests: usize, theirs: String, reached: bool| Row {
        what: what.to_owned(),
        ours: requests.to_string(),
        theirs,
        figure: "–".to_owned(),
        goal: "constant",
        reached,
    };
    Ok(vec![
        pairs.row("validate, all 53 checks, beside the page's commands", "≤ 0.6", 0.6),
        row("requests of validate, 42 CRDs", few, "10 pods".to_owned(), true),
        row("requests of validate, sixty pods more", many, "70 pods".to_owned(), many <= few + 1),
    ])
}

fn requests(ground: &Ground) -> Result<usize> {
    let proxy = FaultProxy::start(&ground.sandbox.kubeconfig(User::Operator), ground.files())?;
    let output = ground.command("kubectl-mural-validate").env("KUBECONFIG", proxy.kubeconfig()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let ours: Vec<Seen> = proxy.requests().into_iter().filter(|seen| seen.agent == AGENT).collect();
    Ok(ours.len())
}
