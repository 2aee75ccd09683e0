//! Shell completion: what kubectl and helm receive from the plugins.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at once, and it starts programs"
)]

use std::process::{Command, Stdio};

/// What a program answers to these words. No cluster, helm or kubectl is in reach: a Tab needs none.
fn offered(program: &str, words: &[&str]) -> String {
    let mut command = Command::new(mural_tests::plugins::folder().unwrap().join(program));
    command.arg("__complete").args(words).env_clear().stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_level_is_offered() {
    let upgrade = offered("kubectl-mural-upgrade", &[""]);
    assert!(upgrade.starts_with("plan\t") && upgrade.ends_with("\n:4\n"), "{upgrade}");
    for word in ["status", "resume", "rollback", "repair"] {
        assert!(upgrade.contains(&format!("\n{word}\t")), "{upgrade}");
    }
    assert!(offered("kubectl-mural-upgrade", &["rollback", "--over"]).starts_with("--overwrite\t"));
    assert!(!upgrade.contains("--"), "flags come when a dash is typed: {upgrade}");
    assert!(offered("kubectl-mural-upgrade", &["plan", "--reset-t"]).starts_with("--reset-then-reuse-values\t"));
    assert!(offered("kubectl-mural-validate", &["--output", "jun"]).starts_with("junit\t"));
    assert!(offered("helm-mural", &["crds", "di"]).starts_with("diff\t"));
}

#[test]
fn a_tab_runs_nothing() {
    // A whole command line that would write: only candidates come back.
    let offered = offered("kubectl-mural-upgrade", &["--yes", "--to", "9.9.9", "--crds"]);
    assert!(offered.lines().all(|line| line.starts_with("--crds") || line == ":4"), "{offered}");
}
