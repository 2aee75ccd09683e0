//! The licences of all packages in the programs, as one text file. Equal texts are printed once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, ensure};

use crate::dependencies::Package;

/// Starts of the names of files that hold a licence or a notice, in upper case.
const LICENCE_FILES: [&str; 7] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE", "PATENTS"];
/// The licences of which this file has the text for a package that ships none: the archive's own LICENSE, and MIT below.
const STANDARD_LICENCES: [&str; 2] = ["Apache-2.0", "MIT"];
const MIT: &str = include_str!("licence_mit.txt");

/// Renders the file. Packages of the workspace are under the LICENSE of the archive and are left out.
///
/// # Errors
/// A package ships no licence text and its licence is not a standard one.
pub fn render_licences(packages: &[Package]) -> Result<String> {
    let mut users_by_text: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut table = String::new();
    for package in packages.iter().filter(|package| package.checksum.is_some()) {
        let label = format!("{} {}", package.name, package.version);
        let repository = package.repository.as_deref().unwrap_or("-");
        writeln!(table, "{label} ({}) {repository}", package.licence)?;
        for text in read_texts(package)? {
            users_by_text.entry(text).or_default().push(label.clone());
        }
    }
    let head = "The programs of this archive contain the packages below. Each line has the licence and the source.\n\
        The texts of the licences follow, each with the packages that it belongs to.\n";
    let mut page = format!("{head}\n{table}");
    for (text, users) in users_by_text {
        write!(page, "\n{}\n{}\n\n{text}\n", "-".repeat(80), users.join(", "))?;
    }
    Ok(page)
}

fn read_texts(package: &Package) -> Result<Vec<String>> {
    let label = format!("{} {}", package.name, package.version);
    let entries = fs::read_dir(&package.folder).with_context(|| format!("cannot read the source of {label}"))?;
    let mut files: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        LICENCE_FILES.iter().any(|start| name.starts_with(start))
    });
    files.sort();
    let texts: Result<Vec<String>> = files
        .iter()
        .map(|file| {
            Ok(fs::read_to_string(file).with_context(|| file.display().to_string())?.trim().replace("\r\n", "\n"))
        })
        .collect();
    let texts = texts?;
    if !texts.is_empty() {
        return Ok(texts);
    }
    let words = |text: &str| text.split(['/', ' ', '(', ')']).map(str::to_owned).collect::<Vec<_>>();
    let is_standard = words(&package.licence).iter().any(|word| STANDARD_LICENCES.contains(&word.as_str()));
    ensure!(is_standard, "{label} ({}) ships no licence text: add it to the archive", package.licence);
    Ok(vec![MIT.trim().to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn package(name: &str, licence: &str, folder: &std::path::Path) -> Package {
        Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.to_owned(),
            repository: None,
            folder: folder.to_owned(),
            checksum: Some("ff".to_owned()),
            uses: BTreeSet::new(),
        }
    }

    #[test]
    fn equal_texts_are_printed_once() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for folder in &folders {
            fs::write(folder.path().join("LICENSE-MIT"), "the text\n").unwrap();
        }
        let page =
            render_licences(&[package("a", "MIT", folders[0].path()), package("b", "MIT", folders[1].path())]).unwrap();
        assert_eq!(page.matches("the text").count(), 1, "{page}");
        assert!(page.contains("a 1.0.0, b 1.0.0"), "{page}");
    }

    #[test]
    fn a_package_without_a_text_needs_a_standard_licence() {
        let folder = tempfile::tempdir().unwrap();
        assert!(render_licences(&[package("a", "MIT OR Apache-2.0", folder.path())]).is_ok());
        assert!(render_licences(&[package("a", "Other-1.0", folder.path())]).is_err());
    }
}
