//! A release of the programs that this checkout has built, for tests of installers. Nothing is compressed, so it takes seconds.

use std::path::{Path, PathBuf};

use mural_release::archive::Packing;
use mural_release::dist::{ProgramSource, ReleaseKeys, build_archive, write_release_files};
use mural_release::release_info::ReleaseInfo;
use mural_release::target::Target;
use mural_release::target_archive::archive_name;

use crate::plugins;

/// The time of every file of the release: any fixed number of seconds.
const EPOCH: &str = "1764547200";

/// A release in a folder.
#[derive(Debug, Clone)]
pub struct TrialRelease {
    /// Version, commit and date.
    pub info: ReleaseInfo,
    /// The folder with all files.
    pub folder: PathBuf,
    /// The target of this machine, the only one of the release.
    pub target: Target,
    /// The archive of the target.
    pub archive: PathBuf,
}

/// Writes a release into the folder `name` of `parent`, unsigned.
///
/// # Panics
/// The programs cannot be built, or this machine is no target of a release: the test cannot run.
#[must_use]
#[expect(clippy::expect_used, reason = "a test without its release cannot run")]
pub fn write_release(parent: impl AsRef<Path>, name: &str) -> TrialRelease {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout");
    let info = ReleaseInfo::read(root, Some(EPOCH)).expect("the version of the release");
    let target = Target::of_this_machine().expect("a release has an archive for this machine");
    let folder = parent.as_ref().join(name);
    let programs = plugins::stripped_folder(&parent.as_ref().join("stripped")).expect("the programs");
    build_archive(&info, target, &ProgramSource::Folder(programs), &folder).expect("an archive");
    write_release_files(&info, &folder, &ReleaseKeys::default(), Packing::Quick).expect("the files of a release");
    TrialRelease { archive: folder.join(archive_name(&info, target)), info, folder, target }
}
