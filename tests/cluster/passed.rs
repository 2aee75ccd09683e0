//! helm's own flags: passed on where this helm knows them, refused by name where it does not, and in the forecast too.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use mural_tests::parts;
use mural_tests::sandbox::User;

use crate::Test;
use crate::ground::{Ended, Ground};
use crate::lock::newer;
use crate::refusals::{command, upgrade};
use crate::small::{self, NAMESPACE};

pub const TESTS: &[Test] = &[
    ("passed::values_are_reused_as_helm_reuses_them", values_are_reused_as_helm_reuses_them),
    ("passed::helm_3_post_renders", helm_3_post_renders),
    ("passed::helm_4_writes_server_side", helm_4_writes_server_side),
];

/// The newer application with a value that the older one has not, and a template that needs it.
fn with_a_new_value(ground: &Ground) -> Result<PathBuf> {
    let folder = ground.files().join("mural-banner");
    small::lay(&small::app(ground, "1.1.0-rc.3")?, &folder)?;
    std::fs::write(folder.join("values.yaml"), "password: none\nnode: \"\"\nbanner: welcome\n")?;
    let banner = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: banner}\ndata: {banner: {{ required \"banner is needed\" .Values.banner }}}\n";
    std::fs::write(folder.join("templates/banner.yaml"), banner)?;
    Ok(folder)
}

/// `--reuse-values` renders with the old chart's defaults: what only the new chart says is missing, and the forecast knows it.
fn values_are_reused_as_helm_reuses_them(ground: &Ground) -> Result<()> {
    ground.older()?;
    let chart = with_a_new_value(ground)?.display().to_string();
    let mark = ground.mark()?;
    let asked = ["--chart", &chart, "--crds", "0.7.4"];
    upgrade(ground, User::Operator, &["plan"], &asked)?.with(2)?;
    let reused = [&asked[..], &["--reuse-values"]].concat();
    let refused = upgrade(ground, User::Operator, &["plan"], &reused)?.with(1)?;
    ensure!(refused.stderr.contains("does not render"), "{}", refused.stderr);
    ensure!(refused.stderr.contains("banner is needed"), "{}", refused.stderr);
    ground.nothing_written(mark)?;
    let helm = ["upgrade", "mural", &chart, "--namespace", NAMESPACE, "--reuse-values", "--dry-run=server"];
    let itself = ground.run(User::Operator, "helm", &helm)?;
    ensure!(itself.code != 0 && itself.stderr.contains("banner is needed"), "helm took it: {itself:?}");
    let given = [&reused[..], &["--set", "banner=mine"]].concat();
    upgrade(ground, User::Operator, &["plan"], &given)?.with(2).map(drop)
}

fn with_helm(ground: &Ground, helm: &str, words: &[&str], flags: &[&str]) -> Result<Ended> {
    let program = parts::find_or_build(&parts::helm(Some(helm))?)?.path;
    let mut command = command(ground, User::Operator, words, flags)?;
    crate::ground::ended(command.env("HELM_BIN", program).output()?)
}

fn helm_3_post_renders(ground: &Ground) -> Result<()> {
    ground.older()?;
    let mark = ground.mark()?;
    let unknown = with_helm(ground, "3", &["plan"], &newer(&["--server-side=true"]))?.with(64)?;
    ensure!(unknown.stderr.contains("does not know --server-side"), "{}", unknown.stderr);
    ground.nothing_written(mark)?;
    let program = ground.files().join("rename-image");
    std::fs::write(&program, "#!/bin/sh\nexec sed \"s|example.com/canvas|$1/canvas|\"\n")?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let program = program.display().to_string();
    let passed = ["--post-renderer", &program, "--post-renderer-args", "mirror.example", "--no-hooks"];
    let flags = [&newer(&["--yes", "--history-max", "4"])[..], &passed].concat();
    let done = with_helm(ground, "3", &[], &flags)?.with(0)?;
    for word in ["--no-hooks", "--history-max 4", "--post-renderer-args=mirror.example"] {
        ensure!(done.all().contains(word), "the plan does not show {word:?}:\n{}", done.all());
    }
    let canvas = ground.get(&["deployment/canvas", "--namespace", NAMESPACE])?;
    let image = canvas.pointer("/spec/template/spec/containers/0/image").context("an image")?;
    ensure!(image == "mirror.example/canvas:1.1.0-rc.3", "the post-renderer was not asked: {image}");
    Ok(())
}

fn helm_4_writes_server_side(ground: &Ground) -> Result<()> {
    ground.older()?;
    let flags = newer(&["--yes", "--server-side=true", "--force-conflicts"]);
    let done = with_helm(ground, "4", &[], &flags)?.with(0)?;
    ensure!(done.all().contains("--server-side=true --force-conflicts"), "{}", done.all());
    let canvas = ground.get(&["deployment/canvas", "--namespace", NAMESPACE, "--show-managed-fields"])?;
    let by_helm = |entry: &serde_json::Value| entry["manager"] == "helm" && entry["operation"] == "Apply";
    let managed = canvas.pointer("/metadata/managedFields").and_then(serde_json::Value::as_array).context("fields")?;
    ensure!(managed.iter().any(by_helm), "helm did not apply: {managed:?}");
    Ok(())
}
