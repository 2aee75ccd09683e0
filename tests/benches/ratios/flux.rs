//! An upgrade through Flux and the two patches of the vendor's guide; and the requests that waiting for Flux costs.
//!
//! The guide's patches upgrade the application first if they follow each other directly. For a fair comparison, the
//! second patch waits for the CRD chart's release, and a pair counts only if the audit log shows that order.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural::cluster::USER_AGENT_VALUE;
use mural_tests::audit::{self, AuditLog, Entry};
use mural_tests::charts;
use mural_tests::install::NAMESPACE;
use mural_tests::proxy::{FaultProxy, ProxiedRequest};
use mural_tests::sandbox::User;

use crate::bench_cluster::BenchCluster;
use crate::health;
use crate::row::{Pairs, Row, measure_duration};

const OBJECTS: [(&str, &str); 4] = [
    ("ocirepository", "mural-crds"),
    ("ocirepository", "mural"),
    ("helmrelease", "mural-crds"),
    ("helmrelease", "mural"),
];
/// So long ours waits for a chart that does not come, while its requests are counted.
const WAITS: Duration = Duration::from_secs(40);

/// On a sandbox of its own, with the same controllers for both.
pub fn compare_with_flux_guide(_: &BenchCluster, runs: usize) -> Result<Vec<Row>> {
    let test_cluster = BenchCluster::up_with_flux()?;
    let rows = measured(&test_cluster, runs);
    test_cluster.down()?;
    rows
}

fn measured(test_cluster: &BenchCluster, runs: usize) -> Result<Vec<Row>> {
    let (crds, app) = charts::PAIRS[1];
    let ours = || {
        quiet(test_cluster)?;
        measure_duration(|| {
            test_cluster.run("kubectl-mural-upgrade", &["--to", app, "--crds", crds, "--yes"]).map(drop)
        })
    };
    let theirs = || {
        quiet(test_cluster)?;
        let log = AuditLog::new(test_cluster.sandbox.audit_log());
        let mark = log.mark()?;
        let took = measure_duration(|| upgrade_by_guide(test_cluster, crds, app))?;
        ordered(&log.entries_since(mark)?).context("this pair does not count")?;
        Ok(took)
    };
    quiet(test_cluster)?;
    let looks = health::compare_with_flux_guide(test_cluster, runs)?;
    let pairs = Pairs::measure(runs, ours, theirs)?;
    let per_minute = requests(test_cluster)?;
    let waiting = Row {
        what: "requests a minute while a chart is waited for, locks apart".to_owned(),
        ours: format!("{per_minute:.1}"),
        theirs: "–".to_owned(),
        figure: "–".to_owned(),
        goal: "≤ 6",
        reached: per_minute <= 6.0,
    };
    Ok(vec![pairs.row("whole upgrade through Flux ÷ the guide's patches in order", "≤ 1.1", 1.1), waiting, looks])
}

/// The older installation, with controllers that have looked at all of it since they started.
fn quiet(test_cluster: &BenchCluster) -> Result<()> {
    test_cluster.restore_older()?;
    let now = jiff::Timestamp::now().to_string();
    for (kind, name) in OBJECTS {
        let (object, note) = (format!("{kind}/{name}"), format!("reconcile.fluxcd.io/requestedAt={now}"));
        test_cluster.run("kubectl", &["annotate", "--overwrite", &object, &note, "--namespace", NAMESPACE])?;
        until(test_cluster, &object, &format!("jsonpath={{.status.lastHandledReconcileAt}}={now}"))?;
    }
    Ok(())
}

fn until(test_cluster: &BenchCluster, object: &str, condition: &str) -> Result<()> {
    let wait = format!("--for={condition}");
    test_cluster.run("kubectl", &["wait", &wait, object, "--namespace", NAMESPACE, "--timeout=180s"]).map(drop)
}

/// The guide's patches, each waited for.
fn upgrade_by_guide(test_cluster: &BenchCluster, crds: &str, app: &str) -> Result<()> {
    for (name, version) in [("mural-crds", crds), ("mural", app)] {
        let patch = format!(r#"{{"spec":{{"ref":{{"semver":"{version}"}}}}}}"#);
        let line = ["patch", "ocirepository", name, "--namespace", NAMESPACE, "--type", "merge", "--patch", &patch];
        test_cluster.run("kubectl", &line)?;
        let release = format!("helmrelease/{name}");
        // Ready is True all the while: only the second revision tells.
        until(test_cluster, &release, "jsonpath={.status.history[0].version}=2")?;
        until(test_cluster, &release, "jsonpath={.status.history[0].status}=deployed")?;
        until(test_cluster, &release, "condition=Ready")?;
    }
    test_cluster
        .run("kubectl", &["rollout", "status", "deployment", "--namespace", NAMESPACE, "--timeout=180s"])
        .map(drop)
}

fn ordered(log: &[Entry]) -> Result<()> {
    let writes = audit::writes_by(log, "helm-controller");
    let (crds, others): (Vec<&Entry>, Vec<&Entry>) = writes.into_iter().partition(|entry| entry.is_crd());
    let app: Vec<&Entry> = others.into_iter().filter(|entry| entry.resource == "deployments").collect();
    audit::all_before(&crds, &app)
}

/// Our requests a minute while a source is waited for whose chart does not come.
fn requests(test_cluster: &BenchCluster) -> Result<f64> {
    quiet(test_cluster)?;
    let older = test_cluster.run(
        "helm",
        &[
            "pull",
            &test_cluster.registry("mural-crds"),
            "--version",
            charts::PAIRS[1].0,
            "--plain-http",
            "--untar",
            "--untardir",
            &test_cluster.files().display().to_string(),
        ],
    );
    older?;
    let chart = test_cluster.files().join("mural-crds");
    let file = chart.join("Chart.yaml");
    let text = std::fs::read_to_string(&file)?.replace(charts::PAIRS[1].0, "9.9.9");
    std::fs::write(&file, text)?;
    let proxy = FaultProxy::start(&test_cluster.sandbox.kubeconfig(User::Operator), test_cluster.files())?;
    let began = Instant::now();
    let grace = format!("{}s", WAITS.as_secs());
    let flags = ["--crds-chart", &chart.display().to_string(), "--yes", "--failure-grace", &grace, "--no-save"];
    let ended =
        test_cluster.command("kubectl-mural-upgrade").args(flags).env("KUBECONFIG", proxy.kubeconfig()).output()?;
    ensure!(ended.status.code() == Some(1) && began.elapsed() > WAITS, "{}", String::from_utf8_lossy(&ended.stderr));
    let all = proxy.requests();
    let patched = |seen: &ProxiedRequest| seen.method == "PATCH" && seen.path.contains("/ocirepositories/mural-crds");
    let from = all.iter().position(patched).context("it patched nothing")?;
    let waiting =
        all[from + 1..].iter().filter(|seen| seen.agent == USER_AGENT_VALUE && seen.path.contains("toolkit.fluxcd.io"));
    #[expect(clippy::cast_precision_loss, reason = "a small number of requests")]
    let per_minute = waiting.count() as f64 * 60.0 / WAITS.as_secs_f64();
    Ok(per_minute)
}
