//! Failing API servers: what our client and kubectl do on 429, 5xx, resets and expired pages, and which message the
//! operator gets.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural::ask::ClusterAccess;
use mural::cluster::Cluster;
use mural::cluster::pages::Pages;
use mural_tests::plugins;
use mural_tests::proxy::{FaultEffect, FaultProxy, FaultRule};
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[
    ("faults::the_proxy_changes_nothing_by_itself", the_proxy_changes_nothing_by_itself),
    ("faults::kubectl_honours_retry_after", kubectl_honours_retry_after),
    ("faults::too_many_requests_pass", too_many_requests_pass),
    ("faults::expired_pages_are_read_again", expired_pages_are_read_again),
    ("faults::a_server_that_fails_gets_one_clear_message", a_server_that_fails_gets_one_clear_message),
    ("faults::a_part_that_cannot_be_read_is_undetermined", a_part_that_cannot_be_read_is_undetermined),
];

fn proxy(test_cluster: &TestCluster) -> Result<FaultProxy> {
    FaultProxy::start(&test_cluster.sandbox()?.kubeconfig(User::Operator), test_cluster.files())
}

fn kubectl(test_cluster: &TestCluster, proxy: &FaultProxy, args: &[&str]) -> Result<CommandOutput> {
    test_cluster.run_with(User::Operator, "kubectl", args, "", &[("KUBECONFIG", proxy.kubeconfig())])
}

/// Our own client through the proxy.
fn ask<T>(proxy: &FaultProxy, work: impl AsyncFnOnce(&Cluster) -> Result<T>) -> Result<T> {
    let access = ClusterAccess { kubeconfig: Some(proxy.kubeconfig().to_owned()), ..ClusterAccess::default() };
    tokio::runtime::Runtime::new()?.block_on(async { work(&Cluster::connect(&access).await?).await })
}

/// `kubectl mural upgrade plan` through the proxy.
fn plan(test_cluster: &TestCluster, proxy: &FaultProxy) -> Result<CommandOutput> {
    let args = ["plan", "--chart", "none", "--request-timeout", "3s"];
    test_cluster.run_with(User::Operator, "kubectl-mural-upgrade", &args, "", &[("KUBECONFIG", proxy.kubeconfig())])
}

fn the_proxy_changes_nothing_by_itself(test_cluster: &TestCluster) -> Result<()> {
    let proxy = proxy(test_cluster)?;
    let who = kubectl(test_cluster, &proxy, &["auth", "whoami", "--output", "json"])?.expect_code(0)?;
    let who: Value = serde_json::from_str(&who.stdout)?;
    ensure!(who["status"]["userInfo"]["username"] == "operator", "the server sees {who}");
    let (direct, through) = (
        test_cluster.run(User::Operator, "kubectl", &["get", "--raw", "/api/v1/namespaces"])?.expect_code(0)?.stdout,
        kubectl(test_cluster, &proxy, &["get", "--raw", "/api/v1/namespaces"])?.expect_code(0)?.stdout,
    );
    let items = |text: &str| serde_json::from_str::<Value>(text).map(|list| list["items"].clone());
    ensure!(items(&direct)? == items(&through)?, "{direct}\n{through}");
    // A watch is a response that does not end.
    let watch = ["get", "namespaces", "--watch", "--request-timeout", "2s"];
    let watched = kubectl(test_cluster, &proxy, &watch)?;
    ensure!(watched.stdout.contains("kube-system"), "{watched:?}");
    let helm = [("KUBECONFIG", proxy.kubeconfig())];
    test_cluster.run_with(User::Operator, "helm", &["list"], "", &helm)?.expect_code(0)?;
    ensure!(proxy.requests().iter().any(|seen| seen.path.contains("/secrets")), "helm went elsewhere");
    Ok(())
}

fn kubectl_honours_retry_after(test_cluster: &TestCluster) -> Result<()> {
    let proxy = proxy(test_cluster)?;
    proxy.add_fault(FaultRule::for_path_containing("/api/v1/namespaces", FaultEffect::Status(429, Some(1))));
    let began = Instant::now();
    kubectl(test_cluster, &proxy, &["get", "--raw", "/api/v1/namespaces"])?.expect_code(0)?;
    ensure!(began.elapsed() >= Duration::from_secs(1), "it did not wait");
    ensure!(proxy.requests().len() == 2, "{:?}", proxy.requests());
    Ok(())
}

fn too_many_requests_pass(test_cluster: &TestCluster) -> Result<()> {
    let proxy = proxy(test_cluster)?;
    for what in [FaultEffect::Status(429, Some(1)), FaultEffect::Status(503, None)] {
        proxy.clear();
        proxy.add_fault(FaultRule::for_path_containing("/version", what.clone()));
        let version = ask(&proxy, async |cluster| Ok(cluster.get("/version").await?));
        let version = version.with_context(|| format!("{what:?} once, then all is well: {:?}", proxy.requests()))?;
        ensure!(version["major"] == "1", "{version}");
    }
    Ok(())
}

