//! helm and kubectl that crash, report a false success, or print unreadable output during an upgrade.
//!
//! Each is the real program with one verb replaced, because no real one fails on demand.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use mural_tests::scripted;

use crate::Test;
use crate::lock::newer_flags;
use crate::refusals::command;
use crate::small::CANARY;
use crate::test_cluster::{CommandOutput, TestCluster, to_command_output};

pub const TESTS: &[Test] = &[
    ("programs::unreadable_output_writes_nothing", unreadable_output_writes_nothing),
    ("programs::helm_that_claims_success_is_verified", helm_that_claims_success_is_verified),
    ("programs::kubectl_that_claims_success_is_verified", kubectl_that_claims_success_is_verified),
    ("programs::helm_that_dies_after_its_work", helm_that_dies_after_its_work),
];

/// A program of the sandbox. Calls with this verb run these shell lines instead; `$REAL` is the real program.
struct BrokenProgram {
    program: &'static str,
    word: &'static str,
    lines: &'static str,
}

impl BrokenProgram {
    /// An upgrade that uses it.
    fn upgrade(&self, test_cluster: &TestCluster) -> Result<CommandOutput> {
        let path = test_cluster.files().join("spoilt").join(self.program);
        let real = test_cluster.sandbox()?.dir().join("bin").join(self.program);
        let lines = format!(
            "REAL='{}'\ncase \" $* \" in *' {} '*)\n{}\n;;\n*) exec \"$REAL\" \"$@\" ;;\nesac\n",
            real.display(),
            self.word,
            self.lines
        );
        scripted::write_program(&path, &lines)?;
        let hint = if self.program == "helm" { "HELM_BIN" } else { "KUBECTL_PATH" };
        let mut upgrade = command(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]))?;
        to_command_output(upgrade.env(hint, &path).stdin(Stdio::null()).output()?)
    }
}

/// Makes sure that there is one clear message with the program's name, no panic, no secret and no control characters.
fn ensure_clear_message(ended: &CommandOutput, program: &str) -> Result<()> {
    let all = ended.all_text();
    ensure!(all.contains(program), "does not name {program}:\n{all}");
    ensure!(!all.contains(CANARY) && !all.contains('\u{1b}') && !all.contains("panicked"), "{all}");
    ensure!(ended.all_text().contains("hint: "), "no next step:\n{all}");
    Ok(())
}

fn unreadable_output_writes_nothing(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let spoilt = |program, word, lines| BrokenProgram { program, word, lines };
    for one in [
        spoilt("helm", "template", "kill -s SEGV $$"),
        spoilt("helm", "template", "printf 'a: [b\\n'"),
        spoilt("helm", "template", "\"$REAL\" \"$@\" | head -c 700; exit 1"),
        spoilt("helm", "template", "printf '\\033[2Jpassword: canary-7f3a\\n' >&2; exit 1"),
        spoilt("helm", "template", ""),
        spoilt("helm", "pull", ""),
        spoilt("kubectl", "get", "printf '{\"metadata\": '"),
        spoilt("kubectl", "version", "printf '\\033]0;title\\007'; exit 139"),
    ] {
        let mark = test_cluster.mark()?;
        let ended = one.upgrade(test_cluster)?;
        let about = || format!("{} {} {:?}: {}", one.program, one.word, one.lines, ended.all_text());
        ensure!([1, 3, 5].contains(&ended.code), "exit code {}: {}", ended.code, about());
        ensure_clear_message(&ended, one.program).with_context(about)?;
        test_cluster.ensure_nothing_written(mark).with_context(about)?;
    }
    Ok(())
}

/// Exits with 0 and does nothing.
fn helm_that_claims_success_is_verified(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let ended = BrokenProgram { program: "helm", word: "upgrade", lines: "exit 0" }.upgrade(test_cluster)?;
    let ended = ended.expect_code(1)?;
    ensure!(ended.stdout.contains(": the release does not exist"), "{}", ended.all_text());
    ensure_clear_message(&ended, "helm reported success")?;
    rerun_succeeds(test_cluster)
}

fn kubectl_that_claims_success_is_verified(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let ended =
        BrokenProgram { program: "kubectl", word: "apply", lines: "exit 0" }.upgrade(test_cluster)?.expect_code(1)?;
    ensure!(ended.stdout.contains("reports 0 of 2 CRDs"), "{}", ended.all_text());
    ensure_clear_message(&ended, "kubectl succeeded, but")?;
    rerun_succeeds(test_cluster)
}

/// Does its work, and dies before it reports it.
fn helm_that_dies_after_its_work(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let lines = "\"$REAL\" \"$@\"\nkill -s SEGV $$";
    let ended = BrokenProgram { program: "helm", word: "upgrade", lines }.upgrade(test_cluster)?.expect_code(1)?;
    ensure_clear_message(&ended, "helm")?;
    rerun_succeeds(test_cluster)
}

/// With the real programs the same command succeeds.
fn rerun_succeeds(test_cluster: &TestCluster) -> Result<()> {
    let mut again = command(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]))?;
    to_command_output(again.output()?)?.expect_code(0).context("run again")?;
    Ok(())
}
