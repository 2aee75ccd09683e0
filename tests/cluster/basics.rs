//! The sandbox itself: the control plane answers, the audit log separates writes from dry-runs, and all clients reach
//! the same cluster.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use mural::ask::{ClusterAccess, RegistryAccess};
use mural::cluster::Cluster;
use mural::tools::helm::Helm;
use mural::tools::kubectl::Kubectl;
use mural_tests::audit::{dry_runs_by, writes_by};
use mural_tests::sandbox::User;

use crate::Test;
use crate::test_cluster::TestCluster;

pub const TESTS: &[Test] = &[
    ("basics::the_sandbox_answers", the_sandbox_answers),
    ("basics::the_audit_log_tells_writes_from_dry_runs", the_audit_log_tells_writes_from_dry_runs),
    ("basics::the_viewer_cannot_write", the_viewer_cannot_write),
    ("basics::three_clients_see_one_cluster", three_clients_see_one_cluster),
];

fn the_sandbox_answers(test_cluster: &TestCluster) -> Result<()> {
    let nodes = test_cluster.get(&["nodes"])?;
    ensure!(nodes["items"].as_array().is_some_and(|nodes| !nodes.is_empty()), "no nodes");
    let helm =
        test_cluster.run(User::Operator, "helm", &["list", "--all-namespaces", "--output", "json"])?.expect_code(0)?;
    ensure!(helm.stdout.trim() == "[]", "something is installed: {}", helm.stdout);
    Ok(())
}

fn the_audit_log_tells_writes_from_dry_runs(test_cluster: &TestCluster) -> Result<()> {
    let mark = test_cluster.mark()?;
    let create = ["create", "configmap", "noted", "--namespace", "default"];
    test_cluster.run(User::Operator, "kubectl", &[&create[..], &["--dry-run=server"]].concat())?.expect_code(0)?;
    test_cluster.run(User::Operator, "kubectl", &["auth", "can-i", "create", "pods"])?.expect_code(0)?;
    test_cluster.ensure_nothing_written(mark)?;
    test_cluster.run(User::Operator, "kubectl", &create)?.expect_code(0)?;
    test_cluster
        .run(User::Operator, "kubectl", &["delete", "configmap", "noted", "--namespace", "default"])?
        .expect_code(0)?;
    let log = test_cluster.entries_since(mark)?;
    ensure!(dry_runs_by(&log, "operator").len() == 1, "dry-runs: {:?}", dry_runs_by(&log, "operator"));
    let writes: Vec<&str> = writes_by(&log, "operator").iter().map(|entry| entry.verb.as_str()).collect();
    ensure!(writes == ["create", "delete"], "writes: {writes:?}");
    Ok(())
}

fn the_viewer_cannot_write(test_cluster: &TestCluster) -> Result<()> {
    let mark = test_cluster.mark()?;
    test_cluster.run(User::Viewer, "kubectl", &["get", "pods", "--all-namespaces"])?.expect_code(0)?;
    let refused = test_cluster
        .run(User::Viewer, "kubectl", &["create", "configmap", "x", "--namespace", "default"])?
        .expect_code(1)?;
    ensure!(refused.stderr.contains("forbidden"), "{}", refused.stderr);
    let log = test_cluster.entries_since(mark)?;
    let tried = writes_by(&log, "viewer");
    ensure!(tried.len() == 1 && tried[0].code == 403, "{tried:?}");
    Ok(())
}

fn three_clients_see_one_cluster(test_cluster: &TestCluster) -> Result<()> {
    let sandbox = test_cluster.sandbox()?;
    let cluster = ClusterAccess { kubeconfig: Some(sandbox.kubeconfig(User::Operator)), ..ClusterAccess::default() };
    let bin = sandbox.dir().join("bin");
    let helm = Helm {
        program: bin.join("helm"),
        cluster: cluster.clone(),
        registry: RegistryAccess::default(),
        namespace: "default".to_owned(),
    };
    let kubectl = Kubectl { program: bin.join("kubectl"), cluster: cluster.clone() };
    let runtime = tokio::runtime::Runtime::new()?;
    let uids: Result<BTreeSet<String>> = runtime.block_on(async {
        let own = Cluster::connect(&cluster).await?.get("/api/v1/namespaces/kube-system").await?;
        let own = own["metadata"]["uid"].as_str().context("no uid")?.to_owned();
        let private = test_cluster.files().join("uid");
        Ok([own, helm.read_cluster_uid(&private).await?, kubectl.read_cluster_uid().await?].into())
    });
    let uids = uids?;
    ensure!(uids.len() == 1, "they see {uids:?}");
    Ok(())
}