fn expired_pages_are_read_again(test_cluster: &TestCluster) -> Result<()> {
    let items: Vec<Value> = (0..150)
        .map(|at| serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("page-{at}"), "namespace": "default"}}))
        .collect();
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    test_cluster
        .run_with(User::Admin, "kubectl", &["apply", "--server-side", "--filename", "-"], &list, &[])?
        .expect_code(0)?;
    let proxy = proxy(test_cluster)?;
    proxy.add_fault(FaultRule::for_path_containing("continue=", FaultEffect::Expired));
    let listed = ask(&proxy, async |cluster| Ok(cluster.list("/api/v1/namespaces/default/configmaps", "").await?));
    let streamed = list_in_pages(&proxy);
    let gone = test_cluster.run(User::Admin, "kubectl", &["delete", "configmap", "--all", "--namespace", "default"])?;
    let names: std::collections::BTreeSet<String> =
        listed?.iter().map(|item| item["metadata"]["name"].to_string()).collect();
    gone.expect_code(0)?;
    ensure!(names.iter().filter(|name| name.contains("page-")).count() == 150, "{} names", names.len());
    let (streamed, first) = streamed?;
    let ours: Vec<&String> = streamed.iter().filter(|name| name.contains("page-")).collect();
    ensure!(ours.len() == 150 && ours.is_sorted(), "handed on {} times: {ours:?}", ours.len());
    let lists: Vec<_> = proxy.requests().into_iter().map(|seen| (seen.path, seen.fault)).collect();
    ensure!(first == 4, "two pages, twice: {lists:?}");
    Ok(())
}

/// Lists with an expired second page. Returns the names, and the number of requests.
fn list_in_pages(proxy: &FaultProxy) -> Result<(Vec<String>, usize)> {
    let first = proxy.requests().len();
    proxy.add_fault(FaultRule::for_path_containing("continue=", FaultEffect::Expired));
    let names = ask(proxy, async |cluster| {
        let (mut pages, mut names) = (Pages::new(cluster, "/api/v1/namespaces/default/configmaps"), Vec::new());
        while let Some(page) = pages.next().await? {
            names.extend(page.items.iter().map(|item| item["metadata"]["name"].to_string()));
        }
        Ok(names)
    })?;
    ensure!(proxy.requests()[first..].iter().any(|seen| seen.fault == Some(FaultEffect::Expired)), "nothing expired");
    Ok((names, first))
}

fn a_server_that_fails_gets_one_clear_message(test_cluster: &TestCluster) -> Result<()> {
    plugins::folder().context("built before the clock runs")?;
    let proxy = proxy(test_cluster)?;
    let mark = test_cluster.mark()?;
    let days = [
        (FaultEffect::Status(500, None), "fault proxy"),
        // The client retries until the time limit. The message is the last answer, not the limit.
        (FaultEffect::Status(503, None), "fault proxy"),
        (FaultEffect::Reset, "127.0.0.1"),
        (FaultEffect::Truncated, "127.0.0.1"),
        // helm has no limit for a single request, so the whole call takes longer.
        (FaultEffect::Delay(Duration::from_secs(8)), "3 s"),
    ];
    for (what, says) in days {
        proxy.clear();
        proxy.add_fault(FaultRule::for_path_containing("/version", what.clone()).times(1000));
        let began = Instant::now();
        let ended = plan(test_cluster, &proxy)?.expect_code(1).with_context(|| format!("{what:?}"))?;
        ensure!(began.elapsed() < Duration::from_secs(25), "{what:?}: took {:?}", began.elapsed());
        ensure!(ended.stderr.contains(says) && ended.stderr.contains("hint: "), "{what:?}: {}", ended.stderr);
        ensure!(ended.stderr.lines().count() < 12 && ended.stdout.is_empty(), "{what:?}: {}", ended.all_text());
    }
    test_cluster.ensure_nothing_written(mark)
}

fn a_part_that_cannot_be_read_is_undetermined(test_cluster: &TestCluster) -> Result<()> {
    let proxy = proxy(test_cluster)?;
    let chart = crate::small::crds(test_cluster, "0.7.4")?.display().to_string();
    proxy.add_fault(FaultRule::for_path_containing("/secrets", FaultEffect::Status(500, None)).times(1000));
    let args = ["plan", "--crds-chart", &chart, "--output", "json"];
    let env = [("KUBECONFIG", proxy.kubeconfig())];
    let ended = test_cluster.run_with(User::Operator, "kubectl-mural-upgrade", &args, "", &env)?;
    // Nothing is installed, which refuses too. A failed read must never count as "not installed".
    ensure!([3, 5].contains(&ended.code), "exit code {}\n{}", ended.code, ended.all_text());
    ensure!(ended.stdout.contains("undetermined") && ended.stdout.contains("fault proxy"), "{}", ended.all_text());
    Ok(())
}
