//! `SHA256SUMS`: one line per published file, in the form of `sha256sum`.

use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The name of the list.
pub const FILE_NAME: &str = "SHA256SUMS";

/// The SHA-256 of these bytes, in lower-case hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The list for the files with these names, sorted by name.
///
/// # Errors
/// A file cannot be read.
pub fn list_checksums(folder: &Path, names: &[String]) -> Result<String> {
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    let lines = names.into_iter().map(|name| {
        let bytes = std::fs::read(folder.join(name)).with_context(|| format!("cannot read {name}"))?;
        // Two spaces: sha256sum's mark for text mode, which every implementation reads.
        Ok(format!("{}  {name}\n", sha256(&bytes)))
    });
    lines.collect()
}

/// The checksum of a file in a list.
#[must_use]
pub fn find_checksum<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    list.lines().filter_map(|line| line.split_once("  ")).find(|(_, file)| *file == name).map(|(sum, _)| sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_the_form_of_sha256sum() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b"), "b").unwrap();
        std::fs::write(folder.path().join("a"), "").unwrap();
        let list = list_checksums(folder.path(), &["b".to_owned(), "a".to_owned()]).unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(list.starts_with(&format!("{empty}  a\n")), "{list}");
        assert_eq!(find_checksum(&list, "a"), Some(empty));
        assert_eq!(find_checksum(&list, "c"), None);
    }
}
