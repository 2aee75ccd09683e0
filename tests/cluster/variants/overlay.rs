//! The charts of a case: the small pair, overlaid with the case's own files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::small;
use crate::test_cluster::TestCluster;

/// Paths, as they are typed.
pub struct Charts {
    pub crds: String,
    pub app: String,
    /// The older CRD chart, where the case has one of its own: helm installs it before.
    pub older_crds: Option<String>,
    /// What is applied before: CRDs, webhooks, objects.
    pub before: Option<String>,
    /// Objects of kinds that the older chart brings.
    pub objects: Option<String>,
}

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/cases")
}

/// The names of all case folders.
pub fn folders() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(cases())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// The README of a case.
pub fn story(case: &str) -> Result<String> {
    let file = cases().join(case).join("README.md");
    std::fs::read_to_string(&file).with_context(|| file.display().to_string())
}

/// The charts of a case.
pub fn charts(test_cluster: &TestCluster, case: &str) -> Result<Charts> {
    let (own, into) = (cases().join(case), test_cluster.files().join("cases").join(case));
    let laid = |base: PathBuf, over: &str| -> Result<String> {
        let to = into.join(over);
        if to.exists() {
            std::fs::remove_dir_all(&to)?;
        }
        small::copy_folder(&base, &to)?;
        small::copy_folder(&own.join(over), &to)?;
        Ok(to.display().to_string())
    };
    let file = |name: &str| own.join(name).is_file().then(|| own.join(name).display().to_string());
    let older = own.join("older-crds").is_dir();
    Ok(Charts {
        crds: laid(small::crds(test_cluster, "0.7.4")?, "mural-crds")?,
        app: laid(small::app(test_cluster, "1.1.0-rc.3")?, "mural")?,
        older_crds: older.then(|| laid(small::crds(test_cluster, "0.7.1")?, "older-crds")).transpose()?,
        before: file("before.yaml"),
        objects: file("objects.yaml"),
    })
}
