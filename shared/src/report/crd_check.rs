//! The report of `helm mural crds check`: the verdict on every CRD, in every output format.
//!
//! Owns the order of findings and the exit code. The verdicts come from `checks/crd_changes`. Input: verdicts. Output: text, Markdown,
//! SARIF or JUnit.

mod table;

use std::fmt::Write as _;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde::Serialize;
use serde_json::{Value, json};

use super::sarif_log::{self, to_sarif_level};
use super::style::{Style, sanitize};
use crate::checks::crd_changes::decision::CrdDecision;
use crate::checks::crd_changes::object_evidence::{ObjectSource, ObjectVerdict};
use crate::checks::crd_changes::waivers::WaiverNote;
use crate::checks::crd_changes::{CrdFinding, CrdVerdict, checks};
use crate::model::check::Level;
use crate::model::text_format::format_count;
use crate::plan::API_VERSION;
use crate::problem::Exit;

/// The report of a check of CRD changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdCheck {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `CrdCheck`
    pub kind: &'static str,
    /// The old CRDs: a chart, a folder or a cluster.
    pub old: String,
    /// The new CRDs.
    pub new: String,
    /// Version of the API server whose rules apply.
    pub server_version: String,
    /// `none`, `files` or `live`.
    pub evidence: ObjectSource,
    /// Number of checked objects.
    pub objects_checked: usize,
    /// The CRDs, most severe first.
    pub crds: Vec<CrdVerdict>,
    /// The first affected objects of each CRD.
    #[serde(rename = "objects")]
    pub affected_objects: Vec<ObjectVerdict>,
    /// Problems of the waivers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiver_notes: Vec<String>,
    /// Files of the new CRDs, by name: where a reader of the code finds them.
    #[serde(skip)]
    pub files: std::collections::BTreeMap<String, String>,
}

impl CrdCheck {
    /// Collects the verdicts, most severe first.
    #[must_use]
    pub fn new(
        old: String,
        new: String,
        server_version: String,
        mut crds: Vec<CrdVerdict>,
        notes: &[WaiverNote],
    ) -> Self {
        crds.sort_by(|a, b| (a.decision, &a.name).cmp(&(b.decision, &b.name)));
        let evidence = crds.iter().map(|crd| crd.evidence.source).find(|source| *source != ObjectSource::None);
        let affected_objects = crds.iter().flat_map(|crd| crd.evidence.objects.clone()).collect();
        Self {
            api_version: API_VERSION,
            kind: "CrdCheck",
            old,
            new,
            server_version,
            evidence: evidence.unwrap_or_default(),
            objects_checked: crds.iter().map(|crd| crd.evidence.objects_checked).sum(),
            affected_objects,
            crds,
            waiver_notes: notes.iter().map(|note| format!("{}: {}", note.check, note.message)).collect(),
            files: std::collections::BTreeMap::new(),
        }
    }

    /// The exit code. Waived findings do not count; warnings count with `strict`.
    #[must_use]
    pub fn exit(&self, strict: bool) -> Exit {
        let open = || self.crds.iter().flat_map(|crd| &crd.findings).filter(|finding| finding.waiver_reason.is_none());
        let refused = self.crds.iter().any(|crd| !crd.server_errors.is_empty());
        if refused || open().any(|finding| finding.level == Level::Error) {
            Exit::ChecksFailed
        } else if strict && (open().any(|finding| finding.level == Level::Warning) || !self.waiver_notes.is_empty()) {
            Exit::OnlyWarnings
        } else {
            Exit::Success
        }
    }

    /// Renders the text output: the findings and their next steps. With `all`, also CRDs without findings.
    #[must_use]
    pub fn render_table(&self, style: Style, all: bool, exit: Exit) -> String {
        table::render(self, style, all, exit)
    }

