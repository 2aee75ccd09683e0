//! The helm plugin as one archive for every helm and every target.
//!
//! helm 3 and helm 4 unpack an archive from a URL and read `plugin.yaml` at its root: the legacy form, which both know. helm 4
//! installs a file only from the folder `mural/`: the form `apiVersion: v1`, which helm 5 will require. The programs are in
//! `mural/` once, and both forms point to them. Signatures are clear-signed OpenPGP texts, as `helm plugin package --sign` makes.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::archive::{ArchiveFiles, FileKind};
use crate::checksums::sha256;
use crate::release_info::ReleaseInfo;
use crate::target::Target;

const SHORT_HELP: &str = "show, compare, check and apply the CRDs of a chart";
const LONG_HELP: &str = "helm mural crds shows the CRDs on the cluster, compares and checks the CRDs of a chart, and applies, migrates, backs up and restores them.";
/// The folder of the plugin. helm 4 takes it from the name of the archive.
const FOLDER: &str = "mural";

/// The name of the archive: `mural-0.1.0.tgz`. helm 4 requires NAME-VERSION.tgz.
#[must_use]
pub fn archive_name(release: &ReleaseInfo) -> String {
    format!("{FOLDER}-{}.tgz", release.version)
}

/// Collects the files from the archives of the targets.
///
/// # Errors
/// An archive does not contain a file that the plugin needs.
pub fn collect_files(release: &ReleaseInfo, archives: &[(Target, ArchiveFiles)]) -> Result<ArchiveFiles> {
    let mut files = ArchiveFiles::default();
    let targets: Vec<Target> = archives.iter().map(|(target, _)| *target).collect();
    for (target, archive) in archives {
        let program = archive.content("bin/helm-mural").with_context(|| format!("no helm-mural for {target}"))?;
        files.add(&format!("{FOLDER}/bin/{target}/helm-mural"), FileKind::Program, program)?;
    }
    let (_, some) = archives.first().context("there is no archive")?;
    for name in ["LICENSE", "THIRD-PARTY-LICENSES.txt"] {
        let content = some.content(name).with_context(|| format!("{name} is missing"))?;
        files.add(&format!("{FOLDER}/{name}"), FileKind::Data, content)?;
    }
    files.add(&format!("{FOLDER}/plugin.yaml"), FileKind::Data, render_v1(release, &targets)?)?;
    files.add(&format!("{FOLDER}/plugin.complete"), FileKind::Program, render_completion(&targets)?)?;
    files.add("plugin.yaml", FileKind::Data, render_legacy(release, &targets)?)?;
    let forward = format!("#!/bin/sh\nexec \"$(dirname \"$0\")/{FOLDER}/plugin.complete\" \"$@\"\n");
    files.add("plugin.complete", FileKind::Program, forward)?;
    Ok(files)
}

/// helm 3 refuses unknown keys, and 3.17 refuses `args`.
fn render_legacy(release: &ReleaseInfo, targets: &[Target]) -> Result<String> {
    let mut text = format!(
        "name: mural\nversion: {}\nusage: {SHORT_HELP}\ndescription: |-\n  {LONG_HELP}\nignoreFlags: false\nplatformCommand:\n",
        release.version
    );
    write_commands(&mut text, targets, "  ", &format!("${{HELM_PLUGIN_DIR}}/{FOLDER}"))?;
    Ok(text)
}

fn render_v1(release: &ReleaseInfo, targets: &[Target]) -> Result<String> {
    let mut text = format!(
        "apiVersion: v1
type: cli/v1
name: mural
version: {}
runtime: subprocess
sourceURL: {}
config:
  usage: mural crds
  shortHelp: {SHORT_HELP}
  longHelp: |-
    {LONG_HELP}
  ignoreFlags: false
runtimeConfig:
  platformCommand:
",
        release.version, release.repository
    );
    write_commands(&mut text, targets, "    ", "${HELM_PLUGIN_DIR}")?;
    Ok(text)
}

fn write_commands(text: &mut String, targets: &[Target], indent: &str, folder: &str) -> Result<()> {
    for target in targets {
        let (os, arch) = (target.os(), target.arch());
        writeln!(text, "{indent}- os: {os}\n{indent}  arch: {arch}")?;
        writeln!(text, "{indent}  command: \"{folder}/bin/{target}/helm-mural\"")?;
    }
    Ok(())
}

fn render_completion(targets: &[Target]) -> Result<String> {
    let mut text = "#!/bin/sh\ncase $(uname -s)-$(uname -m) in\n".to_owned();
    for target in targets {
        let names = match target {
            Target::LinuxAmd64 => "Linux-x86_64",
            Target::LinuxArm64 => "Linux-aarch64",
            Target::DarwinAmd64 => "Darwin-x86_64",
            Target::DarwinArm64 => "Darwin-arm64",
        };
        writeln!(text, "    {names}) target={target} ;;")?;
    }
    text.push_str("    *) exit 1 ;;\nesac\n");
    text.push_str("exec \"$(dirname \"$0\")/bin/$target/helm-mural\" __complete \"$@\" 2>/dev/null\n");
    Ok(text)
}

/// Signs the archive: the plugin's metadata and the checksum, clear-signed by `gpg` with the key of this user id.
///
/// `gpg_home` is the folder with the key ring (`GNUPGHOME`); `None` is the user's own.
///
/// # Errors
/// gpg is missing or has no such key.
#[expect(clippy::disallowed_methods, reason = "a task of the developers; the ban is for the product")]
pub fn sign_archive(archive: &Path, metadata: &str, user_id: &str, gpg_home: Option<&Path>) -> Result<String> {
    let name = archive.file_name().and_then(|name| name.to_str()).context("the archive has no name")?;
    let checksum = sha256(&fs::read(archive)?);
    let message = format!("{}\n\n...\nfiles:\n  {name}: sha256:{checksum}\n", metadata.trim_end());
    let mut gpg = Command::new("gpg");
    gpg.args(["--batch", "--yes", "--quiet", "--digest-algo", "SHA512", "--local-user", user_id, "--clearsign"]);
    gpg.envs(gpg_home.map(|folder| ("GNUPGHOME", folder)));
    let mut running = gpg.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start gpg")?;
    running.stdin.take().context("gpg has no standard input")?.write_all(message.as_bytes())?;
    let output = running.wait_with_output()?;
    ensure!(output.status.success(), "gpg cannot sign with the key {user_id}");
    Ok(String::from_utf8(output.stdout)?)
}
