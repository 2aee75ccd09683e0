//! `kubectl mural validate` where there is much to look at: thousands of pods, a thousand CRDs. Time, memory, questions.

use anyhow::{Result, ensure};
use mural::cluster::AGENT;
use mural_tests::install::NAMESPACE;
use mural_tests::proxy::FaultProxy;
use mural_tests::sandbox::User;

use crate::ground::Ground;
use crate::many;
use crate::row::{Row, median, timed, watched};

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

/// The older installation alone, with many pods of somebody else beside it, and held against a chart of many CRDs.
pub fn pods_and_crds(ground: &Ground, runs: usize) -> Result<Vec<Row>> {
    ground.older()?;
    let (pods, crds) = (number("MURAL_PODS", PODS), number("MURAL_CRDS", CRDS));
    let alone = cost(ground, runs, &[])?;
    let replicas = format!("--replicas={pods}");
    ground.run("kubectl", &["create", "deployment", "many", "--image=x", &replicas, "--namespace", NAMESPACE])?;
    ground.run("kubectl", &["rollout", "status", "deployment/many", "--namespace", NAMESPACE, "--timeout=900s"])?;
    let among_pods = cost(ground, runs, &[])?;
    let chart = many::installed(ground, crds)?;
    let of_crds = cost(ground, runs, &["--crds-chart", &chart, "--request-timeout", "5m"])?;
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

fn cost(ground: &Ground, runs: usize, flags: &[&str]) -> Result<Cost> {
    let (mut seconds, mut kilobytes) = (Vec::new(), 0);
    for _ in 0..runs {
        let taken = timed(|| {
            let (output, peak) = watched(ground.command("kubectl-mural-validate").args(flags))?;
            // Pods of somebody else are a note, a CRD of another chart may be a finding: both are answers.
            let told = String::from_utf8_lossy(&output.stdout);
            ensure!(
                matches!(output.status.code(), Some(0 | 3)) && !told.contains("could not look"),
                "{}: {told}",
                output.status
            );
            kilobytes = kilobytes.max(peak);
            Ok(())
        })?;
        seconds.push(taken.as_secs_f64());
        eprintln!("  {:.2} s, {} MB", taken.as_secs_f64(), kilobytes / 1024);
    }
    let proxy = FaultProxy::start(&ground.sandbox.kubeconfig(User::Operator), ground.files())?;
    ground.command("kubectl-mural-validate").args(flags).env("KUBECONFIG", proxy.kubeconfig()).output()?;
    let requests = proxy.requests().into_iter().filter(|seen| seen.agent == AGENT).count();
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
