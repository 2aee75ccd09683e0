//! The file with waived findings: `--waivers FILE`, or `.mural-waivers.yaml` of the working directory.

use std::path::{Path, PathBuf};

use crate::ask::waivers::Waivers;
use crate::checks::crd_changes::checks;
use crate::checks::health_checks::HEALTH_CHECKS;
use crate::problem::{Cause, Exit, Explain};
use crate::report::style::sanitize;

/// The default waivers file.
const DEFAULT_WAIVERS_FILE: &str = ".mural-waivers.yaml";

/// The waivers file cannot be read, or is not of its form.
#[derive(Debug, thiserror::Error)]
#[error("the waivers file {} is invalid", .file.display())]
pub struct WaiversFileError {
    file: PathBuf,
    #[source]
    reason: Cause,
}

impl Explain for WaiversFileError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![
            "write check, subject, reason and expires (a day, such as 2027-01-31) for each waiver, and a level by check under levels:"
                .to_owned(),
        ]
    }
}

/// The waivers of a file, or of `.mural-waivers.yaml` if it exists.
///
/// # Errors
/// The file cannot be read or parsed.
pub fn read_waivers(file_flag: Option<&Path>) -> Result<Waivers, WaiversFileError> {
    let file = file_flag.unwrap_or_else(|| Path::new(DEFAULT_WAIVERS_FILE));
    if file_flag.is_none() && !file.exists() {
        return Ok(Waivers::default());
    }
    let invalid = |reason: String| WaiversFileError { file: file.to_owned(), reason: Cause::new(sanitize(&reason)) };
    let text = std::fs::read_to_string(file).map_err(|error| invalid(error.to_string()))?;
    let of_crds = checks().map(|check| check.card.id);
    let known: Vec<&str> = of_crds.chain(HEALTH_CHECKS.iter().map(|check| check.card.id)).collect();
    Waivers::read(&text, &known).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    #[test]
    fn a_file_that_does_not_exist_is_a_usage_error_only_if_it_was_named() {
        let problem = Problem::from(read_waivers(Some(Path::new("/no/such.yaml"))).unwrap_err());
        assert_eq!(problem.exit, Exit::Usage);
        assert_eq!(problem.message, "the waivers file /no/such.yaml is invalid");
        assert_eq!((problem.causes().len(), problem.hints.len()), (1, 1));
        assert!(read_waivers(None).is_ok());
    }
}
