//! The review of CRDs: the answer of `helm mural crds check`.

use std::fmt::Write as _;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde::Serialize;
use serde_json::Value;

use super::sarif::{self, word};
use super::style::{Mark, Style, harmless};
use crate::checks::Level;
use crate::checks::crd::evidence::{ObjectVerdict, Source};
use crate::checks::crd::waivers::Note;
use crate::checks::crd::{CrdFinding, CrdVerdict, checks};
use crate::model::words;
use crate::plan::{API_VERSION, CrdDecision};
use crate::problem::Exit;

/// The review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdCheck {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `CrdCheck`
    pub kind: &'static str,
    /// What was there before.
    pub old: String,
    /// What comes.
    pub new: String,
    /// Which API server decides.
    pub server_version: String,
    /// `none`, `files` or `live`.
    pub evidence: Source,
    /// How many objects were looked at.
    pub looked_at: usize,
    /// The CRDs, gravest first.
    pub crds: Vec<CrdVerdict>,
    /// The hurt objects, the first of each CRD.
    pub objects: Vec<ObjectVerdict>,
    /// What is wrong with the waivers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Files of the new CRDs, by name: where a reader of the code finds them.
    #[serde(skip)]
    pub files: std::collections::BTreeMap<String, String>,
}

impl CrdCheck {
    /// Makes the review.
    #[must_use]
    pub fn new(old: String, new: String, server_version: String, mut crds: Vec<CrdVerdict>, notes: &[Note]) -> Self {
        crds.sort_by(|a, b| (a.decision, &a.name).cmp(&(b.decision, &b.name)));
        let evidence = crds.iter().map(|crd| crd.evidence.source).find(|source| *source != Source::None);
        let objects = crds.iter().flat_map(|crd| crd.evidence.objects.clone()).collect();
        Self {
            api_version: API_VERSION,
            kind: "CrdCheck",
            old,
            new,
            server_version,
            evidence: evidence.unwrap_or_default(),
            looked_at: crds.iter().map(|crd| crd.evidence.looked_at).sum(),
            objects,
            crds,
            notes: notes.iter().map(|note| format!("{}: {}", note.check, note.message)).collect(),
            files: std::collections::BTreeMap::new(),
        }
    }

    /// How the command ends. Waived findings count no more; warnings count where `strict`.
    #[must_use]
    pub fn exit(&self, strict: bool) -> Exit {
        let open = || self.crds.iter().flat_map(|crd| &crd.findings).filter(|finding| finding.waived.is_none());
        let refused = self.crds.iter().any(|crd| !crd.server_errors.is_empty());
        let unsure = self.crds.iter().any(|crd| crd.evidence.undetermined.is_some() && writes(crd));
        if refused || unsure || open().any(|finding| finding.level == Level::Error) {
            Exit::ChecksFailed
        } else if strict && (open().any(|finding| finding.level == Level::Warning) || !self.notes.is_empty()) {
            Exit::OnlyWarnings
        } else {
            Exit::Fine
        }
    }

    /// For a person: what breaks, for whom, what to do. With `all`, what hurts nobody too.
    #[must_use]
    pub fn table(&self, style: Style, all: bool) -> String {
        let mut out = String::new();
        for crd in &self.crds {
            if all || telling(crd) {
                told(&mut out, crd, style, all);
            }
        }
        let others: Vec<&CrdVerdict> = self.crds.iter().filter(|crd| !all && !telling(crd)).collect();
        if !others.is_empty() {
            let _ = writeln!(
                out,
                "{} {}{}--all shows them",
                style.mark(Mark::Skip),
                words::counted(others.len(), "other"),
                counted(&others)
            );
        }
        for note in &self.notes {
            let _ = writeln!(out, "{} {}", style.mark(Mark::Warn), harmless(note));
        }
        let _ = writeln!(out, "\n{}", self.summary());
        out
    }

    fn summary(&self) -> String {
        let findings = self.crds.iter().flat_map(|crd| &crd.findings).filter(|finding| finding.level != Level::Info);
        let (waived, open): (Vec<&CrdFinding>, Vec<&CrdFinding>) =
            findings.partition(|finding| finding.waived.is_some());
        let looked = match self.evidence {
            Source::None => "no objects looked at (--objects, or a cluster)".to_owned(),
            Source::Files => format!("{} objects from files looked at", self.looked_at),
            Source::Live => format!("{} live objects looked at", self.looked_at),
        };
        let waived = if waived.is_empty() { String::new() } else { format!(", {} waived", waived.len()) };
        format!(
            "{} in {}{waived} · {looked} · Kubernetes {}",
            words::counted(open.len(), "finding"),
            words::counted(self.crds.len(), "CRD"),
            self.server_version
        )
    }

    /// For a pull request.
    #[must_use]
    pub fn markdown(&self) -> String {
        let cell = |text: &str| harmless(text).replace('|', "\\|");
        let mut out = format!("## CRDs: {} → {}\n\n{}\n", cell(&self.old), cell(&self.new), self.summary());
        for crd in self.crds.iter().filter(|crd| telling(crd)) {
            let _ = write!(out, "\n### {} — {}\n\n", cell(&crd.name), crd.decision.word());
            for words in &crd.server_errors {
                let _ = writeln!(out, "- **refused** by the API server: {}", cell(words));
            }
            if crd.findings.iter().any(shown) {
                out.push_str("\n| | where | what | what to do |\n| --- | --- | --- | --- |\n");
            }
            for finding in crd.findings.iter().filter(|finding| shown(finding)) {
                let waived =
                    finding.waived.as_ref().map(|reason| format!(" (waived: {})", cell(reason))).unwrap_or_default();
                let (level, place) = (word(finding.level), place(finding));
                let _ = writeln!(
                    out,
                    "| {level} | `{}` | {}{waived} | {} |",
                    cell(&place),
                    cell(&finding.message),
                    cell(finding.hint)
                );
            }
        }
        out
    }

