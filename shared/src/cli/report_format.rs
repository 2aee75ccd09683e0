//! The forms of a report, on standard output (`-o`) and in a file (`--report FILE`, whose ending tells the form).

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{OutputFormat, files};
use crate::problem::Problem;

/// A form of a report. A command lists the forms that its report has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a person: counts, and what is wrong.
    Table,
    /// For a person: everything.
    Wide,
    /// For a program.
    Json,
    /// For a program.
    Yaml,
    /// For a CI server.
    Junit,
    /// For code scanning: SARIF 2.1.0.
    Sarif,
    /// For a ticket or a pull request.
    Markdown,
    /// For a browser: one file, no network.
    Html,
}

impl ReportFormat {
    /// Parses the value of `-o`, which is one of these forms.
    pub fn parser(formats: &[Self]) -> impl TypedValueParser<Value = Self> + use<> {
        let values: Vec<_> = formats.iter().filter_map(Self::to_possible_value).collect();
        PossibleValuesParser::new(values).try_map(|name| <Self as ValueEnum>::from_str(&name, false))
    }

    /// The endings of a file in this form, the usual one first; a terminal's forms are not kept in files.
    const fn file_endings(self) -> &'static [&'static str] {
        match self {
            Self::Table | Self::Wide => &[],
            Self::Json => &["json"],
            Self::Yaml => &["yaml", "yml"],
            Self::Junit => &["xml"],
            Self::Sarif => &["sarif"],
            Self::Markdown => &["md", "markdown"],
            Self::Html => &["html", "htm"],
        }
    }

    /// The form that a file's ending tells.
    ///
    /// # Errors
    /// A usage problem: the ending tells none of these forms.
    pub fn from_path(file: &Path, formats: &[Self]) -> Result<Self, Problem> {
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        formats.iter().copied().find(|format| format.file_endings().contains(&ending)).ok_or_else(|| {
            Problem::usage(format!("--report {} does not tell its form", file.display()))
                .with_hint(format!("end it with {}", list_endings(formats)))
        })
    }

    /// The value as JSON or YAML.
    ///
    /// # Errors
    /// The value cannot be written in it.
    pub fn render_data<T: serde::Serialize>(self, value: &T) -> Result<String, Problem> {
        let format = if self == Self::Yaml { OutputFormat::Yaml } else { OutputFormat::Json };
        format.render(value, String::new)
    }
}

/// `.json, .yaml or .md`
fn list_endings(formats: &[ReportFormat]) -> String {
    let endings: Vec<String> =
        formats.iter().filter_map(|format| format.file_endings().first()).map(|ending| format!(".{ending}")).collect();
    match endings.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// A file that keeps the report.
#[derive(Debug, Clone)]
pub struct ReportFile {
    path: PathBuf,
    /// The form that the file's ending tells.
    pub format: ReportFormat,
}

impl ReportFile {
    /// Reads `--report`, before anything is asked of a cluster; `None` without the flag.
    ///
    /// # Errors
    /// A usage problem: the ending tells none of these forms, or the file cannot be written.
    pub fn from_flag(flag: Option<&Path>, formats: &[ReportFormat]) -> Result<Option<Self>, Problem> {
        let Some(path) = flag else { return Ok(None) };
        let format = ReportFormat::from_path(path, formats)?;
        files::check_writable(path, "the report")?;
        Ok(Some(Self { path: path.to_owned(), format }))
    }

    /// Keeps the report, rendered in the file's form.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, text: &str) -> Result<(), Problem> {
        files::write(&self.path, "the report", text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [ReportFormat; 3] = [ReportFormat::Json, ReportFormat::Yaml, ReportFormat::Html];

    #[test]
    fn a_files_ending_tells_its_form() {
        let by = |name: &str| ReportFormat::from_path(Path::new(name), &FORMATS).ok();
        assert_eq!([by("a.html"), by("b/c.yml")], [Some(ReportFormat::Html), Some(ReportFormat::Yaml)]);
        assert_eq!([by("a.txt"), by("json"), by("a.sarif")], [None, None, None]);
    }

    #[test]
    fn the_hint_lists_the_usual_endings() {
        assert_eq!(list_endings(&FORMATS), ".json, .yaml or .html");
    }

    #[test]
    fn the_parser_takes_the_forms_of_the_command_alone() {
        let command =
            || clap::Command::new("some").arg(clap::Arg::new("output").value_parser(ReportFormat::parser(&FORMATS)));
        let found = command().try_get_matches_from(["some", "html"]).unwrap();
        assert_eq!(found.get_one::<ReportFormat>("output"), Some(&ReportFormat::Html));
        assert!(command().try_get_matches_from(["some", "sarif"]).is_err());
    }
}