    fn summarize(&self) -> String {
        let findings = self.crds.iter().flat_map(|crd| &crd.findings).filter(|finding| finding.level != Level::Info);
        let (waived, open): (Vec<&CrdFinding>, Vec<&CrdFinding>) =
            findings.partition(|finding| finding.waiver_reason.is_some());
        let coverage = match self.evidence {
            ObjectSource::None => "no objects checked".to_owned(),
            ObjectSource::Files => format!("{} from files checked", format_count(self.objects_checked, "object")),
            ObjectSource::Live => format!("{} checked", format_count(self.objects_checked, "live object")),
        };
        let waived = if waived.is_empty() { String::new() } else { format!(", {} waived", waived.len()) };
        let of = |level: Level| open.iter().filter(|finding| finding.level == level).count();
        let parts = [(Level::Error, "error"), (Level::Warning, "warning")].map(|(level, word)| (of(level), word));
        let parts: Vec<String> =
            parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format_count(count, word)).collect();
        let parts = if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") };
        format!(
            "{parts} in {}{waived} · {coverage} · Kubernetes {}",
            format_count(self.crds.len(), "CRD"),
            self.server_version
        )
    }

    /// Renders Markdown for a pull request.
    #[must_use]
    pub fn render_markdown(&self) -> String {
        let cell = |text: &str| sanitize(text).replace('|', "\\|");
        let mut out = format!("## CRDs: {} → {}\n\n{}\n", cell(&self.old), cell(&self.new), self.summarize());
        for crd in self.crds.iter().filter(|crd| is_visible_crd(crd)) {
            let _ = write!(out, "\n### {} — {}\n\n", cell(&crd.name), crd.decision.as_str());
            for words in &crd.server_errors {
                let _ = writeln!(out, "- **rejected** by the API server: {}", cell(words));
            }
            if crd.findings.iter().any(is_visible_finding) {
                out.push_str("\n| | where | what | what to do |\n| --- | --- | --- | --- |\n");
            }
            let findings: Vec<&CrdFinding> =
                crd.findings.iter().filter(|finding| is_visible_finding(finding)).collect();
            for of_check in findings.chunk_by(|one, other| (one.check, one.level) == (other.check, other.level)) {
                let Some(first) = of_check.first() else { continue };
                for (place, message) in table::merge_versions(of_check) {
                    let (level, hint) = (to_sarif_level(first.level), cell(first.hint));
                    let _ = writeln!(out, "| {level} | `{}` | {} | {hint} |", cell(&place), cell(&message));
                }
            }
            if !crd.evidence.objects.is_empty() {
                out.push('\n');
            }
            for object in &crd.evidence.objects {
                let _ = writeln!(out, "- {}", cell(&table::describe_object(object)));
            }
        }
        out
    }

    /// Renders SARIF 2.1.0 for code scanning: one result per finding, on the line of the CRD's file.
    #[must_use]
    pub fn render_sarif(&self) -> Value {
        let cards: Vec<_> = checks().map(|check| &check.card).collect();
        let rejections = self.crds.iter().flat_map(|crd| crd.server_errors.iter().map(move |words| (crd, words)));
        let rejection_results = rejections.map(|(crd, words)| {
            let text = format!("{}: the API server rejects it: {words}", crd.name);
            sarif_log::build_result("refused", Level::Error, &text, self.file_of(crd), &crd.name, None)
        });
        let finding_results = self.crds.iter().flat_map(|crd| {
            crd.findings
                .iter()
                .filter(|finding| is_visible_finding(finding))
                .map(move |finding| self.build_result(crd, finding))
        });
        sarif_log::build_log(
            "helm mural crds check",
            &cards,
            &rejection_results.chain(finding_results).collect::<Vec<_>>(),
        )
    }

    fn file_of(&self, crd: &CrdVerdict) -> &str {
        self.files.get(&crd.name).map_or(self.new.as_str(), String::as_str)
    }

    fn build_result(&self, crd: &CrdVerdict, finding: &CrdFinding) -> Value {
        let place = format!("{} {}", crd.name, format_location(finding));
        let text = format!("{place}: {}", finding.message);
        let waived = finding.waiver_reason.as_deref();
        let mut result =
            sarif_log::build_result(finding.check, finding.level, &text, self.file_of(crd), &place, waived);
        if let Some(line) = finding.line {
            result["locations"][0]["physicalLocation"]["region"] = json!({"startLine": line});
        }
        result
    }
}

impl CrdCheck {
    /// Renders JUnit XML for a CI server: one test case per CRD. Errors without a waiver are failures.
    ///
    /// # Errors
    /// The XML cannot be written.
    pub fn render_junit(&self) -> io::Result<String> {
        let failed = |crd: &CrdVerdict| !crd.server_errors.is_empty() || crd.findings.iter().any(is_failure);
        let failures = self.crds.iter().filter(|crd| failed(crd)).count().to_string();
        let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.create_element("testsuite")
            .with_attribute(("name", "helm mural crds check"))
            .with_attribute(("tests", self.crds.len().to_string().as_str()))
            .with_attribute(("failures", failures.as_str()))
            .write_inner_content(|xml| {
                for crd in &self.crds {
                    let case = xml
                        .create_element("testcase")
                        .with_attribute(("classname", "CRDs"))
                        .with_attribute(("name", crd.name.as_str()));
                    if failed(crd) {
                        case.write_inner_content(|xml| write_failure(xml, crd))?;
                    } else {
                        case.write_empty()?;
                    }
                }
                Ok(())
            })?;
        String::from_utf8(xml.into_inner()).map(|text| text + "\n").map_err(io::Error::other)
    }
}

fn is_failure(finding: &CrdFinding) -> bool {
    finding.level == Level::Error && finding.waiver_reason.is_none()
}

fn write_failure(xml: &mut Writer<Vec<u8>>, crd: &CrdVerdict) -> io::Result<()> {
    let words = crd.server_errors.iter().map(|words| format!("the API server rejects it: {words}"));
    let failures = crd.findings.iter().filter(|finding| is_failure(finding));
    let lines: Vec<String> = words
        .chain(failures.map(|finding| format!("{}: {}", format_location(finding), finding.message)))
        .map(|line| sanitize(&line))
        .collect();
    xml.create_element("failure")
        .with_attribute(("message", crd.decision.as_str()))
        .write_text_content(BytesText::new(&lines.join("\n")))
        .map(drop)
}

fn is_visible_finding(finding: &CrdFinding) -> bool {
    finding.level != Level::Info
}

fn is_visible_crd(crd: &CrdVerdict) -> bool {
    matches!(crd.decision, CrdDecision::Rejected | CrdDecision::Breaking | CrdDecision::Risky)
        || crd.findings.iter().any(is_visible_finding)
}

/// `v1 ^.spec.size`
fn format_location(finding: &CrdFinding) -> String {
    let path = finding.path.as_ref().map(ToString::to_string);
    let joined = finding.version.clone().into_iter().chain(path).collect::<Vec<_>>().join(" ");
    if joined.is_empty() { "the CRD".to_owned() } else { joined }
}
