//! The files of a release, and how the installers of operators take them: krew, and each helm.
//!
//! `install.sh` has its own tests in `cli/install.rs`. A missing installer is built from its Go module, as the sandbox's programs are.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "these tests start real programs; the bans are for the product"
)]

mod file_server;
mod helm;
mod home;
mod krew;
mod release_files;

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use mural_release::target_archive::sbom_name;
use mural_tests::trial_release::{TrialRelease, write_release};

/// One release for all tests. A test that adds files works on a copy.
fn trial() -> &'static TrialRelease {
    static RELEASE: OnceLock<TrialRelease> = OnceLock::new();
    RELEASE.get_or_init(|| write_release(env!("CARGO_TARGET_TMPDIR"), "release"))
}

/// The release with its archive and its SBOM alone, in another folder.
fn copy_of_trial(folder: &Path) -> TrialRelease {
    let release = trial();
    fs::create_dir_all(folder).expect("a folder");
    let archive = folder.join(release.archive.file_name().expect("a name"));
    let sbom = sbom_name(&release.info, release.target);
    fs::copy(&release.archive, &archive).expect("a copy");
    fs::copy(release.folder.join(&sbom), folder.join(&sbom)).expect("a copy");
    TrialRelease { archive, folder: folder.to_owned(), ..release.clone() }
}
