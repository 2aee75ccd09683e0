//! The application's next values: helm reads and merges them itself; the result is in private files.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ask::{ValueFlag, ValueOptions};
use crate::diff::value_changes::{compute_chart_values, compute_user_values};
use crate::model::release::ReleaseRecord;
use crate::model::secret::Hidden;
use crate::model::yaml::{self, DuplicateKey, ErrorDetail, YamlText};
use crate::problem::Problem;
use crate::tools::helm::Helm;
use crate::tools::private_files::write_private_file;

/// Reads every values file first. The warnings have file and line, and no content.
///
/// # Errors
/// A usage problem with file and line, and no content.
pub(crate) fn check_files(values: &ValueOptions) -> Result<Vec<String>, Problem> {
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
fn check_file(file: &Path) -> Result<Option<String>, Problem> {
    let remote = file.to_str().is_some_and(|name| name == "-" || name.contains("://"));
    if remote {
        return Err(Problem::usage(format!("--values {} is not a file", file.display()))
            .with_hint("save it to a file first: helm reads it more than once"));
    }
    let wrong = || Problem::usage(format!("the values file {} cannot be used", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| {
        wrong().with_source(error).with_hint("check that the path is right and the file is UTF-8 text")
    })?;
    let read = yaml::parse_text(&text, ErrorDetail::LocationOnly);
    let YamlText { documents, duplicate_key } =
        read.map_err(|error| wrong().with_source(error).with_hint("correct the line"))?;
    match documents.as_slice() {
        [] | [Value::Object(_)] => {}
        [_] => {
            let problem = wrong().with_source("it is not a map");
            return Err(problem.with_hint("start the file with keys, like global:"));
        }
        several => {
            let problem = wrong().with_source(format!("{} documents where one is expected", several.len()));
            return Err(problem.with_hint("correct the line"));
        }
    }
    Ok(duplicate_key.map(|DuplicateKey { line }| {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{}{line}: the key is in the map twice; helm takes the last one", file.display())
    }))
}

/// The values of the next revision, and a private file of them for the forecast.
pub(crate) struct NextValues {
    /// The user's values of the next revision.
    pub(crate) config: Hidden<Value>,
    /// The same as a file that only this user can read.
    pub(crate) file: PathBuf,
    /// What replaces the new chart's own values (`--reuse-values`), if anything.
    pub(crate) chart_values: Option<Hidden<Value>>,
}

/// Creates a folder of our own in the private one.
///
/// # Errors
/// It cannot be created.
pub(crate) fn create_folder(private: &Path, name: &str) -> Result<PathBuf, Problem> {
    let folder = private.join(name);
    std::fs::create_dir_all(&folder)
        .map_err(|error| Problem::failure("cannot create a private folder").with_source(error))?;
    Ok(folder)
}

/// Computes the values of the next revision.
///
/// # Errors
/// helm rejects the value flags, or the private file cannot be written.
pub(crate) async fn compute_next_values(
    helm: &Helm,
    values: &ValueOptions,
    record: Option<&ReleaseRecord>,
    private: &Path,
) -> Result<NextValues, Problem> {
    let nothing = Value::Object(serde_json::Map::new());
    let flags = match values.flags.is_empty() {
        true => nothing.clone(),
        false => helm.read_values(&values.flags, private).await.map_err(|error| {
            error
                .into_problem("helm cannot read the values")
                .with_hint("correct the values files and flags that helm names")
        })?,
    };
    let (config, chart) =
        record.map_or((&nothing, &nothing), |record| (record.config.reveal(), record.chart_values.reveal()));
    let next = compute_user_values(values.stored, &flags, !values.flags.is_empty(), config);
    let file = private.join("values.json");
    // JSON is valid YAML and leaves no room for misinterpretation.
    write_private_file(&file, next.to_string())
        .map_err(|error| Problem::failure("cannot write a private file").with_source(error))?;
    let instead = record.and_then(|_| compute_chart_values(values.stored, config, chart)).map(Hidden::new);
    Ok(NextValues { config: Hidden::new(next), file, chart_values: instead })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
