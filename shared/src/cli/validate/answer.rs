//! Renders the report in each format, and writes it to standard output and to files.

use std::time::Duration;

use crate::cli::command_error::CommandError;
use crate::cli::report_format::ReportFormat;
use crate::cli::{Stream, StyleFlags, files, style_for};
use crate::problem::{Exit, Problem};
use crate::report::style::{Listing, Style};
use crate::report::validate::{
    TableOptions, ValidateReport, ValidateReportList, render_github, render_html, render_junit, render_markdown,
    render_prometheus, render_sarif, render_table,
};

use crate::cli::validate::validate_request::ValidateRequest;

/// Writes the baseline and the report file, then the report on standard output.
pub(crate) fn write_answer(
    reports: &[ValidateReport],
    request: &ValidateRequest,
    (output, style): (ReportFormat, StyleFlags),
    exit: Exit,
    elapsed: Duration,
) -> Result<(), Problem> {
    if let Some(file) = &request.save_baseline {
        files::write(file, "the baseline", render_json(reports)?.as_bytes())?;
    }
    if let Some(file) = &request.report {
        let render_options = TableOptions { show_all_checks: true, exit, elapsed: None };
        file.write(&render(reports, file.format, render_options, Style::PLAIN)?)?;
    }
    let elapsed = Stream::Stdout.is_terminal().then_some(elapsed);
    let render_options = TableOptions { show_all_checks: output == ReportFormat::Wide, exit, elapsed };
    let listing = if request.all || output == ReportFormat::Wide { Listing::All } else { Listing::Short };
    let style = style_for(Stream::Stdout, style).with_listing(listing);
    Stream::Stdout.write(&render(reports, output, render_options, style)?);
    Ok(())
}

/// Renders one report as one JSON document, several reports as a list.
pub(crate) fn render_json(reports: &[ValidateReport]) -> Result<String, CommandError> {
    render_one_or_list(reports, ReportFormat::Json)
}

fn render_one_or_list(reports: &[ValidateReport], format: ReportFormat) -> Result<String, CommandError> {
    match reports {
        [one] => format.render_data(one),
        many => format.render_data(&ValidateReportList::new(many)),
    }
}

fn render(
    reports: &[ValidateReport],
    output: ReportFormat,
    render_options: TableOptions,
    style: Style,
) -> Result<String, CommandError> {
    match output {
        ReportFormat::Table | ReportFormat::Wide => {
            let each: Vec<String> = reports.iter().map(|report| render_table(report, render_options, style)).collect();
            Ok(each.join("\n"))
        }
        ReportFormat::Json | ReportFormat::Yaml => render_one_or_list(reports, output),
        ReportFormat::Junit => render_junit(reports).map_err(CommandError::report),
        ReportFormat::Sarif => output.render_data(&render_sarif(reports)),
        ReportFormat::Markdown => Ok(render_markdown(reports)),
        ReportFormat::Html => Ok(render_html(reports)),
        ReportFormat::Prometheus => Ok(render_prometheus(reports)),
        ReportFormat::Github => Ok(render_github(reports)),
    }
}
