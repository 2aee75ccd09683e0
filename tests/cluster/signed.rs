//! Whose signature the charts bear: helm's own provenance files on both lines of helm, cosign played by a script.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use mural_tests::scripted;

use crate::Test;
use crate::ground::{Ended, Ground, ended};
use crate::small::{self, NAMESPACE};

pub const TESTS: &[Test] = &[("signed::charts_are_taken_with_the_right_key_alone", the_right_key)];

fn key(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/keys").join(name).display().to_string()
}

fn the_right_key(ground: &Ground) -> Result<()> {
    ground.older()?;
    let files = signed(ground)?;
    provenance(ground, &files)?;
    cosign(ground)?;
    // The oldest helm that we take verifies a chart that was pulled by digest too.
    ground.use_helm("3.17")?;
    let charts = in_registry(ground, "signed")?;
    plan(ground, &charts, &["--verify", "--keyring", &key("vendor.gpg")], None)?.with(2).context("helm 3.17")?;
    Ok(())
}

/// Both newer charts, packed, signed, and pushed beside the unsigned ones.
fn signed(ground: &Ground) -> Result<[String; 2]> {
    let into = ground.files().join("signed").display().to_string();
    let registry = format!("oci://{}/signed", ground.sandbox()?.registry());
    let helm = |args: &[&str]| ground.run(User::Admin, "helm", args)?.with(0);
    let secret = key("vendor-secret.gpg");
    let one = |folder: PathBuf| -> Result<String> {
        let folder = folder.display().to_string();
        let sign = ["package", &folder, "--sign", "--key", "vendor", "--keyring", &secret, "--destination", &into];
        let file = helm(&sign)?.stdout.rsplit_once(": ").context("helm says where the file is")?.1.trim().to_owned();
        helm(&["push", &file, &registry, "--plain-http"])?;
        Ok(file)
    };
    Ok([one(small::crds(ground, "0.7.4")?)?, one(small::app(ground, "1.1.0-rc.3")?)?])
}

fn in_registry(ground: &Ground, folder: &str) -> Result<[String; 2]> {
    let registry = ground.sandbox()?.registry();
    Ok(["mural-crds", "mural"].map(|name| format!("oci://{registry}/{folder}/{name}")))
}

fn provenance(ground: &Ground, [crds, app]: &[String; 2]) -> Result<()> {
    let (vendor, other) = (key("vendor.gpg"), key("other.gpg"));
    let verify = |charts: &[String; 2], keyring: &str| plan(ground, charts, &["--verify", "--keyring", keyring], None);
    let pushed = in_registry(ground, "signed")?;
    verify(&pushed, &vendor)?.with(2).context("signed, in a registry")?;
    verify(&[crds.clone(), app.clone()], &vendor)?.with(2).context("signed, in files")?;
    let refused = verify(&pushed, &other)?.with(5).context("another key")?;
    ensure!(refused.all().contains("helm does not take its signature"), "{}", refused.all());
    let unsigned = verify(&in_registry(ground, "mural")?, &vendor)?.with(5).context("unsigned")?;
    ensure!(unsigned.all().contains("it has no provenance file"), "{}", unsigned.all());
    let nowhere = verify(&pushed, "/nowhere.gpg")?.with(3).context("no keyring")?;
    ensure!(nowhere.all().contains("the keyring /nowhere.gpg is not there"), "{}", nowhere.all());
    Ok(())
}

/// cosign is told the key and the digest, and its word counts.
fn cosign(ground: &Ground) -> Result<()> {
    let charts = in_registry(ground, "mural")?;
    let folder = ground.files().join("with-cosign");
    let said = folder.join("said");
    let script = |code: u8| {
        let lines = format!("echo \"$@\" >> '{}'\necho 'no matching signatures' >&2\nexit {code}\n", said.display());
        scripted::program(&folder.join("cosign"), &lines)
    };
    script(0)?;
    plan(ground, &charts, &["--cosign-key", "vendor.pub"], Some(&folder))?.with(2)?;
    let told = std::fs::read_to_string(&said)?;
    ensure!(
        told.contains("verify --key vendor.pub --allow-http-registry") && told.contains("/mural/mural@sha256:"),
        "{told}"
    );
    script(1)?;
    let refused = plan(ground, &charts, &["--cosign-key", "vendor.pub"], Some(&folder))?.with(5)?;
    ensure!(refused.all().contains("cosign does not take its signature: no matching signatures"), "{}", refused.all());
    Ok(())
}

fn plan(ground: &Ground, [crds, app]: &[String; 2], more: &[&str], first: Option<&Path>) -> Result<Ended> {
    let mut plan = ground.command(User::Operator, "kubectl-mural-upgrade")?;
    plan.args(["plan", "--namespace", NAMESPACE, "--plain-http", "--to", "1.1.0-rc.3", "--crds", "0.7.4"]);
    plan.args(["--crds-chart", crds, "--chart", app, "--values", &small::values(ground)?]).args(more);
    if let Some(folder) = first {
        let path = plan.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path.map(OsString::from));
        let path = path.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        let all = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
        plan.env("PATH", std::env::join_paths(all)?);
    }
    ended(plan.output()?)
}
