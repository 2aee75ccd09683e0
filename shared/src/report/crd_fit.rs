//! The report of `helm mural crds fit`: what the API server would do with each object, by the CRDs of a chart.
//!
//! Input: the verdicts, with file and line. Output: text for a terminal, GitHub annotations, or a value for JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::style::{Mark, Style, sanitize};
use crate::checks::object_fit::ObjectFit;
use crate::model::text_format::format_count;
use crate::plan::API_VERSION;
use crate::problem::Exit;

/// How many objects of one verdict a short list has.
const MAX_LISTED_OBJECTS: usize = 20;

/// One object and its verdict.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FitRow {
    /// The file.
    pub file: String,
    /// The line on which the object starts.
    pub line: usize,
    /// `Pool ns/name`
    pub object: String,
    /// The verdict.
    #[serde(flatten)]
    pub fit: ObjectFit,
}

/// The report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdFit {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `CrdFit`
    pub kind: &'static str,
    /// The chart: name, version and digest.
    pub chart: String,
    /// The version of the API server whose rules apply.
    pub server_version: String,
    /// Files that could not be read.
    pub unreadable_files: usize,
    /// Every object of a kind of the chart's CRDs, in the order of the files.
    pub objects: Vec<FitRow>,
    /// Objects of other kinds, which are not judged.
    pub other_objects: usize,
}

impl CrdFit {
    /// Builds the report.
    #[must_use]
    pub fn new(chart: String, server_version: String, rows: Vec<FitRow>, unreadable_files: usize) -> Self {
        let (others, objects): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.fit == ObjectFit::OtherKind);
        let (api_version, kind, other_objects) = (API_VERSION, "CrdFit", others.len());
        Self { api_version, kind, chart, server_version, unreadable_files, objects, other_objects }
    }

    /// Code 3 if an object is rejected or undetermined, a file is unreadable, or nothing was judged; with `strict`, 4 if only fields
    /// are dropped.
    #[must_use]
    pub fn exit(&self, strict: bool) -> Exit {
        let has = |test: fn(&ObjectFit) -> bool| self.objects.iter().any(|row| test(&row.fit));
        let is_bad = |fit: &ObjectFit| matches!(fit, ObjectFit::Rejected { .. } | ObjectFit::Undetermined { .. });
        if has(is_bad) || self.unreadable_files > 0 || self.objects.is_empty() {
            Exit::ChecksFailed
        } else if strict && has(|fit| matches!(fit, ObjectFit::Pruned { .. })) {
            Exit::OnlyWarnings
        } else {
            Exit::Success
        }
    }

    /// Renders the text: the problems, then the counts.
    #[must_use]
    pub fn render_table(&self, style: Style, exit: Exit) -> String {
        let problems: Vec<&FitRow> = self.objects.iter().filter(|row| row.fit != ObjectFit::Fits).collect();
        let mut out = String::new();
        let limit = style.listing.limit(MAX_LISTED_OBJECTS);
        for row in problems.iter().take(limit) {
            write_row(&mut out, row, style);
        }
        if problems.len() > limit {
            let _ = writeln!(out, "and {} more; list them with --all", problems.len() - limit);
        }
        let count = |test: fn(&ObjectFit) -> bool| self.objects.iter().filter(|row| test(&row.fit)).count();
        let fitting = count(|fit| *fit == ObjectFit::Fits);
        let counted = [
            (count(|fit| matches!(fit, ObjectFit::Pruned { .. })), "would lose fields"),
            (count(|fit| matches!(fit, ObjectFit::Rejected { .. })), "would be rejected"),
            (count(|fit| matches!(fit, ObjectFit::Undetermined { .. })), "undetermined"),
        ];
        let rest: String =
            counted.iter().filter(|(count, _)| *count > 0).map(|(count, text)| format!(" · {count} {text}")).collect();
        let all = format_count(self.objects.len(), "object");
        let others = match self.other_objects {
            0 => String::new(),
            count => format!(" · {} of other kinds", format_count(count, "object")),
        };
        let chart = sanitize(&self.chart);
        let code = exit.code();
        let _ = writeln!(
            out,
            "{fitting} of {all} fit {chart}{rest}{others} · Kubernetes {}   exit code {code}",
            self.server_version
        );
        if self.objects.is_empty() {
            let _ =
                writeln!(out, "{} no object is of a kind of this chart: check --objects", style.mark(Mark::Unknown));
        }
        out
    }

    /// Renders one GitHub annotation for each problem, at its file and line.
    #[must_use]
    pub fn render_github(&self) -> String {
        let escape = |text: &str| sanitize(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        let annotate = |row: &FitRow| {
            let (command, text) = match &row.fit {
                ObjectFit::Fits | ObjectFit::OtherKind => return None,
                ObjectFit::Pruned { fields } => ("warning", format!("the API server drops {}", fields.join(", "))),
                ObjectFit::Rejected { reasons } => ("error", reasons.join("\n")),
                ObjectFit::Undetermined { reasons } => ("error", format!("undetermined: {}", reasons.join("\n"))),
            };
            let file = escape(&row.file).replace(':', "%3A").replace(',', "%2C");
            Some(format!("::{command} file={file},line={}::{}: {}\n", row.line, escape(&row.object), escape(&text)))
        };
        self.objects.iter().filter_map(annotate).collect()
    }
}

