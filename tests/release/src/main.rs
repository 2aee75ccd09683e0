//! `cargo xtask dist`: what a release publishes, in one folder.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use mural_release::archive::Packing;
use mural_release::dist::{ProgramSource, ReleaseKeys, build_archive, write_release_files};
use mural_release::program_build::BuildProfile;
use mural_release::release_info::ReleaseInfo;
use mural_release::signature::SigningKey;
use mural_release::target::Target;

/// Build the archives of a release, with checksums, SBOM, signatures, and the manifests of krew, Homebrew and helm.
#[derive(Debug, Parser)]
#[command(name = "dist", bin_name = "cargo xtask dist", after_help = KEYS)]
struct Cli {
    /// Target: linux-amd64, linux-arm64, darwin-amd64 or darwin-arm64; repeatable. Default: this machine.
    #[arg(long, value_parser = parse_target)]
    target: Vec<Target>,
    /// Profile of the build.
    #[arg(long, value_enum, default_value = "dist")]
    profile: Profile,
    /// Pack the programs of this folder instead of building them.
    #[arg(long, value_name = "DIR", conflicts_with = "profile")]
    programs: Option<PathBuf>,
    /// Build nothing: use the archives that are in the folder.
    #[arg(long, conflicts_with_all = ["target", "profile", "programs"])]
    collect: bool,
    /// Folder for the files.
    #[arg(long, default_value = "target/dist-files", value_name = "DIR")]
    out: PathBuf,
}

const KEYS: &str = "Environment:
  MURAL_MINISIGN_KEY       text of a minisign key file: signs SHA256SUMS
  MURAL_MINISIGN_PASSWORD  its password, if it has one
  MURAL_HELM_SIGNER        user id of a key in the key ring of gpg: signs the helm plugin
  SOURCE_DATE_EPOCH        time of all files; default: the time of the commit";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Profile {
    /// Small, with the floor of glibc: for a release.
    Dist,
    /// Quick to build: to try the archives.
    Dev,
}

fn parse_target(text: &str) -> Result<Target, String> {
    let names = || Target::ALL.map(|target| target.to_string()).join(", ");
    Target::parse(text).ok_or_else(|| format!("the targets are {}", names()))
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(text) => {
            // The reader of the stream may have closed it.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<String> {
    // tests/release is two folders below the root of the workspace.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let release = ReleaseInfo::read(&root, env_var("SOURCE_DATE_EPOCH").as_deref())?;
    let mut text = format!("mural {}, commit {}\n\n", release.tag(), release.commit.as_deref().unwrap_or("unknown"));
    let mut packing = Packing::Small;
    if !cli.collect {
        let source = match (&cli.programs, cli.profile) {
            (Some(folder), _) => ProgramSource::Folder(folder.clone()),
            (None, Profile::Dist) => ProgramSource::Build(BuildProfile::Dist),
            (None, Profile::Dev) => ProgramSource::Build(BuildProfile::Dev),
        };
        if !matches!(source, ProgramSource::Build(BuildProfile::Dist)) {
            packing = Packing::Quick;
        }
        for target in list_targets(&cli.target)? {
            text.push_str(&build_archive(&release, target, &source, &cli.out)?);
        }
    }
    let names = write_release_files(&release, &cli.out, &read_keys(), packing)?;
    text.push_str(&format!("\nin {}:\n", cli.out.display()));
    names.iter().for_each(|name| text.push_str(&format!("  {name}\n")));
    Ok(text)
}

fn list_targets(given: &[Target]) -> Result<Vec<Target>> {
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    Ok(vec![Target::of_this_machine().context("a release has no archive for this machine: use --target")?])
}

fn read_keys() -> ReleaseKeys {
    let minisign =
        env_var("MURAL_MINISIGN_KEY").map(|text| SigningKey { text, password: env_var("MURAL_MINISIGN_PASSWORD") });
    ReleaseKeys { minisign, helm_user_id: env_var("MURAL_HELM_SIGNER"), gpg_home: None }
}

#[expect(clippy::disallowed_methods, reason = "a task of the developers reads its environment here")]
fn env_var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
