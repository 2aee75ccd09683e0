//! Renders the report as JUnit XML for a CI server: a test suite per section, a test case per check.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::ValidateReport;
use crate::model::check::{CheckResult, Finding, Level, Verdict};
use crate::report::style::sanitize;

type XmlWriter = Writer<Vec<u8>>;

/// Renders JUnit XML. Errors are failures, undetermined checks are errors, warnings are output of the test case.
///
/// # Errors
/// The XML cannot be written.
pub fn render_junit(reports: &[ValidateReport]) -> io::Result<String> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let name = concat!("kubectl mural validate ", env!("CARGO_PKG_VERSION"));
    xml.create_element("testsuites").with_attribute(("name", name)).write_inner_content(|xml| {
        for report in reports {
            let cluster =
                if reports.len() > 1 { format!("{}: ", sanitize_xml(&report.cluster.context)) } else { String::new() };
            for (section, checks) in report.sections() {
                write_suite(xml, &format!("{cluster}{}", section.title()), &checks)?;
            }
            let context = sanitize_xml(&report.cluster.context);
            if let Some(reason) = &report.read_failure {
                write_error_suite(xml, (&context, "answers"), reason)?;
            }
            if let Some(warning) = report.coverage.warning() {
                write_error_suite(xml, (&context, "is complete"), &warning)?;
            }
        }
        Ok(())
    })?;
    String::from_utf8(xml.into_inner()).map(|text| text + "\n").map_err(io::Error::other)
}

/// An unreadable cluster, or an incomplete report, is one test case with an error.
fn write_error_suite(xml: &mut XmlWriter, (cluster, name): (&str, &str), reason: &str) -> io::Result<()> {
    let suite = xml.create_element("testsuite").with_attribute(("name", cluster)).with_attribute(("tests", "1"));
    let suite =
        suite.with_attribute(("failures", "0")).with_attribute(("errors", "1")).with_attribute(("skipped", "0"));
    suite
        .write_inner_content(|xml| {
            let case =
                xml.create_element("testcase").with_attribute(("classname", cluster)).with_attribute(("name", name));
            case.write_inner_content(|xml| write_message(xml, "error", reason)).map(drop)
        })
        .map(drop)
}

fn write_suite(xml: &mut XmlWriter, name: &str, checks: &[&CheckResult]) -> io::Result<()> {
    let count = |is: fn(&CheckResult) -> bool| checks.iter().filter(|checked| is(checked)).count().to_string();
    let (tests, failures, errors) =
        (checks.len().to_string(), count(CheckResult::has_error), count(CheckResult::is_undetermined));
    let skipped = count(|checked| matches!(checked.verdict, Verdict::Skipped { .. }));
    xml.create_element("testsuite")
        .with_attribute(("name", name))
        .with_attribute(("tests", tests.as_str()))
        .with_attribute(("failures", failures.as_str()))
        .with_attribute(("errors", errors.as_str()))
        .with_attribute(("skipped", skipped.as_str()))
        .write_inner_content(|xml| {
            for checked in checks {
                write_case(xml, name, checked)?;
            }
            Ok(())
        })
        .map(drop)
}

fn write_case(xml: &mut XmlWriter, section: &str, checked: &CheckResult) -> io::Result<()> {
    let element =
        xml.create_element("testcase").with_attribute(("classname", section)).with_attribute(("name", checked.check));
    match &checked.verdict {
        Verdict::Pass => element.write_empty().map(drop),
        Verdict::Skipped { reason } => {
            element.write_inner_content(|xml| write_message(xml, "skipped", reason)).map(drop)
        }
        Verdict::Undetermined { reason } => {
            element.write_inner_content(|xml| write_message(xml, "error", reason)).map(drop)
        }
        Verdict::Fail { findings } => element.write_inner_content(|xml| write_findings(xml, findings)).map(drop),
    }
}

fn write_message(xml: &mut XmlWriter, element: &str, reason: &str) -> io::Result<()> {
    xml.create_element(element).with_attribute(("message", sanitize_xml(reason).as_str())).write_empty().map(drop)
}

fn write_findings(xml: &mut XmlWriter, findings: &[Finding]) -> io::Result<()> {
    let (errors, rest): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.level == Level::Error);
    if !errors.is_empty() {
        let summary = format!("{}: {}", errors[0].subject, errors[0].message);
        xml.create_element("failure")
            .with_attribute(("message", sanitize_xml(&summary).as_str()))
            .write_text_content(BytesText::new(&format_findings(&errors)))?;
    }
    if !rest.is_empty() {
        xml.create_element("system-out").write_text_content(BytesText::new(&format_findings(&rest)))?;
    }
    Ok(())
}

fn format_findings(findings: &[&Finding]) -> String {
    let line =
        |finding: &&Finding| format!("{}: {}\n{}\n{}\n", finding.subject, finding.message, finding.hint, finding.docs);
    sanitize_xml(&findings.iter().map(line).collect::<String>())
}

/// Replaces control characters and the two non-characters, which XML 1.0 cannot contain.
fn sanitize_xml(text: &str) -> String {
    sanitize(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
