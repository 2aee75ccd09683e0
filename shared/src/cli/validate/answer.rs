//! The answer in each form, on standard output and in files.

use std::time::Duration;

use crate::cli::{OutputFormat as Form, Stream, StyleFlags, files, style_for};
use crate::problem::{Exit, Problem};
use crate::report::style::Style;
use crate::report::validate::{
    TableOptions, ValidateReport, ValidateReportList, render_html, render_junit, render_markdown, render_sarif,
    render_table,
};

use crate::cli::validate::flags::ValidateFormat;
use crate::cli::validate::validate_request::ValidateRequest;

/// Writes the files, and then the answer.
pub(crate) fn write_answer(
    reports: &[ValidateReport],
    request: &ValidateRequest,
    (output, style): (ValidateFormat, StyleFlags),
    exit: Exit,
    elapsed: Duration,
) -> Result<(), Problem> {
    if let Some(file) = &request.save_baseline {
        files::write(file, "the baseline", render_json(reports)?.as_bytes())?;
    }
    if let Some((file, form)) = &request.report {
        let text = render(reports, *form, TableOptions { show_all_checks: true, exit, elapsed: None }, Style::PLAIN)?;
        files::write(file, "the report", text.as_bytes())?;
    }
    let elapsed = Stream::Stdout.is_terminal().then_some(elapsed);
    let render_options = TableOptions { show_all_checks: output == ValidateFormat::Wide, exit, elapsed };
    Stream::Stdout.write(&render(reports, output, render_options, style_for(Stream::Stdout, style))?);
    Ok(())
}

/// One report, or a list of them.
pub(crate) fn render_json(reports: &[ValidateReport]) -> Result<String, Problem> {
    render_one_or_list(reports, Form::Json)
}

fn render_one_or_list(reports: &[ValidateReport], form: Form) -> Result<String, Problem> {
    match reports {
        [one] => form.render(one, String::new),
        many => form.render(&ValidateReportList::new(many), String::new),
    }
}

fn render(
    reports: &[ValidateReport],
    output: ValidateFormat,
    render_options: TableOptions,
    style: Style,
) -> Result<String, Problem> {
    match output {
        ValidateFormat::Table | ValidateFormat::Wide => {
            let each: Vec<String> = reports.iter().map(|report| render_table(report, render_options, style)).collect();
            Ok(each.join("\n"))
        }
        ValidateFormat::Json => render_json(reports),
        ValidateFormat::Yaml => render_one_or_list(reports, Form::Yaml),
        ValidateFormat::Junit => {
            render_junit(reports).map_err(|error| Problem::failure("cannot write the report").with_source(error))
        }
        ValidateFormat::Sarif => Form::Json.render(&render_sarif(reports), String::new),
        ValidateFormat::Markdown => Ok(render_markdown(reports)),
        ValidateFormat::Html => Ok(render_html(reports)),
    }
}
