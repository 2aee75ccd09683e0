//! `kubectl mural validate` with thousands of pods and a thousand CRDs: time, memory and requests.

use anyhow::{Result, ensure};
use mural::cluster::USER_AGENT_VALUE;
use mural_tests::install::NAMESPACE;
use mural_tests::proxy::FaultProxy;
use mural_tests::sandbox::User;

use crate::bench_cluster::BenchCluster;
use crate::many;
use crate::row::{Row, measure_duration, median, run_and_measure_peak_memory};

const PODS: u32 = 2000;
const CRDS: u32 = 1000;
/// Pods in a page of a list, as we ask for it: each page is one question more.
const PAGE: usize = 100;

/// What one validate costs.
struct Cost {
    seconds: f64,
    kilobytes: u64,
    requests: usize,
}

/// The older installation alone, with many foreign pods, and compared with a chart of many CRDs.
pub fn pods_and_crds(test_cluster: &BenchCluster, runs: usize) -> Result<Vec<Row>> {
    test_cluster.restore_older()?;
    let (pods, crds) = (number("MURAL_PODS", PODS), number("MURAL_CRDS", CRDS));
    let alone = cost(test_cluster, runs, &[])?;
    let replicas = format!("--replicas={pods}");
    test_cluster.run("kubectl", &["create", "deployment", "many", "--image=x", &replicas, "--namespace", NAMESPACE])?;
    test_cluster
        .run("kubectl", &["rollout", "status", "deployment/many", "--namespace", NAMESPACE, "--timeout=900s"])?;
    let among_pods = cost(test_cluster, runs, &[])?;
    let chart = many::installed(test_cluster, crds)?;
    let of_crds = cost(test_cluster, runs, &["--crds-chart", &chart, "--request-timeout", "5m"])?;
    let pages = usize::try_from(pods)?.div_ceil(PAGE);
    let asked = among_pods.requests <= alone.requests + pages;
    let all = [
        rows(&alone, &among_pods, &format!("{pods} pods"), asked),
        rows(&alone, &of_crds, &format!("{crds} CRDs, {pods} pods"), true),
    ];
    Ok(all.into_iter().flatten().collect())
}

fn number(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn cost(test_cluster: &BenchCluster, runs: usize, flags: &[&str]) -> Result<Cost> {
    let (mut seconds, mut kilobytes) = (Vec::new(), 0);
    for _ in 0..runs {
        let taken = measure_duration(|| {
            let (output, peak) =
                run_and_measure_peak_memory(test_cluster.command("kubectl-mural-validate").args(flags))?;
            // Foreign pods are a note, a CRD of another chart may be a finding: both are results.
            let told = String::from_utf8_lossy(&output.stdout);
            ensure!(
                matches!(output.status.code(), Some(0 | 3)) && !told.contains("\n  ? "),
                "{}: {told}",
                output.status
            );
            kilobytes = kilobytes.max(peak);
            Ok(())
        })?;
        seconds.push(taken.as_secs_f64());
        eprintln!("  {:.2} s, {} MB", taken.as_secs_f64(), kilobytes / 1024);
    }
    let proxy = FaultProxy::start(&test_cluster.sandbox.kubeconfig(User::Operator), test_cluster.files())?;
    test_cluster.command("kubectl-mural-validate").args(flags).env("KUBECONFIG", proxy.kubeconfig()).output()?;
    let requests = proxy.requests().into_iter().filter(|seen| seen.agent == USER_AGENT_VALUE).count();
    Ok(Cost { seconds: median(seconds.into_iter()), kilobytes, requests })
}

/// Each over the installation alone.
fn rows(alone: &Cost, many: &Cost, what: &str, asked: bool) -> Vec<Row> {
    #[expect(clippy::cast_precision_loss, reason = "kilobytes of one program")]
    let [few, much] = [alone.kilobytes, many.kilobytes].map(|kilobytes| kilobytes as f64 / 1024.0);
    let row = |what: String, ours: String, theirs: String, figure: String, goal, reached| Row {
        what,
        ours,
        theirs,
        figure,
        goal,
        reached,
    };
    vec![
        row(
            format!("validate, {what}: time"),
            format!("{:.2} s", many.seconds),
            format!("{:.2} s", alone.seconds),
            format!("{:.2}", many.seconds / alone.seconds),
            "–",
            true,
        ),
        row(
            format!("validate, {what}: peak memory"),
            format!("{much:.0} MB"),
            format!("{few:.0} MB"),
            format!("{:.2}", much / few),
            "–",
            true,
        ),
        row(
            format!("validate, {what}: requests"),
            many.requests.to_string(),
            alone.requests.to_string(),
            "–".to_owned(),
            "pages",
            asked,
        ),
    ]
}