    /// For code scanning: SARIF 2.1.0, a result a finding, at the CRD's file.
    #[must_use]
    pub fn sarif(&self) -> Value {
        let cards: Vec<_> = checks().map(|check| &check.card).collect();
        let found = self
            .crds
            .iter()
            .flat_map(|crd| crd.findings.iter().filter(|finding| shown(finding)).map(move |finding| (crd, finding)));
        let results: Vec<Value> = found
            .map(|(crd, finding)| {
                let file = self.files.get(&crd.name).map_or(self.new.as_str(), String::as_str);
                let place = format!("{} {}", crd.name, place(finding));
                let text = format!("{place}: {}", finding.message);
                sarif::result(finding.check, finding.level, &text, file, &place, finding.waived.as_deref())
            })
            .collect();
        sarif::log("helm mural crds check", &cards, &results)
    }
}

impl CrdCheck {
    /// For a CI server: a suite, a case a CRD. Errors that nobody answers for are failures.
    ///
    /// # Errors
    /// The XML cannot be written.
    pub fn junit(&self) -> io::Result<String> {
        let failed = |crd: &CrdVerdict| !crd.server_errors.is_empty() || crd.findings.iter().any(fails);
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
                        case.write_inner_content(|xml| failure(xml, crd))?;
                    } else {
                        case.write_empty()?;
                    }
                }
                Ok(())
            })?;
        String::from_utf8(xml.into_inner()).map(|text| text + "\n").map_err(io::Error::other)
    }
}

fn fails(finding: &CrdFinding) -> bool {
    finding.level == Level::Error && finding.waived.is_none()
}

fn failure(xml: &mut Writer<Vec<u8>>, crd: &CrdVerdict) -> io::Result<()> {
    let words = crd.server_errors.iter().map(|words| format!("the API server refuses it: {words}"));
    let found = crd.findings.iter().filter(|finding| fails(finding));
    let lines: Vec<String> = words
        .chain(found.map(|finding| format!("{}: {}", place(finding), finding.message)))
        .map(|line| harmless(&line))
        .collect();
    xml.create_element("failure")
        .with_attribute(("message", crd.decision.word()))
        .write_text_content(BytesText::new(&lines.join("\n")))
        .map(drop)
}

fn writes(crd: &CrdVerdict) -> bool {
    !matches!(crd.decision, CrdDecision::Unchanged | CrdDecision::Text | CrdDecision::Gone | CrdDecision::New)
}

fn shown(finding: &CrdFinding) -> bool {
    finding.level != Level::Info
}

fn telling(crd: &CrdVerdict) -> bool {
    matches!(crd.decision, CrdDecision::Refused | CrdDecision::Breaking | CrdDecision::Risky)
        || crd.findings.iter().any(shown)
}

/// `v1 ^.spec.size`
fn place(finding: &CrdFinding) -> String {
    let parts = [finding.version.as_deref(), finding.path.as_deref()];
    let joined = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if joined.is_empty() { "the CRD".to_owned() } else { joined }
}

fn told(out: &mut String, crd: &CrdVerdict, style: Style, all: bool) {
    let mark = match crd.decision {
        CrdDecision::Refused | CrdDecision::Breaking => Mark::Fail,
        CrdDecision::Risky => Mark::Warn,
        CrdDecision::Gone | CrdDecision::Unchanged => Mark::Skip,
        CrdDecision::New | CrdDecision::Safe | CrdDecision::Text => Mark::Pass,
    };
    let _ = writeln!(out, "{} {:<62} {}", style.mark(mark), style.bold(&harmless(&crd.name)), crd.decision.word());
    for words in &crd.server_errors {
        let _ = writeln!(out, "    the API server refuses it: {}", harmless(words));
    }
    let mut last = "";
    for finding in crd.findings.iter().filter(|finding| all || shown(finding)) {
        if !last.is_empty() && last != finding.check {
            hint(out, last, style);
        }
        let waived = finding.waived.as_ref().map(|reason| format!("  (waived: {reason})")).unwrap_or_default();
        let _ =
            writeln!(out, "    {:<34} {}{}", harmless(&place(finding)), harmless(&finding.message), harmless(&waived));
        last = finding.check;
    }
    if !last.is_empty() {
        hint(out, last, style);
    }
    for one in crd.evidence.objects.iter().take(3) {
        let why = one.errors.first().map(|error| format!("{} {}", error.path, error.message));
        let why = why.unwrap_or_else(|| format!("loses {}", one.pruned.join(", ")));
        let _ = writeln!(out, "      {} in {}: {}", harmless(&one.object), one.version, harmless(&why));
    }
}

/// The hint of a check, once for all that it found in a row.
fn hint(out: &mut String, id: &str, style: Style) {
    if let Some(check) = checks().find(|check| check.card.id == id).filter(|check| check.card.level != Level::Info) {
        let _ = writeln!(out, "      {}", style.dim(check.card.why));
        let _ = writeln!(out, "      {} {}", style.arrow(), check.card.fix);
    }
}

/// `: 21 unchanged, 7 safe; `
fn counted(crds: &[&CrdVerdict]) -> String {
    let kinds = [CrdDecision::New, CrdDecision::Safe, CrdDecision::Text, CrdDecision::Unchanged, CrdDecision::Gone];
    let count = |kind: CrdDecision| crds.iter().filter(|crd| crd.decision == kind).count();
    let told: Vec<String> = kinds
        .into_iter()
        .filter(|kind| count(*kind) > 0)
        .map(|kind| format!("{} {}", count(kind), kind.word()))
        .collect();
    format!(": {}; ", told.join(", "))
}
