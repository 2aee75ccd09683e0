//! The archive of one target: programs, man pages, licences, the helm plugin's files and `install.sh`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use mural::cli::man_pages::{ManPage, render_man_pages};

use crate::archive::{ArchiveFiles, FileKind};
use crate::program_build::PROGRAMS;
use crate::release_info::ReleaseInfo;
use crate::target::Target;

/// The name of the archive: `mural-v0.1.0-linux-amd64.tar.gz`.
#[must_use]
pub fn archive_name(release: &ReleaseInfo, target: Target) -> String {
    format!("mural-{}-{target}.tar.gz", release.tag())
}

/// The name of the bill of materials: `mural-v0.1.0-linux-amd64.cdx.json`.
#[must_use]
pub fn sbom_name(release: &ReleaseInfo, target: Target) -> String {
    format!("mural-{}-{target}.cdx.json", release.tag())
}

/// The files of the checkout that every archive holds: path in the checkout, path in the archive, kind.
const CHECKOUT_FILES: [(&str, &str, FileKind); 7] = [
    ("CHANGELOG.md", "CHANGELOG.md", FileKind::Data),
    ("LICENSE", "LICENSE", FileKind::Data),
    ("README.md", "README.md", FileKind::Data),
    ("install.sh", "install.sh", FileKind::Program),
    ("plugins/helm-mural/plugin.complete", "plugin.complete", FileKind::Program),
    ("plugins/helm-mural/plugin.yaml", "plugin.yaml", FileKind::Data),
    ("plugins/kubectl-mural/kubectl-mural.1", "man/man1/kubectl-mural.1", FileKind::Data),
];

/// Collects the files: the programs of a folder, and what belongs to them.
///
/// # Errors
/// A file is missing.
pub fn collect_files(release: &ReleaseInfo, programs: &Path, licences: &str) -> Result<ArchiveFiles> {
    let mut files = ArchiveFiles::default();
    for name in PROGRAMS {
        let file = programs.join(name);
        let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        files.add(&format!("bin/{name}"), FileKind::Program, content)?;
    }
    for (from, path, kind) in CHECKOUT_FILES {
        let content = fs::read(release.root.join(from)).with_context(|| format!("cannot read {from}"))?;
        files.add(path, kind, content)?;
    }
    files.add("THIRD-PARTY-LICENSES.txt", FileKind::Data, licences)?;
    for ManPage { file_name, text } in all_man_pages(release)? {
        files.add(&format!("man/man1/{file_name}"), FileKind::Data, text)?;
    }
    Ok(files)
}

fn all_man_pages(release: &ReleaseInfo) -> Result<Vec<ManPage>> {
    use clap::CommandFactory as _;
    let date = release.date()?;
    let commands = [
        mural::cli::upgrade::flags::Cli::command(),
        mural::cli::validate::flags::Cli::command(),
        mural::cli::crds::flags::Cli::command(),
    ];
    let mut pages = Vec::new();
    for command in commands {
        pages.extend(render_man_pages(command, &date).context("cannot render a man page")?);
    }
    Ok(pages)
}
