//! `--report FILE`: a report that is kept, its form by the file's ending.

use std::path::Path;

use super::OutputFormat;
use crate::problem::Problem;

/// The forms that a file may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// `.json`
    Json,
    /// `.yaml`, `.yml`
    Yaml,
    /// `.md`
    Markdown,
}

impl ReportFormat {
    /// The form of a file, asked before anything is done.
    ///
    /// # Errors
    /// A usage problem: the ending tells none.
    pub fn from_path(file: &Path) -> Result<Self, Problem> {
        match file.extension().and_then(|ending| ending.to_str()) {
            Some("json") => Ok(Self::Json),
            Some("yaml" | "yml") => Ok(Self::Yaml),
            Some("md" | "markdown") => Ok(Self::Markdown),
            _ => Err(Problem::usage(format!("--report {} does not tell its form", file.display()))
                .with_hint("end it with .json, .yaml or .md")),
        }
    }

    /// The report in this form.
    ///
    /// # Errors
    /// The value cannot be written in it.
    pub fn render<T: serde::Serialize>(self, value: &T, markdown: impl FnOnce() -> String) -> Result<String, Problem> {
        match self {
            Self::Json => OutputFormat::Json.render(value, String::new),
            Self::Yaml => OutputFormat::Yaml.render(value, String::new),
            Self::Markdown => Ok(markdown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_tells_the_form() {
        let by = |name: &str| ReportFormat::from_path(Path::new(name)).ok();
        assert_eq!([by("a.json"), by("b/c.yml")], [Some(ReportFormat::Json), Some(ReportFormat::Yaml)]);
        assert_eq!([by("a.md"), by("a.txt"), by("json")], [Some(ReportFormat::Markdown), None, None]);
    }
}
