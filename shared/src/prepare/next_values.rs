//! The application's next values: helm reads and merges them itself; the result is in private files.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ask::ValueOptions;
use crate::diff::value_changes::{compute_chart_values, compute_user_values};
use crate::model::release::ReleaseRecord;
use crate::model::secret::Hidden;
use crate::problem::Problem;
use crate::tools::helm::Helm;
use crate::tools::private_files::{PrivateFileError, write_private_file};

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
pub(crate) fn create_folder(private: &Path, name: &str) -> Result<PathBuf, PrivateFileError> {
    let folder = private.join(name);
    std::fs::create_dir_all(&folder).map_err(PrivateFileError::Folder)?;
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
                .into_failure("helm cannot read the values")
                .with_hint("correct the values files and flags that helm names")
        })?,
    };
    let (config, chart) =
        record.map_or((&nothing, &nothing), |record| (record.config.reveal(), record.chart_values.reveal()));
    let next = compute_user_values(values.stored, &flags, !values.flags.is_empty(), config);
    let file = private.join("values.json");
    // JSON is valid YAML and leaves no room for misinterpretation.
    write_private_file(&file, next.to_string()).map_err(PrivateFileError::File)?;
    let instead = record.and_then(|_| compute_chart_values(values.stored, config, chart)).map(Hidden::new);
    Ok(NextValues { config: Hidden::new(next), file, chart_values: instead })
}
