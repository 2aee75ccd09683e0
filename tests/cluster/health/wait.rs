//! `validate --wait`: it reports what it waits for, succeeds when that is ready, and ends early if waiting cannot help.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;

use super::{shell, validate};
use crate::test_cluster::TestCluster;

/// `--wait` reports why a roll-out is not ready. An image that cannot be pulled ends the wait early.
pub fn waits_until_healthy(test_cluster: &TestCluster) -> Result<()> {
    let image =
        |tag: &str| format!("kubectl -n mural-system set image deployment/hue hue=registry.example.com/hue:{tag}");
    shell(test_cluster, &image("no-such-image"))?;
    // On a terminal, which `script` provides, and in a pipe at the same time.
    let flags = ["--wait", "90s", "--skip", "restarts"];
    let program = mural_tests::plugins::folder()?.join("kubectl-mural-validate").display().to_string();
    let mut terminal = test_cluster.command(User::Operator, "kubectl")?;
    let terminal = terminal_of(&mut terminal, &format!("{program} {}", flags.join(" ")))?;
    let mut piped = test_cluster.command(User::Operator, "kubectl-mural-validate")?;
    let piped = piped.args(flags).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    std::thread::sleep(Duration::from_secs(5));
    shell(test_cluster, &image("newer"))?;
    let ended =
        crate::test_cluster::to_command_output(piped.wait_with_output()?)?.expect_code(0).context("a roll-out")?;
    for told in ["waiting", "Deployment mural-system/hue", "ImagePullBackOff", "healthy: "] {
        ensure!(ended.stderr.contains(told), "does not tell {told:?}:\n{}", ended.all_text());
    }
    ensure!(!ended.all_text().contains('\u{1b}'), "escape sequences in a pipe:\n{}", ended.all_text());
    if let Some(terminal) = terminal {
        let shown = terminal.wait_with_output()?;
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        ensure!(shown.status.success(), "{text}");
        // The progress line is redrawn, which needs a terminal.
        ensure!(
            text.contains("\u{1b}[") && text.contains("ImagePullBackOff") && text.contains("limit 1m30s"),
            "{text:?}"
        );
    }
    shell(test_cluster, &image("no-such-image"))?;
    let began = Instant::now();
    let ended =
        validate(test_cluster, &["--wait", "5m", "--failure-grace", "3s", "--skip", "restarts"])?.expect_code(3)?;
    ensure!(began.elapsed() < Duration::from_secs(60), "ended after {:?}", began.elapsed());
    ensure!(
        ended.stderr.contains("terminal reason") && ended.stdout.contains("ImagePullBackOff"),
        "{}",
        ended.all_text()
    );
    known_and_strict(test_cluster, &image("newer"))
}

/// `--wait` ignores findings of the baseline. With `--strict` it waits for warnings; one that does not heal with time
/// ends the wait at once.
fn known_and_strict(test_cluster: &TestCluster, mends: &str) -> Result<()> {
    let file = test_cluster.files().join("known.json").display().to_string();
    let look = |flags: &[&str]| validate(test_cluster, &[&["--only", "workloads"], flags].concat());
    look(&["--save-baseline", &file])?.expect_code(3)?;
    let known = look(&["--wait", "60s", "--baseline", &file])?.expect_code(0).context("only known findings")?;
    ensure!(!known.stderr.contains("waiting"), "waits for what was there before:\n{}", known.all_text());
    shell(test_cluster, mends)?;
    look(&["--wait", "90s", "--baseline", &file])?.expect_code(0).context("a known finding that is resolved")?;
    shell(test_cluster, "kubectl create namespace tenant-b")?;
    let copy =
        "kubectl -n tenant-b create configmap mural-project-rbac-viewer --from-literal=rules.yaml='- verbs: [list]'";
    shell(test_cluster, copy)?;
    let look = |flags: &[&str]| validate(test_cluster, &[&["--only", "tenants", "--wait", "90s"], flags].concat());
    look(&[])?.expect_code(0).context("a warning is no reason to wait")?;
    let strict = look(&["--strict"])?.expect_code(3)?;
    ensure!(strict.stderr.contains("waiting does not fix tenant-role-drift"), "{}", strict.all_text());
    shell(test_cluster, "kubectl delete namespace tenant-b --wait=false")?;
    Ok(())
}

/// Runs a command line on a new terminal; none if `script` is not installed.
fn terminal_of(like: &mut std::process::Command, line: &str) -> Result<Option<std::process::Child>> {
    let mut command = std::process::Command::new("script");
    command
        .args(["--quiet", "--return", "--command", line, "/dev/null"])
        .envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env_remove("NO_COLOR").env("TERM", "xterm-256color");
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    match spawned {
        Ok(child) => Ok(Some(child)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("there is no `script`: the terminal is left out");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
