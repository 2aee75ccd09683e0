//! What is in the files of a release: reproducible bytes, complete archives, valid manifests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mural_release::archive::{ArchiveFiles, Packing};
use mural_release::brew_formula::render_formula;
use mural_release::checksums::{find_checksum, sha256};
use mural_release::dependencies::list_packages;
use mural_release::dist::{ReleaseKeys, write_release_files};
use mural_release::program_build::PROGRAMS;
use mural_release::signature::{SigningKey, verify};
use mural_release::target::Target;
use mural_release::target_archive::sbom_name;
use mural_release::{helm_plugin, krew_manifest};
use mural_tests::trial_release::{TrialRelease, write_release};
use serde_json::Value;

use crate::{copy_of_trial, trial};

fn read_folder(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| {
            (path.file_name().expect("a name").to_string_lossy().into_owned(), fs::read(&path).expect("a file"))
        })
        .collect()
}

#[test]
fn the_same_programs_give_the_same_bytes_and_complete_archives() {
    let release = trial();
    let again = write_release(env!("CARGO_TARGET_TMPDIR"), "again");
    let (files, files_again) = (read_folder(&release.folder), read_folder(&again.folder));
    assert_eq!(files.keys().collect::<Vec<_>>(), files_again.keys().collect::<Vec<_>>());
    for (name, bytes) in &files {
        assert_eq!(sha256(bytes), sha256(&files_again[name]), "{name}");
    }
    let sums = String::from_utf8(files["SHA256SUMS"].clone()).expect("text");
    for (name, bytes) in files.iter().filter(|(name, _)| *name != "SHA256SUMS") {
        assert_eq!(find_checksum(&sums, name), Some(sha256(bytes).as_str()), "{name}");
    }
    archive_is_complete(release);
    sbom_matches_the_licences(release);
}

fn archive_is_complete(release: &TrialRelease) {
    let files = ArchiveFiles::unpack(&fs::read(&release.archive).expect("the archive")).expect("an archive");
    let paths: Vec<&str> = files.paths().collect();
    for program in PROGRAMS {
        assert!(paths.contains(&format!("bin/{program}").as_str()), "{program}");
    }
    for path in [
        "LICENSE",
        "THIRD-PARTY-LICENSES.txt",
        "README.md",
        "CHANGELOG.md",
        "install.sh",
        "plugin.yaml",
        "plugin.complete",
    ] {
        assert!(paths.contains(&path), "{path}: {paths:?}");
    }
    for page in [
        "kubectl-mural",
        "kubectl-mural-upgrade",
        "kubectl-mural-upgrade-plan",
        "kubectl-mural-validate",
        "helm-mural-crds",
    ] {
        assert!(paths.contains(&format!("man/man1/{page}.1").as_str()), "{page}: {paths:?}");
    }
}

/// Both list the packages of the programs, and nothing that only tests or builds use.
fn sbom_matches_the_licences(release: &TrialRelease) {
    let packages = list_packages(&release.info.root, release.target).expect("the packages");
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    assert!(names.contains(&"rustls") && names.contains(&"kube"), "{names:?}");
    for name in ["insta", "minisign", "rcgen", "mural-tests", "clap_derive", "cc"] {
        assert!(!names.contains(&name), "{name} is not in the programs");
    }
    let text = fs::read_to_string(release.folder.join(sbom_name(&release.info, release.target))).expect("the SBOM");
    let sbom: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((sbom["bomFormat"].as_str(), sbom["specVersion"].as_str()), (Some("CycloneDX"), Some("1.5")));
    let components = sbom["components"].as_array().expect("components");
    assert_eq!(components.len(), packages.len());
    let files = ArchiveFiles::unpack(&fs::read(&release.archive).expect("the archive")).expect("an archive");
    let licences = String::from_utf8_lossy(files.content("THIRD-PARTY-LICENSES.txt").expect("a file")).into_owned();
    for package in packages.iter().filter(|package| package.checksum.is_some()) {
        assert!(licences.contains(&format!("{} {} (", package.name, package.version)), "{}", package.name);
    }
    let references: Vec<&str> = components.iter().filter_map(|one| one["bom-ref"].as_str()).collect();
    for dependency in sbom["dependencies"].as_array().expect("dependencies").iter().skip(1) {
        assert!(references.contains(&dependency["ref"].as_str().expect("a reference")), "{dependency}");
    }
}

