//! The result of a run for machines: flat keys, at most 1 KiB together.
//!
//! The ConfigMap `mural-result` and the termination message of a pod carry it. Open Cluster Management reads single values of any
//! object, up to 1,024 bytes, so the keys are flat and the texts are cut. Input: the report, which is masked already.
//! Output: the fields, as text.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::upgrade_report::{Outcome, ReportKind, StepState, UpgradeReport};
use crate::ask::join_command;
use crate::model::check::{CheckResult, Finding, Level, Verdict};
use crate::model::metadata_keys::MANAGED_BY;
use crate::plan::ChartUpgrade;
use crate::problem::{Exit, Problem};

/// The name of the ConfigMap, in the installation's namespace.
pub const RESULT_NAME: &str = "mural-result";
/// The most bytes of all keys and values together.
const MAX_BYTES: usize = 1024;
/// The most bytes of the reason. The hint takes what is left.
const MAX_REASON_BYTES: usize = 500;

/// How a run ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunOutcome {
    Done,
    Refused,
    Failed,
    Stopped,
    OutOfTime,
}

impl RunOutcome {
    const fn from_exit(exit: Exit) -> Self {
        match exit {
            Exit::Success | Exit::ChangesFound | Exit::OnlyWarnings => Self::Done,
            Exit::Refused
            | Exit::NotConfirmed
            | Exit::ChecksFailed
            | Exit::Locked
            | Exit::MissingTool
            | Exit::Usage => Self::Refused,
            Exit::Failed => Self::Failed,
            Exit::TimedOut => Self::OutOfTime,
            Exit::Interrupted => Self::Stopped,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::OutOfTime => "out-of-time",
        }
    }
}

/// The result of one run. Empty fields are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunResult {
    fields: Vec<(&'static str, String)>,
}

impl RunResult {
    /// The result of a run that has a report.
    #[must_use]
    pub fn from_report(report: &UpgradeReport, at: Timestamp) -> Self {
        let charts = |version: &dyn Fn(&ChartUpgrade) -> Option<String>| {
            let each = report.plan.charts.iter();
            each.filter_map(|chart| Some(format!("{} {}", chart.release, version(chart)?)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let exit = Exit::from_code(report.exit_code);
        // A stopped step counts as failed in the report, and its exit code tells why.
        let failed = report.steps.iter().find(|step| step.state == StepState::Failed);
        let (why, hint) = match (failed, find_worst_finding(&report.plan.guards)) {
            (Some(step), _) => (step.detail.clone(), join_command(report.next_command())),
            (None, Some(finding)) if exit != Exit::Success => {
                (format!("{} {}", finding.subject, finding.message), finding.hint.clone())
            }
            _ => Default::default(),
        };
        Self::new(Ending {
            run: &report.run,
            task: describe_task(report.kind),
            from: charts(&|chart| chart.from.clone()),
            to: charts(&|chart| Some(chart.to.clone())),
            exit,
            step: failed.map(|step| step.step.to_string()).unwrap_or_default(),
            why,
            hint,
            at,
        })
    }

    /// The result of a run that ended without a report, for example because another run holds the lock.
    #[must_use]
    pub fn from_problem(run: &str, problem: &Problem, at: Timestamp) -> Self {
        Self::new(Ending {
            run,
            task: "",
            from: String::new(),
            to: String::new(),
            exit: problem.exit,
            step: String::new(),
            why: std::iter::once(problem.message.clone()).chain(problem.causes()).collect::<Vec<_>>().join(": "),
            hint: problem.hints.first().cloned().unwrap_or_default(),
            at,
        })
    }

    fn new(ending: Ending<'_>) -> Self {
        let Ending { run, task, from, to, exit, step, why, hint, at } = ending;
        let mut fields = vec![
            ("run", run.to_owned()),
            ("task", task.to_owned()),
            ("from", from),
            ("to", to),
            ("outcome", RunOutcome::from_exit(exit).as_str().to_owned()),
            ("exit", exit.code().to_string()),
            ("step", step),
            ("at", at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ("why", cut(&why, MAX_REASON_BYTES)),
        ];
        let used: usize = fields.iter().map(|(key, value)| key.len() + value.len()).sum();
        fields.push(("hint", cut(&hint, MAX_BYTES.saturating_sub(used + "hint".len()))));
        fields.retain(|(_, value)| !value.is_empty());
        Self { fields }
    }

    /// The ConfigMap.
    #[must_use]
    pub fn to_config_map(&self, namespace: &str) -> Value {
        let data: Map<String, Value> =
            self.fields.iter().map(|(key, value)| ((*key).to_owned(), value.as_str().into())).collect();
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": RESULT_NAME,
                "namespace": namespace,
                "labels": {"app.kubernetes.io/managed-by": MANAGED_BY},
            },
            "data": data,
        })
    }

    /// The termination message of a pod: one `key: value` a line.
    #[must_use]
    pub fn to_termination_message(&self) -> String {
        self.fields.iter().map(|(key, value)| format!("{key}: {}\n", value.replace('\n', " "))).collect()
    }
}

/// The fields of a result, before they are cut.
struct Ending<'a> {
    run: &'a str,
    task: &'a str,
    from: String,
    to: String,
    exit: Exit,
    step: String,
    why: String,
    hint: String,
    at: Timestamp,
}

