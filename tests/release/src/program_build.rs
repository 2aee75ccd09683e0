//! Builds the programs of one target with cargo.
//!
//! A release build is reproducible: paths of this machine are replaced, and commit and date come from git. On Linux it goes
//! through cargo-zigbuild, which links against an old glibc; `cargo auditable` adds the list of packages to each program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::archive::Packing;
use crate::release_info::ReleaseInfo;
use crate::target::{GLIBC_FLOOR, Target};

/// The packages of the plugins. Each builds one program of the same name.
pub const PROGRAMS: [&str; 4] = ["kubectl-mural", "kubectl-mural-upgrade", "kubectl-mural-validate", "helm-mural"];

/// How the programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildProfile {
    /// Small, slow to build, with the floor of glibc: for a release.
    Dist,
    /// Quick to build, for this machine only: to try the archives.
    Dev,
}

impl BuildProfile {
    const fn name(self) -> &'static str {
        match self {
            Self::Dist => "dist",
            Self::Dev => "dev",
        }
    }

    /// How archives of such programs are packed.
    #[must_use]
    pub const fn packing(self) -> Packing {
        match self {
            Self::Dist => Packing::Small,
            Self::Dev => Packing::Quick,
        }
    }
}

/// Builds the programs and returns their folder.
///
/// # Errors
/// A tool is missing, or the build fails.
pub fn build_programs(release: &ReleaseInfo, target: Target, profile: BuildProfile) -> Result<PathBuf> {
    let mut command = cargo(release);
    match profile {
        BuildProfile::Dev => {
            ensure!(Target::of_this_machine() == Some(target), "--profile dev builds for this machine only");
            command.arg("build");
        }
        BuildProfile::Dist => {
            for tool in ["auditable", "zigbuild"].iter().take(if target.has_glibc() { 2 } else { 1 }) {
                require_subcommand(tool)?;
            }
            let (major, minor) = GLIBC_FLOOR;
            command.args(if target.has_glibc() { ["auditable", "zigbuild"] } else { ["auditable", "build"] });
            let floor = if target.has_glibc() { format!(".{major}.{minor}") } else { String::new() };
            command.arg("--target").arg(format!("{}{floor}", target.triple()));
            command.env("CARGO_ENCODED_RUSTFLAGS", remap_flags(release)?);
        }
    }
    command.args(["--locked", "--profile", profile.name()]);
    command.args(PROGRAMS.iter().flat_map(|name| ["--package", *name]));
    let status = command.status().context("cannot start cargo")?;
    ensure!(status.success(), "the programs for {target} cannot be built: {status}");
    let folder = target_folder(release)?;
    Ok(match profile {
        BuildProfile::Dev => folder.join("debug"),
        BuildProfile::Dist => folder.join(target.triple()).join("dist"),
    })
}

/// Panic messages hold paths of source files. Without these flags, the bytes depend on the folder of the checkout.
fn remap_flags(release: &ReleaseInfo) -> Result<String> {
    let cargo_home = match env_var("CARGO_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&env_var("HOME").context("neither CARGO_HOME nor HOME is set")?).join(".cargo"),
    };
    let root = release.root.canonicalize()?;
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    // The unit separator is cargo's separator of flags: a path may contain a space.
    Ok([remap(&cargo_home, "/cargo"), remap(&root, "/mural")].join("\u{1f}"))
}

fn target_folder(release: &ReleaseInfo) -> Result<PathBuf> {
    let output = cargo(release).args(["metadata", "--no-deps", "--format-version=1", "--locked"]).output()?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata prints another form")?;
    Ok(metadata["target_directory"].as_str().context("cargo metadata has no target folder")?.into())
}

/// cargo, with what `--version` of the programs shows.
#[expect(clippy::disallowed_methods, reason = "a task of the developers; the ban is for the product")]
fn cargo(release: &ReleaseInfo) -> Command {
    let mut command = Command::new(env_var("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(&release.root);
    command.env("SOURCE_DATE_EPOCH", release.epoch_seconds.to_string());
    command.env("MURAL_BUILD_COMMIT", release.commit.clone().unwrap_or_default());
    command.env("MURAL_BUILD_DATE", release.date().unwrap_or_default());
    command
}

#[expect(clippy::disallowed_methods, reason = "a task of the developers; the ban is for the product")]
fn require_subcommand(name: &str) -> Result<()> {
    let there = Command::new(format!("cargo-{name}")).arg("--version").output().is_ok();
    if there {
        return Ok(());
    }
    match name {
        "zigbuild" => bail!("cargo-zigbuild is missing\n  → pip install cargo-zigbuild ziglang"),
        _ => bail!("cargo-{name} is missing\n  → cargo install --locked cargo-{name}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a task of the developers; the ban is for the product")]
fn env_var(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
