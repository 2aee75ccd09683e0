//! The values files of the operator, before helm reads them.
//!
//! A file that helm would reject, or read in another way, is found here with its line. No text contains a value.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ask::{ValueFlag, ValueOptions};
use crate::model::yaml::{self, DuplicateKey, ErrorDetail, YamlError, YamlText};
use crate::problem::{Exit, Explain};

/// Why a values file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ValuesFileError {
    /// Standard input or a URL.
    #[error("--values {} is not a file", .file.display())]
    NotAFile {
        /// What the operator passed.
        file: PathBuf,
    },
    /// The file has no values that helm accepts.
    #[error("the values file {} cannot be used", .file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        defect: ValuesFileDefect,
    },
}

/// What is wrong with a values file.
#[derive(Debug, thiserror::Error)]
pub enum ValuesFileDefect {
    /// It cannot be read, or is no text.
    #[error(transparent)]
    Unreadable(std::io::Error),
    /// It is not YAML.
    #[error(transparent)]
    Yaml(YamlError),
    /// It is a list or a single value.
    #[error("it is not a map of values")]
    NotAMap,
    /// It has several documents.
    #[error("{0} documents where one is expected")]
    ManyDocuments(usize),
}

impl ValuesFileDefect {
    pub(crate) fn of(self, file: &Path) -> ValuesFileError {
        ValuesFileError::Unusable { file: file.to_owned(), defect: self }
    }

    const fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "check that the path is right and the file is UTF-8 text",
            Self::Yaml(_) | Self::ManyDocuments(_) => "correct the line",
            Self::NotAMap => "start the file with keys, like global:",
        }
    }
}

impl Explain for ValuesFileError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NotAFile { .. } => "save it to a file first: helm reads it more than once",
            Self::Unusable { defect, .. } => defect.hint(),
        };
        vec![hint.to_owned()]
    }
}

/// Reads every values file first. The warnings have file and line, and no content.
///
/// # Errors
/// A file that helm would reject.
pub(crate) fn check_files(values: &ValueOptions) -> Result<Vec<String>, ValuesFileError> {
    let mut warnings = Vec::new();
    for flag in &values.flags {
        match flag {
            ValueFlag::File(file) => warnings.extend(check_file(file)?),
            ValueFlag::Set(_) | ValueFlag::SetString(_) | ValueFlag::SetJson(_) | ValueFlag::SetFile(_) => {}
        }
    }
    Ok(warnings)
}

/// The warning about a values file that helm can read.
fn check_file(file: &Path) -> Result<Option<String>, ValuesFileError> {
    let remote = file.to_str().is_some_and(|name| name == "-" || name.contains("://"));
    if remote {
        return Err(ValuesFileError::NotAFile { file: file.to_owned() });
    }
    let text = std::fs::read_to_string(file).map_err(|error| ValuesFileDefect::Unreadable(error).of(file))?;
    let YamlText { documents, duplicate_key } =
        yaml::parse_text(&text, ErrorDetail::LocationOnly).map_err(|error| ValuesFileDefect::Yaml(error).of(file))?;
    match documents.as_slice() {
        [] | [Value::Object(_)] => {}
        [_] => return Err(ValuesFileDefect::NotAMap.of(file)),
        several => return Err(ValuesFileDefect::ManyDocuments(several.len()).of(file)),
    }
    Ok(duplicate_key.map(|DuplicateKey { line }| {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{}{line}: the key is in the map twice; helm takes the last one", file.display())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    /// <https://github.com/komodorio/helm-dashboard/issues/328>: helm takes the last of two equal keys.
    #[test]
    fn a_duplicate_key_is_a_warning_without_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let check = |text: &str| {
            let file = folder.path().join("values.yaml");
            std::fs::write(&file, text).unwrap();
            check_file(&file)
        };
        let warning = check("a: canary\nb: 1\na: canary\n").unwrap().unwrap();
        assert!(warning.contains("values.yaml:3: ") && !warning.contains("canary"), "{warning}");
        assert_eq!(check(&format!("global:\n{}b: 1\n", "  # a comment\n".repeat(40))).unwrap(), None);
        assert_eq!(check("").unwrap(), None);
        assert!(check("- a\n").is_err() && check("a: [\n").is_err() && check("a: 1\n---\nb: 2\n").is_err());
    }

    #[test]
    fn each_defect_has_its_own_next_step() {
        let explain = |defect: ValuesFileDefect| {
            let problem = Problem::from(defect.of(Path::new("v.yaml")));
            assert_eq!(
                (problem.exit, problem.message.as_str()),
                (Exit::Usage, "the values file v.yaml cannot be used")
            );
            (problem.causes().join("; "), problem.hints.join("; "))
        };
        let expected = |cause: &str, hint: &str| (cause.to_owned(), hint.to_owned());
        let not_a_map = expected("it is not a map of values", "start the file with keys, like global:");
        assert_eq!(explain(ValuesFileDefect::NotAMap), not_a_map);
        let many = expected("2 documents where one is expected", "correct the line");
        assert_eq!(explain(ValuesFileDefect::ManyDocuments(2)), many);
        let hints = check_file(Path::new("https://example.com/v.yaml")).unwrap_err().hints();
        assert_eq!(hints, ["save it to a file first: helm reads it more than once"]);
    }
}
