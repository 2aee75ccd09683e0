//! helm's own flags on the plugin's command line: passed on if the linked helm knows them, rejected by name if not, and
//! respected in the forecast.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use mural_tests::parts;
use mural_tests::sandbox::User;

use crate::Test;
use crate::lock::newer_flags;
use crate::refusals::{command, upgrade};
use crate::small::{self, NAMESPACE};
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[
    ("helm_passthrough::values_are_reused_as_helm_reuses_them", values_are_reused_as_helm_reuses_them),
    ("helm_passthrough::helm_3_post_renders", helm_3_post_renders),
    ("helm_passthrough::helm_4_writes_server_side", helm_4_writes_server_side),
];

/// The newer application with a value that the older one has not, and a template that needs it.
fn with_a_new_value(test_cluster: &TestCluster) -> Result<PathBuf> {
    let folder = test_cluster.files().join("mural-banner");
    small::copy_folder(&small::app(test_cluster, "1.1.0-rc.3")?, &folder)?;
    std::fs::write(folder.join("values.yaml"), "password: none\nnode: \"\"\nbanner: welcome\n")?;
    let banner = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: banner}\ndata: {banner: {{ required \"banner is needed\" .Values.banner }}}\n";
    std::fs::write(folder.join("templates/banner.yaml"), banner)?;
    Ok(folder)
}

/// `--reuse-values` renders with the old chart's defaults: what only the new chart says is missing, and the forecast
/// knows it.
fn values_are_reused_as_helm_reuses_them(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let chart = with_a_new_value(test_cluster)?.display().to_string();
    let mark = test_cluster.mark()?;
    let asked = ["--chart", &chart, "--crds", "0.7.4"];
    upgrade(test_cluster, User::Operator, &["plan"], &asked)?.expect_code(2)?;
    let reused = [&asked[..], &["--reuse-values"]].concat();
    let refused = upgrade(test_cluster, User::Operator, &["plan"], &reused)?.expect_code(1)?;
    ensure!(refused.stderr.contains("does not render"), "{}", refused.stderr);
    ensure!(refused.stderr.contains("banner is needed"), "{}", refused.stderr);
    test_cluster.ensure_nothing_written(mark)?;
    let helm = ["upgrade", "mural", &chart, "--namespace", NAMESPACE, "--reuse-values", "--dry-run=server"];
    let itself = test_cluster.run(User::Operator, "helm", &helm)?;
    ensure!(itself.code != 0 && itself.stderr.contains("banner is needed"), "helm took it: {itself:?}");
    let given = [&reused[..], &["--set", "banner=mine"]].concat();
    upgrade(test_cluster, User::Operator, &["plan"], &given)?.expect_code(2).map(drop)
}

fn with_helm(test_cluster: &TestCluster, helm: &str, words: &[&str], flags: &[&str]) -> Result<CommandOutput> {
    let program = parts::find_or_build(&parts::helm(Some(helm))?)?.path;
    let mut command = command(test_cluster, User::Operator, words, flags)?;
    crate::test_cluster::to_command_output(command.env("HELM_BIN", program).output()?)
}

fn helm_3_post_renders(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let mark = test_cluster.mark()?;
    let unknown = with_helm(test_cluster, "3", &["plan"], &newer_flags(&["--server-side=true"]))?.expect_code(64)?;
    ensure!(unknown.stderr.contains("does not support --server-side"), "{}", unknown.stderr);
    test_cluster.ensure_nothing_written(mark)?;
    let program = test_cluster.files().join("rename-image");
    std::fs::write(&program, "#!/bin/sh\nexec sed \"s|example.com/canvas|$1/canvas|\"\n")?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let program = program.display().to_string();
    let passed = ["--post-renderer", &program, "--post-renderer-args", "mirror.example", "--no-hooks"];
    let flags = [&newer_flags(&["--yes", "--history-max", "4"])[..], &passed].concat();
    let done = with_helm(test_cluster, "3", &[], &flags)?.expect_code(0)?;
    for word in ["--no-hooks", "--history-max 4", "--post-renderer-args=mirror.example"] {
        ensure!(done.all_text().contains(word), "the plan does not show {word:?}:\n{}", done.all_text());
    }
    let canvas = test_cluster.get(&["deployment/canvas", "--namespace", NAMESPACE])?;
    let image = canvas.pointer("/spec/template/spec/containers/0/image").context("an image")?;
    ensure!(image == "mirror.example/canvas:1.1.0-rc.3", "the post-renderer was not asked: {image}");
    Ok(())
}

fn helm_4_writes_server_side(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let flags = newer_flags(&["--yes", "--server-side=true", "--force-conflicts"]);
    let done = with_helm(test_cluster, "4", &[], &flags)?.expect_code(0)?;
    ensure!(done.all_text().contains("--server-side=true --force-conflicts"), "{}", done.all_text());
    let canvas = test_cluster.get(&["deployment/canvas", "--namespace", NAMESPACE, "--show-managed-fields"])?;
    let by_helm = |entry: &serde_json::Value| entry["manager"] == "helm" && entry["operation"] == "Apply";
    let managed = canvas.pointer("/metadata/managedFields").and_then(serde_json::Value::as_array).context("fields")?;
    ensure!(managed.iter().any(by_helm), "helm did not apply: {managed:?}");
    Ok(())
}
