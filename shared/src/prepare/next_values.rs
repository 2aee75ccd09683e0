//! The application's values as helm will use them: read by helm itself, merged by its own rules, kept in private files.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ask::{ValueFlag, ValueOptions};
use crate::diff::value_changes::{compute_chart_values, compute_user_values};
use crate::model::release::ReleaseRecord;
use crate::model::secret::Hidden;
use crate::model::yaml::{self, ErrorDetail};
use crate::problem::Problem;
use crate::tools::helm::Helm;

/// Looks at every values file before anything else is done.
///
/// # Errors
/// A usage problem that names the file and the line, and quotes nothing of it.
pub(crate) fn check_files(values: &ValueOptions) -> Result<(), Problem> {
    values.flags.iter().try_for_each(|flag| match flag {
        ValueFlag::File(file) => check_file(file),
        ValueFlag::Set(_) | ValueFlag::SetString(_) | ValueFlag::SetJson(_) | ValueFlag::SetFile(_) => Ok(()),
    })
}

fn check_file(file: &Path) -> Result<(), Problem> {
    let remote = file.to_str().is_some_and(|name| name == "-" || name.contains("://"));
    if remote {
        return Err(Problem::usage(format!("--values {} is not a file", file.display()))
            .with_hint("helm is called more than once: save it as a file first"));
    }
    let wrong = || Problem::usage(format!("the values file {} cannot be used", file.display()));
    let text = std::fs::read_to_string(file)
        .map_err(|error| wrong().with_source(error).with_hint("is the path right, and is it UTF-8 text?"))?;
    let read = yaml::parse_document(&text, ErrorDetail::LocationOnly);
    let value = read.map_err(|error| {
        wrong()
            .with_source(error)
            .with_hint("mend the line; a key that stands twice counts as an error here, helm would take the last")
    })?;
    if value.is_object() {
        Ok(())
    } else {
        Err(wrong().with_source("it is not a map of values").with_hint("a values file begins with keys, like global:"))
    }
}

/// The values of the next revision, and a private file that holds them for the forecast.
pub(crate) struct NextValues {
    /// The user's values of the next revision.
    pub(crate) config: Hidden<Value>,
    /// The same as a file, readable by us alone.
    pub(crate) file: PathBuf,
    /// What helm puts in place of the new chart's own values, where it does.
    pub(crate) chart_values: Option<Hidden<Value>>,
}

/// Works out the values of the next revision.
///
/// # Errors
/// helm refuses the value flags, or the private file cannot be written.
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
                .with_hint("mend what helm names in the values' files and flags")
        })?,
    };
    let (config, chart) =
        record.map_or((&nothing, &nothing), |record| (record.config.reveal(), record.chart_values.reveal()));
    let next = compute_user_values(values.stored, &flags, !values.flags.is_empty(), config);
    let file = private.join("values.json");
    // JSON is YAML, and nothing in it can be misread.
    std::fs::write(&file, next.to_string())
        .map_err(|error| Problem::failure("cannot write a private file").with_source(error))?;
    let instead = record.and_then(|_| compute_chart_values(values.stored, config, chart)).map(Hidden::new);
    Ok(NextValues { config: Hidden::new(next), file, chart_values: instead })
}