fn write_row(out: &mut String, row: &FitRow, style: Style) {
    let FitRow { file, line, object, fit } = row;
    let (mark, lines) = match fit {
        ObjectFit::Fits | ObjectFit::OtherKind => return,
        ObjectFit::Pruned { fields } => {
            let lines = fields.iter().map(|field| format!("{field}: the API server drops it, no schema has it"));
            (Mark::Warn, lines.collect())
        }
        ObjectFit::Rejected { reasons } => (Mark::Fail, reasons.clone()),
        ObjectFit::Undetermined { reasons } => (Mark::Unknown, reasons.clone()),
    };
    let place = sanitize(&format!("{file}:{line}"));
    let _ = writeln!(out, "{} {}  {}", style.mark(mark), style.bold(&sanitize(object)), style.dim(&place));
    for line in &lines {
        let _ = writeln!(out, "    {}", sanitize(line).replace('\n', "\n    "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(object: &str, line: usize, fit: ObjectFit) -> FitRow {
        FitRow { file: "samples/pools.yaml".into(), line, object: object.into(), fit }
    }

    fn report(rows: Vec<FitRow>) -> CrdFit {
        CrdFit::new("mural-crds 0.7.4 (sha256:05094f0008ef)".into(), "1.37".into(), rows, 0)
    }

    #[test]
    fn the_exit_code_follows_the_worst_object() {
        let pruned = || row("Pool a", 1, ObjectFit::Pruned { fields: vec!["spec.color".into()] });
        let fits = || row("Pool b", 9, ObjectFit::Fits);
        let rejected = || row("Pool c", 17, ObjectFit::Rejected { reasons: vec!["spec.size: Required value".into()] });
        assert_eq!(report(vec![fits(), pruned()]).exit(false), Exit::Success);
        assert_eq!(report(vec![fits(), pruned()]).exit(true), Exit::OnlyWarnings);
        let all = report(vec![fits(), pruned(), rejected(), row("ConfigMap d", 20, ObjectFit::OtherKind)]);
        assert_eq!((all.exit(true), all.other_objects), (Exit::ChecksFailed, 1));
        assert_eq!(report(vec![row("ConfigMap d", 20, ObjectFit::OtherKind)]).exit(false), Exit::ChecksFailed);
        let text = all.render_table(Style::PLAIN, Exit::ChecksFailed);
        assert!(text.contains("✖ Pool c  samples/pools.yaml:17\n    spec.size: Required value"), "{text}");
        assert!(text.contains("1 of 3 objects fit mural-crds 0.7.4"), "{text}");
        let annotations = all.render_github();
        assert!(annotations.contains("::error file=samples/pools.yaml,line=17::Pool c: spec.size"), "{annotations}");
    }
}
