//! Why a file with CRDs or objects cannot be used.
//!
//! Owns the texts and the next steps. `manifest_files.rs` finds the reasons, with file and line.

use std::path::{Path, PathBuf};

use crate::model::yaml::YamlError;
use crate::problem::{Exit, Explain};

/// Why there is no CRD, or no object.
#[derive(Debug, thiserror::Error)]
pub enum ManifestFileError {
    /// The path does not exist, or is not readable.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        error: std::io::Error,
    },
    /// The file holds something else.
    #[error("{} cannot be used", .file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        defect: ManifestFileDefect,
    },
    /// A CRD without its name.
    #[error("a CRD in {} has no metadata.name, or its apiVersion is not apiextensions.k8s.io", .file.display())]
    UnnamedCrd {
        /// The file.
        file: PathBuf,
    },
    /// Two files have the same CRD.
    #[error("CRD {name} is there twice: in {} and in {}", .file.display(), .other_file.display())]
    Duplicate {
        /// The CRD.
        name: String,
        /// The first file.
        file: PathBuf,
        /// The other file.
        other_file: PathBuf,
    },
    /// No file has a CRD.
    #[error("there is no CRD in {}", .path.display())]
    NoCrd {
        /// The file or folder.
        path: PathBuf,
    },
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum ManifestFileDefect {
    /// The system does not read it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is larger than any bundle of CRDs.
    #[error("it has {megabytes} MB; the limit is {limit} MB")]
    TooLarge {
        /// Its size.
        megabytes: u64,
        /// The limit.
        limit: u64,
    },
    /// It is not text.
    #[error("line {line} is not UTF-8 text")]
    NotText {
        /// The first such line.
        line: usize,
    },
    /// It is a template of a chart.
    #[error("line {line} is an unrendered template")]
    Template {
        /// The first line with an action.
        line: usize,
    },
    /// It is not YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

impl ManifestFileDefect {
    /// The error of the file with this defect.
    pub(super) fn of(self, file: &Path) -> ManifestFileError {
        ManifestFileError::Unusable { file: file.to_owned(), defect: self }
    }

    const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io(_) | Self::TooLarge { .. } | Self::NotText { .. } => None,
            Self::Template { .. } => Some("run helm template …, or pass the chart instead of its templates"),
            Self::Yaml(_) => Some("correct the line, or leave the file out"),
        }
    }
}

impl Explain for ManifestFileError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Unreadable { .. } => Some("check the path"),
            Self::Unusable { defect, .. } => defect.hint(),
            Self::UnnamedCrd { .. } => Some("set its name, <plural>.<group>, or leave the file out"),
            Self::Duplicate { .. } => Some("pass only the file that you mean"),
            Self::NoCrd { .. } => Some("pass a CRD file, a directory, a chart, oci://…, or cluster"),
        };
        hint.map(str::to_owned).into_iter().collect()
    }
}