#[test]
fn the_checksums_are_signed_with_the_key_of_the_environment() {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().expect("a throw-away key");
    let text = pair.sk.to_box(None).expect("a key").into_string();
    let keys = ReleaseKeys { minisign: Some(SigningKey { text, password: None }), ..ReleaseKeys::default() };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let release = copy_of_trial(folder.path());
    write_release_files(&release.info, folder.path(), &keys, Packing::Quick).expect("the files of a release");
    let read = |name: &str| fs::read(folder.path().join(name)).expect("a file");
    let signature = String::from_utf8(read("SHA256SUMS.minisig")).expect("text");
    verify(&read("SHA256SUMS"), &signature, &pair.pk.to_base64()).expect("the signature is valid");
    assert!(verify(b"other", &signature, &pair.pk.to_base64()).is_err());
    assert!(signature.contains("trusted comment: mural v"), "{signature}");
}

#[test]
fn the_manifests_name_every_archive_with_its_checksum() {
    let release = trial();
    let sums: Vec<(Target, String)> = Target::ALL
        .into_iter()
        .enumerate()
        .map(|(at, target)| (target, sha256(&[u8::try_from(at).unwrap_or(0)])))
        .collect();
    let formula = render_formula(&release.info, &sums).expect("a formula");
    let manifest = krew_manifest::render_manifest(&release.info, &sums, krew_manifest::ArchiveLocation::Release);
    for (target, sum) in &sums {
        for text in [&formula, &manifest] {
            assert!(text.contains(sum) && text.contains(&format!("-{target}.tar.gz")), "{target}: {text}");
        }
    }
    assert!(render_formula(&release.info, &sums[..3]).is_err(), "Homebrew needs every target");
    // `brew style`, by the rules that can be checked without Homebrew.
    let description = formula.lines().find_map(|line| line.trim().strip_prefix("desc \"")).expect("a description");
    let description = description.trim_end_matches('"');
    assert!(description.len() <= 80 && !description.ends_with('.') && !description.starts_with("A "), "{description}");
    assert!(formula.lines().all(|line| line.len() <= 118 || line.contains("url ")) && !formula.contains('\t'));
    assert!(formula.lines().all(|line| line.trim_end() == line) && !formula.contains("\n\n\n"), "{formula}");
    let at = |word: &str| formula.find(word).unwrap_or_else(|| panic!("{word}"));
    let order = [
        "  desc ",
        "  homepage ",
        "  license ",
        "  on_macos ",
        "  on_linux ",
        "  def install",
        "  def caveats",
        "  test do",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{formula}");
}

#[test]
fn cargo_binstall_finds_the_archives_of_the_release() {
    let release = trial();
    for program in PROGRAMS {
        let file = release.info.root.join(format!("plugins/{program}/Cargo.toml"));
        let manifest = fs::read_to_string(&file).expect("Cargo.toml");
        for target in Target::ALL {
            let name = format!(
                "{} = {{ pkg-url = \"{{ repo }}/releases/download/v{{ version }}/mural-v{{ version }}-{target}.tar.gz\" }}",
                target.triple()
            );
            assert!(manifest.contains(&name), "{program}: {name}");
        }
        assert!(manifest.contains("bin-dir = \"bin/{ bin }\""), "{program}");
    }
}

#[test]
fn the_helm_plugin_has_both_forms_and_each_program_once() {
    let release = trial();
    let bytes = fs::read(release.folder.join(helm_plugin::archive_name(&release.info))).expect("the plugin");
    let files = ArchiveFiles::unpack(&bytes).expect("an archive");
    let text =
        |path: &str| String::from_utf8_lossy(files.content(path).unwrap_or_else(|| panic!("{path}"))).into_owned();
    let program = format!("bin/{}/helm-mural", release.target);
    assert!(files.content(&format!("mural/{program}")).is_some());
    assert_eq!(files.paths().filter(|path| path.ends_with("/helm-mural")).count(), 1);
    assert!(text("plugin.yaml").contains(&format!("${{HELM_PLUGIN_DIR}}/mural/{program}")));
    assert!(!text("plugin.yaml").contains("apiVersion"), "helm 3 refuses unknown keys");
    assert!(text("mural/plugin.yaml").contains(&format!("${{HELM_PLUGIN_DIR}}/{program}")));
    assert!(text("mural/plugin.yaml").starts_with("apiVersion: v1\ntype: cli/v1\n"));
}
