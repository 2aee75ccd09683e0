//! The real krew installs, upgrades and uninstalls the plugin from an index of its own.

use std::fs;
use std::path::PathBuf;

use mural_release::checksums::sha256;
use mural_release::krew_manifest::{ArchiveLocation, FILE_NAME, render_manifest};
use mural_release::release_info::ReleaseInfo;
use mural_release::target_archive::archive_name;
use mural_tests::parts::part_named;

use crate::copy_of_trial;
use crate::file_server::serve_folder;
use crate::home::{Home, text};

/// krew's root in the home.
const ROOT: &str = ".krew";

#[test]
fn krew_installs_upgrades_and_leaves_nothing() {
    let home = Home::new(&[".krew/bin"]);
    for part in ["krew", "kubectl"] {
        home.link_part(&part_named(part).expect("a part"));
    }
    let release = copy_of_trial(&home.path().join("release"));
    let next = ReleaseInfo { version: "0.1.1".to_owned(), ..release.info.clone() };
    fs::copy(&release.archive, release.folder.join(archive_name(&next, release.target))).expect("a copy");
    let (url, sum) = (serve_folder(&release.folder), sha256(&fs::read(&release.archive).expect("the archive")));
    let index: PathBuf = home.path().join(ROOT).join("index/local/plugins");
    fs::create_dir_all(&index).expect("an index");
    // krew requires that an index is a clone of a Git repository.
    home.run("git", &["init", "--quiet", ".krew/index/local"]);
    home.run("git", &["-C", ".krew/index/local", "remote", "add", "origin", &format!("file://{}", index.display())]);
    let publish = |info: &ReleaseInfo, sum: &str| {
        let text = render_manifest(info, &[(release.target, sum.to_owned())], ArchiveLocation::Url(&url));
        fs::write(index.join(FILE_NAME), text).expect("a manifest");
    };

    publish(&release.info, &"0".repeat(64));
    let refused =
        home.run_with("krew", &["install", "--no-update-index", "local/mural"], &[("KREW_NO_UPGRADE_CHECK", "1")]);
    assert!(!refused.status.success() && text(&refused).contains("checksum"), "{}", text(&refused));
    publish(&release.info, &sum);
    home.run("krew", &["install", "--no-update-index", "local/mural"]);
    commands_answer(&home);
    completion_stays_outside(&home);

    publish(&next, &sum);
    home.run("krew", &["upgrade", "--no-update-index", "mural"]);
    assert!(home.files(".krew/store").iter().all(|file| file.starts_with(".krew/store/mural/v0.1.1/")));
    commands_answer(&home);
    assert!(home.run("kubectl", &["mural", "completion", "install"]).contains("unchanged"), "links outlive an upgrade");

    a_missing_program_is_reported_for_krew(&home);
    home.run("kubectl", &["mural", "completion", "uninstall"]);
    home.run("krew", &["uninstall", "mural"]);
    for folder in [".krew/store", ".krew/bin", ".krew/receipts", "bin"] {
        assert!(home.files(folder).is_empty(), "{folder}: {:?}", home.files(folder));
    }
}

fn commands_answer(home: &Home) {
    for command in ["upgrade", "validate", "crds"] {
        let help = home.run("kubectl", &["mural", command, "--help"]);
        assert!(help.contains("Usage:"), "{command}: {help}");
    }
    assert!(home.run("kubectl", &["mural", "version"]).contains("helm-mural"));
}

fn completion_stays_outside(home: &Home) {
    let before = home.files(ROOT);
    home.run("kubectl", &["mural", "completion", "install"]);
    assert_eq!(home.files(ROOT), before, "krew owns its folder");
    assert_eq!(home.files("bin").len(), 5, "{:?}", home.files("bin"));
    let offers = home.run("kubectl", &["__complete", "mural", "upgrade", "re"]);
    assert!(offers.contains("resume") && offers.contains("repair"), "{offers}");
}

fn a_missing_program_is_reported_for_krew(home: &Home) {
    let program = home.path().join(".krew/store/mural/v0.1.1/bin/kubectl-mural-validate");
    fs::remove_file(program).expect("the program");
    let output = home.run_with("kubectl", &["mural", "validate"], &[]);
    let text = text(&output);
    assert!(text.contains("kubectl krew install mural") && !text.contains("install.sh"), "{text}");
}
