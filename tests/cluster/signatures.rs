//! Chart signatures: helm's provenance files with helm 3 and helm 4, and cosign, which a script replaces.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use mural_tests::scripted;

use crate::Test;
use crate::small::{self, NAMESPACE};
use crate::test_cluster::{CommandOutput, TestCluster, to_command_output};

pub const TESTS: &[Test] = &[("signatures::charts_need_a_signature_by_the_right_key", the_right_key)];

fn key(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/keys").join(name).display().to_string()
}

fn the_right_key(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let files = signed(test_cluster)?;
    provenance(test_cluster, &files)?;
    cosign(test_cluster)?;
    // The oldest supported helm also verifies a chart that was pulled by digest.
    test_cluster.use_helm("3.17")?;
    let charts = in_registry(test_cluster, "signed")?;
    plan(test_cluster, &charts, &["--verify", "--keyring", &key("vendor.gpg")], None)?
        .expect_code(2)
        .context("helm 3.17")?;
    Ok(())
}

/// Packs and signs both newer charts, and pushes them next to the unsigned ones.
fn signed(test_cluster: &TestCluster) -> Result<[String; 2]> {
    let into = test_cluster.files().join("signed").display().to_string();
    let registry = format!("oci://{}/signed", test_cluster.sandbox()?.registry());
    let helm = |args: &[&str]| test_cluster.run(User::Admin, "helm", args)?.expect_code(0);
    let secret = key("vendor-secret.gpg");
    let one = |folder: PathBuf| -> Result<String> {
        let folder = folder.display().to_string();
        let sign = ["package", &folder, "--sign", "--key", "vendor", "--keyring", &secret, "--destination", &into];
        let file = helm(&sign)?.stdout.rsplit_once(": ").context("helm says where the file is")?.1.trim().to_owned();
        helm(&["push", &file, &registry, "--plain-http"])?;
        Ok(file)
    };
    Ok([one(small::crds(test_cluster, "0.7.4")?)?, one(small::app(test_cluster, "1.1.0-rc.3")?)?])
}

fn in_registry(test_cluster: &TestCluster, folder: &str) -> Result<[String; 2]> {
    let registry = test_cluster.sandbox()?.registry();
    Ok(["mural-crds", "mural"].map(|name| format!("oci://{registry}/{folder}/{name}")))
}

fn provenance(test_cluster: &TestCluster, [crds, app]: &[String; 2]) -> Result<()> {
    let (vendor, other) = (key("vendor.gpg"), key("other.gpg"));
    let verify =
        |charts: &[String; 2], keyring: &str| plan(test_cluster, charts, &["--verify", "--keyring", keyring], None);
    let pushed = in_registry(test_cluster, "signed")?;
    verify(&pushed, &vendor)?.expect_code(2).context("signed, in a registry")?;
    verify(&[crds.clone(), app.clone()], &vendor)?.expect_code(2).context("signed, in files")?;
    let refused = verify(&pushed, &other)?.expect_code(5).context("another key")?;
    ensure!(refused.all_text().contains("helm rejects its signature"), "{}", refused.all_text());
    let unsigned = verify(&in_registry(test_cluster, "mural")?, &vendor)?.expect_code(5).context("unsigned")?;
    ensure!(unsigned.all_text().contains("it has no provenance file"), "{}", unsigned.all_text());
    let nowhere = verify(&pushed, "/nowhere.gpg")?.expect_code(3).context("no keyring")?;
    ensure!(nowhere.all_text().contains("the keyring /nowhere.gpg does not exist"), "{}", nowhere.all_text());
    Ok(())
}

/// cosign gets the key and the digest, and its exit code decides.
fn cosign(test_cluster: &TestCluster) -> Result<()> {
    let charts = in_registry(test_cluster, "mural")?;
    let folder = test_cluster.files().join("with-cosign");
    let said = folder.join("said");
    let script = |code: u8| {
        let lines = format!("echo \"$@\" >> '{}'\necho 'no matching signatures' >&2\nexit {code}\n", said.display());
        scripted::write_program(&folder.join("cosign"), &lines)
    };
    script(0)?;
    plan(test_cluster, &charts, &["--cosign-key", "vendor.pub"], Some(&folder))?.expect_code(2)?;
    let told = std::fs::read_to_string(&said)?;
    ensure!(
        told.contains("verify --key vendor.pub --allow-http-registry") && told.contains("/mural/mural@sha256:"),
        "{told}"
    );
    script(1)?;
    let refused = plan(test_cluster, &charts, &["--cosign-key", "vendor.pub"], Some(&folder))?.expect_code(5)?;
    ensure!(
        refused.all_text().contains("cosign rejects its signature: no matching signatures"),
        "{}",
        refused.all_text()
    );
    Ok(())
}

fn plan(
    test_cluster: &TestCluster,
    [crds, app]: &[String; 2],
    more: &[&str],
    first: Option<&Path>,
) -> Result<CommandOutput> {
    let mut plan = test_cluster.command(User::Operator, "kubectl-mural-upgrade")?;
    plan.args(["plan", "--namespace", NAMESPACE, "--plain-http", "--to", "1.1.0-rc.3", "--crds", "0.7.4"]);
    plan.args(["--crds-chart", crds, "--chart", app, "--values", &small::values(test_cluster)?]).args(more);
    if let Some(folder) = first {
        let path = plan.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path.map(OsString::from));
        let path = path.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        let all = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
        plan.env("PATH", std::env::join_paths(all)?);
    }
    to_command_output(plan.output()?)
}