const fn describe_task(kind: ReportKind) -> &'static str {
    match kind {
        ReportKind::Upgrade => "upgrade",
        ReportKind::Rollback => "rollback",
        ReportKind::Repair => "repair",
        ReportKind::CrdApply => "apply-crds",
    }
}

/// The first finding of a guard that refuses the run.
fn find_worst_finding(guards: &[CheckResult]) -> Option<&Finding> {
    let findings = guards.iter().filter_map(|guard| match &guard.verdict {
        Verdict::Fail { findings } => Some(findings),
        Verdict::Pass | Verdict::Skipped { .. } | Verdict::Undetermined { .. } => None,
    });
    findings.flatten().find(|finding| finding.level == Level::Error)
}

/// The text without its end, if it is longer than this many bytes.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit.saturating_sub("…".len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    if limit < "…".len() { String::new() } else { format!("{}…", &text[..end]) }
}

/// Whether a report is the result of a run: it wrote, or tried to.
#[must_use]
pub const fn has_run(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Succeeded | Outcome::Failed => true,
        Outcome::NothingToDo | Outcome::Planned | Outcome::Refused | Outcome::Undetermined => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    fn size(result: &RunResult) -> usize {
        result.fields.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    #[test]
    fn a_result_never_exceeds_its_limit_and_keeps_what_matters() {
        let problem =
            Problem::new(Exit::Locked, "é".repeat(900)).with_hint("run kubectl mural upgrade status ".repeat(40));
        let result = RunResult::from_problem("20261130-120000", &problem, AT);
        assert!(size(&result) <= MAX_BYTES, "{}", size(&result));
        let map = result.to_config_map("hub");
        assert_eq!(map["data"]["outcome"], "refused");
        assert_eq!(map["data"]["exit"], "7");
        assert!(map["data"]["why"].as_str().unwrap().ends_with("é…"));
        assert!(map["data"]["hint"].as_str().unwrap().starts_with("run kubectl mural upgrade status"));
    }

    #[test]
    fn a_termination_message_has_one_line_for_each_field() {
        let problem = Problem::new(Exit::TimedOut, "two\nlines");
        let text = RunResult::from_problem("r1", &problem, AT).to_termination_message();
        assert_eq!(text, "run: r1\noutcome: out-of-time\nexit: 6\nat: 1970-01-01T00:00:00Z\nwhy: two lines\n");
    }

    #[test]
    fn the_words_of_the_outcomes_are_a_contract() {
        let word_of = |exit: Exit| RunOutcome::from_exit(exit).as_str();
        assert_eq!(word_of(Exit::Success), "done");
        assert_eq!(word_of(Exit::Failed), "failed");
        assert_eq!(word_of(Exit::TimedOut), "out-of-time");
        assert_eq!(word_of(Exit::Interrupted), "stopped");
        assert!(
            [Exit::Refused, Exit::Locked, Exit::MissingTool, Exit::Usage]
                .map(word_of)
                .iter()
                .all(|word| *word == "refused")
        );
    }
}
