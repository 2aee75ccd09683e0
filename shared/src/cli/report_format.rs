//! The formats of a report: on standard output (`-o`) and in a file (`--report FILE`; the extension selects the format).

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::command_error::CommandError;
use super::files::FileError;
use super::{OutputFormat, files};
use crate::problem::Problem;

/// A format of a report. Each command lists the formats that its report supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Text: the counts and the problems.
    Table,
    /// Text: every check.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
    /// JUnit XML, for a CI server.
    Junit,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Markdown, for a ticket or a pull request.
    Markdown,
    /// One HTML file without external resources.
    Html,
    /// Prometheus metrics, for a textfile collector.
    Prometheus,
    /// GitHub workflow commands: one annotation per finding.
    Github,
}

impl From<OutputFormat> for ReportFormat {
    fn from(format: OutputFormat) -> Self {
        match format {
            OutputFormat::Table => Self::Table,
            OutputFormat::Json => Self::Json,
            OutputFormat::Yaml => Self::Yaml,
        }
    }
}

impl ReportFormat {
    /// The clap parser of `-o` for these formats.
    pub fn parser(formats: &[Self]) -> impl TypedValueParser<Value = Self> + use<> {
        let values: Vec<_> = formats.iter().filter_map(Self::to_possible_value).collect();
        PossibleValuesParser::new(values).try_map(|name| <Self as ValueEnum>::from_str(&name, false))
    }

    /// The file extensions of this format, the usual one first. `table`, `wide` and `github` have none.
    const fn file_extensions(self) -> &'static [&'static str] {
        match self {
            Self::Table | Self::Wide | Self::Github => &[],
            Self::Prometheus => &["prom"],
            Self::Json => &["json"],
            Self::Yaml => &["yaml", "yml"],
            Self::Junit => &["xml"],
            Self::Sarif => &["sarif"],
            Self::Markdown => &["md", "markdown"],
            Self::Html => &["html", "htm"],
        }
    }

    /// The format that the extension of a file selects.
    ///
    /// # Errors
    /// A usage error if the extension selects none of these formats.
    pub fn from_path(file: &Path, formats: &[Self]) -> Result<Self, CommandError> {
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        formats.iter().copied().find(|format| format.file_extensions().contains(&extension)).ok_or_else(|| {
            CommandError::ReportExtension { file: file.to_owned(), extensions: list_extensions(formats) }
        })
    }

    /// Whether it is text for a terminal.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Table | Self::Wide)
    }

    /// Renders a value as YAML if this is [`Self::Yaml`], else as JSON.
    ///
    /// # Errors
    /// The serialization failed.
    pub fn render_data<T: serde::Serialize>(self, value: &T) -> Result<String, CommandError> {
        let format = if self == Self::Yaml { OutputFormat::Yaml } else { OutputFormat::Json };
        format.render(value, String::new)
    }
}

/// `.json, .yaml or .md`
fn list_extensions(formats: &[ReportFormat]) -> String {
    let extensions: Vec<String> = formats
        .iter()
        .filter_map(|format| format.file_extensions().first())
        .map(|extension| format!(".{extension}"))
        .collect();
    match extensions.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The file of `--report`.
#[derive(Debug, Clone)]
pub struct ReportFile {
    path: PathBuf,
    /// The format that the file extension selects.
    pub format: ReportFormat,
}

impl ReportFile {
    /// Validates `--report` before any request to a cluster; `None` without the flag.
    ///
    /// # Errors
    /// A usage error if the extension selects none of these formats or the file is not writable.
    pub fn from_flag(flag: Option<&Path>, formats: &[ReportFormat]) -> Result<Option<Self>, Problem> {
        let Some(path) = flag else { return Ok(None) };
        let format = ReportFormat::from_path(path, formats)?;
        files::check_writable(path, "the report")?;
        Ok(Some(Self { path: path.to_owned(), format }))
    }

    /// Writes the rendered report.
    ///
    /// # Errors
    /// The file is not writable.
    pub fn write(&self, text: &str) -> Result<(), FileError> {
        files::write(&self.path, "the report", text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [ReportFormat; 3] = [ReportFormat::Json, ReportFormat::Yaml, ReportFormat::Html];

    #[test]
    fn the_extension_selects_the_format() {
        let by = |name: &str| ReportFormat::from_path(Path::new(name), &FORMATS).ok();
        assert_eq!([by("a.html"), by("b/c.yml")], [Some(ReportFormat::Html), Some(ReportFormat::Yaml)]);
        assert_eq!([by("a.txt"), by("json"), by("a.sarif")], [None, None, None]);
    }

    #[test]
    fn the_hint_lists_the_usual_extensions() {
        assert_eq!(list_extensions(&FORMATS), ".json, .yaml or .html");
    }

    #[test]
    fn the_parser_accepts_only_the_formats_of_the_command() {
        let command =
            || clap::Command::new("some").arg(clap::Arg::new("output").value_parser(ReportFormat::parser(&FORMATS)));
        let found = command().try_get_matches_from(["some", "html"]).unwrap();
        assert_eq!(found.get_one::<ReportFormat>("output"), Some(&ReportFormat::Html));
        assert!(command().try_get_matches_from(["some", "sarif"]).is_err());
    }
}
