//! The upgrade through Flux beside the page's two patches, and what waiting for Flux costs the API server.
//!
//! The page's patches, one right after the other, upgrade the application first: nothing to compare with. So theirs waits for the
//! CRD chart's release between the two, as whoever knows of it does, and a pair counts only where the audit log shows that order.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural::cluster::AGENT;
use mural_tests::audit::{self, AuditLog, Entry};
use mural_tests::charts;
use mural_tests::install::NAMESPACE;
use mural_tests::proxy::{FaultProxy, Seen};
use mural_tests::sandbox::User;

use crate::ground::Ground;
use crate::health;
use crate::row::{Pairs, Row, timed};

const OBJECTS: [(&str, &str); 4] = [
    ("ocirepository", "mural-crds"),
    ("ocirepository", "mural"),
    ("helmrelease", "mural-crds"),
    ("helmrelease", "mural"),
];
/// So long ours waits for a chart that does not come, while its requests are counted.
const WAITS: Duration = Duration::from_secs(40);

/// On a sandbox of its own, with the same controllers for both.
pub fn beside_the_page(_: &Ground, runs: usize) -> Result<Vec<Row>> {
    let ground = Ground::up_with_flux()?;
    let rows = measured(&ground, runs);
    ground.down()?;
    rows
}

fn measured(ground: &Ground, runs: usize) -> Result<Vec<Row>> {
    let (crds, app) = charts::PAIRS[1];
    let ours = || {
        quiet(ground)?;
        timed(|| ground.run("kubectl-mural-upgrade", &["--to", app, "--crds", crds, "--yes"]).map(drop))
    };
    let theirs = || {
        quiet(ground)?;
        let log = AuditLog::new(ground.sandbox.audit_log());
        let mark = log.mark()?;
        let took = timed(|| page(ground, crds, app))?;
        ordered(&log.since(mark)?).context("this pair does not count")?;
        Ok(took)
    };
    quiet(ground)?;
    let looks = health::beside_the_flux_page(ground, runs)?;
    let pairs = Pairs::of(runs, ours, theirs)?;
    let per_minute = requests(ground)?;
    let waiting = Row {
        what: "requests a minute while a chart is waited for, locks apart".to_owned(),
        ours: format!("{per_minute:.1}"),
        theirs: "–".to_owned(),
        figure: "–".to_owned(),
        goal: "≤ 6",
        reached: per_minute <= 6.0,
    };
    Ok(vec![pairs.row("whole upgrade through Flux ÷ the page's patches in order", "≤ 1.1", 1.1), waiting, looks])
}

/// The older installation, with controllers that have looked at all of it since they started.
fn quiet(ground: &Ground) -> Result<()> {
    ground.older()?;
    let now = jiff::Timestamp::now().to_string();
    for (kind, name) in OBJECTS {
        let (object, note) = (format!("{kind}/{name}"), format!("reconcile.fluxcd.io/requestedAt={now}"));
        ground.run("kubectl", &["annotate", "--overwrite", &object, &note, "--namespace", NAMESPACE])?;
        until(ground, &object, &format!("jsonpath={{.status.lastHandledReconcileAt}}={now}"))?;
    }
    Ok(())
}

fn until(ground: &Ground, object: &str, condition: &str) -> Result<()> {
    let wait = format!("--for={condition}");
    ground.run("kubectl", &["wait", &wait, object, "--namespace", NAMESPACE, "--timeout=180s"]).map(drop)
}

/// The page's patches, each waited for.
fn page(ground: &Ground, crds: &str, app: &str) -> Result<()> {
    for (name, version) in [("mural-crds", crds), ("mural", app)] {
        let patch = format!(r#"{{"spec":{{"ref":{{"semver":"{version}"}}}}}}"#);
        let line = ["patch", "ocirepository", name, "--namespace", NAMESPACE, "--type", "merge", "--patch", &patch];
        ground.run("kubectl", &line)?;
        let release = format!("helmrelease/{name}");
        // Ready is True all the while: only the second revision tells.
        until(ground, &release, "jsonpath={.status.history[0].version}=2")?;
        until(ground, &release, "jsonpath={.status.history[0].status}=deployed")?;
        until(ground, &release, "condition=Ready")?;
    }
    ground.run("kubectl", &["rollout", "status", "deployment", "--namespace", NAMESPACE, "--timeout=180s"]).map(drop)
}

fn ordered(log: &[Entry]) -> Result<()> {
    let writes = audit::writes_by(log, "helm-controller");
    let (crds, others): (Vec<&Entry>, Vec<&Entry>) = writes.into_iter().partition(|entry| entry.is_crd());
    let app: Vec<&Entry> = others.into_iter().filter(|entry| entry.resource == "deployments").collect();
    audit::all_before(&crds, &app)
}

/// Our requests a minute while a source is waited for whose chart does not come.
fn requests(ground: &Ground) -> Result<f64> {
    quiet(ground)?;
    let older = ground.run(
        "helm",
        &[
            "pull",
            &ground.registry("mural-crds"),
            "--version",
            charts::PAIRS[1].0,
            "--plain-http",
            "--untar",
            "--untardir",
            &ground.files().display().to_string(),
        ],
    );
    older?;
    let chart = ground.files().join("mural-crds");
    let file = chart.join("Chart.yaml");
    let text = std::fs::read_to_string(&file)?.replace(charts::PAIRS[1].0, "9.9.9");
    std::fs::write(&file, text)?;
    let proxy = FaultProxy::start(&ground.sandbox.kubeconfig(User::Operator), ground.files())?;
    let began = Instant::now();
    let grace = format!("{}s", WAITS.as_secs());
    let flags = ["--crds-chart", &chart.display().to_string(), "--yes", "--failure-grace", &grace, "--no-save"];
    let ended = ground.command("kubectl-mural-upgrade").args(flags).env("KUBECONFIG", proxy.kubeconfig()).output()?;
    ensure!(ended.status.code() == Some(1) && began.elapsed() > WAITS, "{}", String::from_utf8_lossy(&ended.stderr));
    let all = proxy.requests();
    let patched = |seen: &Seen| seen.method == "PATCH" && seen.path.contains("/ocirepositories/mural-crds");
    let from = all.iter().position(patched).context("it patched nothing")?;
    let waiting = all[from + 1..].iter().filter(|seen| seen.agent == AGENT && seen.path.contains("toolkit.fluxcd.io"));
    #[expect(clippy::cast_precision_loss, reason = "a small number of requests")]
    let per_minute = waiting.count() as f64 * 60.0 / WAITS.as_secs_f64();
    Ok(per_minute)
}
