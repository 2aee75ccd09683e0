//! `cargo xtask dist`: builds the archives, then everything that depends on their checksums.
//!
//! Two stages, so that several machines can each build their targets: `build_archives` writes one archive and one bill of
//! materials per target; `write_release_files` reads all archives of the folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::archive::{ArchiveFiles, Packing};
use crate::checksums::{list_checksums, sha256};
use crate::dependencies::list_packages;
use crate::krew_manifest::ArchiveLocation;
use crate::measurements::{format_size, measure_start};
use crate::program_build::{BuildProfile, PROGRAMS, build_programs};
use crate::release_info::ReleaseInfo;
use crate::sbom::render_sbom;
use crate::signature::{SigningKey, sign};
use crate::symbol_versions::require_glibc_floor;
use crate::target::Target;
use crate::target_archive::{archive_name, sbom_name};
use crate::third_party_licences::render_licences;
use crate::{brew_formula, checksums, helm_plugin, krew_manifest, target_archive};

/// helm 4.2 pulls no larger layer from a registry (oras-go 2.6.1, `content/reader.go`, `maxDescriptorSize`).
const MAX_PLUGIN_BYTES: usize = 32 * 1024 * 1024;

/// Where the programs of a target come from.
#[derive(Debug, Clone)]
pub enum ProgramSource {
    /// cargo builds them.
    Build(BuildProfile),
    /// They are in this folder, for a trial: the floor of glibc is not required, and the archive is not compressed.
    Folder(PathBuf),
}

/// Keys for signatures. A release without them has checksums only.
#[derive(Default)]
pub struct ReleaseKeys {
    /// Signs `SHA256SUMS`.
    pub minisign: Option<SigningKey>,
    /// User id of the OpenPGP key that signs the helm plugin.
    pub helm_user_id: Option<String>,
    /// The folder of the OpenPGP key ring; `None` is the user's own.
    pub gpg_home: Option<PathBuf>,
}

/// Builds the archive and the bill of materials of a target. Returns a summary for the screen.
///
/// # Errors
/// The build fails, or a program needs a newer glibc than the floor.
pub fn build_archive(release: &ReleaseInfo, target: Target, source: &ProgramSource, folder: &Path) -> Result<String> {
    let (programs, packing) = match source {
        ProgramSource::Build(profile) => (build_programs(release, target, *profile)?, profile.packing()),
        ProgramSource::Folder(folder) => (folder.clone(), Packing::Quick),
    };
    let packages = list_packages(&release.root, target)?;
    let files = target_archive::collect_files(release, &programs, &render_licences(&packages)?)?;
    let bytes = files.pack(release.epoch_seconds, packing.compression())?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join(archive_name(release, target)), &bytes)?;
    fs::write(folder.join(sbom_name(release, target)), render_sbom(release, target, &packages)?)?;
    let mut summary = format!("{}  {}\n", archive_name(release, target), format_size(bytes.len()));
    for name in PROGRAMS {
        summary.push_str(&describe_program(&files, name, &programs, target, source)?);
    }
    let others = files.paths().filter(|path| !path.starts_with("bin/"));
    summary.push_str(&format!("  {}\n", others.collect::<Vec<_>>().join(" ")));
    Ok(summary)
}

fn describe_program(
    files: &ArchiveFiles,
    name: &str,
    programs: &Path,
    target: Target,
    source: &ProgramSource,
) -> Result<String> {
    let content = files.content(&format!("bin/{name}")).context("a program is missing")?;
    let mut line = format!("  bin/{name:<24} {:>9}", format_size(content.len()));
    if matches!(source, ProgramSource::Build(BuildProfile::Dist)) && target.has_glibc() {
        let newest = require_glibc_floor(name, content)?;
        let floor = newest.map_or_else(|| "static".to_owned(), |(major, minor)| format!("glibc {major}.{minor}"));
        line.push_str(&format!("  {floor}"));
    }
    if Target::of_this_machine() == Some(target) {
        let start = measure_start(&programs.join(name))?;
        line.push_str(&format!("  starts in {:.1} ms", start.as_secs_f64() * 1000.0));
    }
    Ok(line + "\n")
}

/// Writes the files that depend on the archives: helm plugin, manifests, checksums and signatures. Returns their names.
///
/// # Errors
/// The folder has no archive, or a key does not work.
pub fn write_release_files(
    release: &ReleaseInfo,
    folder: &Path,
    keys: &ReleaseKeys,
    packing: Packing,
) -> Result<Vec<String>> {
    let mut archives = Vec::new();
    let mut names = Vec::new();
    for target in Target::ALL {
        if let Ok(bytes) = fs::read(folder.join(archive_name(release, target))) {
            names.extend([archive_name(release, target), sbom_name(release, target)]);
            archives.push((target, bytes));
        }
    }
    ensure!(!archives.is_empty(), "{} contains no archive of {}", folder.display(), release.tag());
    names.extend(write_helm_plugin(release, folder, &archives, keys, packing)?);
    let sums: Vec<(Target, String)> = archives.iter().map(|(target, bytes)| (*target, sha256(bytes))).collect();
    fs::write(
        folder.join(krew_manifest::FILE_NAME),
        krew_manifest::render_manifest(release, &sums, ArchiveLocation::Release),
    )?;
    names.push(krew_manifest::FILE_NAME.to_owned());
    if sums.len() == Target::ALL.len() {
        fs::write(folder.join(brew_formula::FILE_NAME), brew_formula::render_formula(release, &sums)?)?;
        names.push(brew_formula::FILE_NAME.to_owned());
    }
    let list = list_checksums(folder, &names)?;
    fs::write(folder.join(checksums::FILE_NAME), &list)?;
    names.push(checksums::FILE_NAME.to_owned());
    if let Some(key) = &keys.minisign {
        let name = format!("{}.minisig", checksums::FILE_NAME);
        let comment = format!("mural {} {}", release.tag(), checksums::FILE_NAME);
        fs::write(folder.join(&name), sign(list.as_bytes(), key, &comment)?)?;
        names.push(name);
    }
    Ok(names)
}

fn write_helm_plugin(
    release: &ReleaseInfo,
    folder: &Path,
    archives: &[(Target, Vec<u8>)],
    keys: &ReleaseKeys,
    packing: Packing,
) -> Result<Vec<String>> {
    let unpacked: Result<Vec<_>> =
        archives.iter().map(|(target, bytes)| Ok((*target, ArchiveFiles::unpack(bytes)?))).collect();
    let files = helm_plugin::collect_files(release, &unpacked?)?;
    let name = helm_plugin::archive_name(release);
    let file = folder.join(&name);
    let packing = if packing == Packing::Quick { Packing::Fast } else { packing };
    let bytes = files.pack(release.epoch_seconds, packing.compression())?;
    ensure!(bytes.len() <= MAX_PLUGIN_BYTES, "the helm plugin has {}, too much for helm", format_size(bytes.len()));
    fs::write(&file, bytes)?;
    let mut names = vec![name];
    if let Some(user_id) = &keys.helm_user_id {
        let metadata = files.content("mural/plugin.yaml").context("mural/plugin.yaml is missing")?;
        let metadata = String::from_utf8_lossy(metadata);
        let signed = helm_plugin::sign_archive(&file, &metadata, user_id, keys.gpg_home.as_deref())?;
        let name = format!("{}.prov", names[0]);
        fs::write(folder.join(&name), signed)?;
        names.push(name);
    }
    Ok(names)
}
