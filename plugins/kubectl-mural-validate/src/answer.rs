//! The answer in each form, on standard output and in files.

use std::time::Duration;

use mural::cli::{LookFlags, Output as Form, Stream, files, style_for};
use mural::problem::{Exit, Problem};
use mural::report::style::Style;
use mural::report::validate::{Shown, ValidateReport, ValidateReports, html, junit, markdown, sarif, table};

use crate::flags::Output;
use crate::job::Job;

/// Writes the files, and then the answer.
pub(crate) fn give(
    reports: &[ValidateReport],
    job: &Job,
    (output, look): (Output, LookFlags),
    exit: Exit,
    elapsed: Duration,
) -> Result<(), Problem> {
    if let Some(file) = &job.save_baseline {
        files::write(file, "the baseline", json(reports)?.as_bytes())?;
    }
    if let Some((file, form)) = &job.report {
        let text = rendered(reports, *form, Shown { all_checks: true, exit, elapsed: None }, Style::PLAIN)?;
        files::write(file, "the report", text.as_bytes())?;
    }
    let elapsed = Stream::Answer.is_terminal().then_some(elapsed);
    let shown = Shown { all_checks: output == Output::Wide, exit, elapsed };
    Stream::Answer.write(&rendered(reports, output, shown, style_for(Stream::Answer, look))?);
    Ok(())
}

/// One report, or a list of them.
pub(crate) fn json(reports: &[ValidateReport]) -> Result<String, Problem> {
    one_or_list(reports, Form::Json)
}

fn one_or_list(reports: &[ValidateReport], form: Form) -> Result<String, Problem> {
    match reports {
        [one] => form.form(one, String::new),
        more => form.form(&ValidateReports::new(more), String::new),
    }
}

fn rendered(reports: &[ValidateReport], output: Output, shown: Shown, style: Style) -> Result<String, Problem> {
    match output {
        Output::Table | Output::Wide => {
            let each: Vec<String> = reports.iter().map(|report| table(report, shown, style)).collect();
            Ok(each.join("\n"))
        }
        Output::Json => json(reports),
        Output::Yaml => one_or_list(reports, Form::Yaml),
        Output::Junit => junit(reports).map_err(|error| Problem::failed("cannot write the report").because(error)),
        Output::Sarif => Form::Json.form(&sarif(reports), String::new),
        Output::Markdown => Ok(markdown(reports)),
        Output::Html => Ok(html(reports)),
    }
}
