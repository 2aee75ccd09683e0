//! A run: its progress in plain lines, its end, and a problem that ends it.

use super::plan_fixture::{finding, guard, passed, upgrade_plan};
use super::plan_screens::rollback_plan;
use super::{NOW, assert_screen};
use crate::model::check::{Level, Verdict};
use crate::model::release_role::ReleaseRole;
use crate::model::workload_availability::IncompleteRollout;
use crate::plan::StepId;
use crate::plan::repair::Issue;
use crate::problem::{Exit, Problem};
use crate::report::event::{Event, WaitingObject};
use crate::report::human::HumanRenderer;
use crate::report::problem_text::render_problem;
use crate::report::run_result::RunResult;
use crate::report::style::Style;
use crate::report::upgrade_report::{
    FinalCheck, NewestRevision, Outcome, ReleaseAfterFailure, ReportKind, StateAfterFailure, StepOutcome, StepState,
    UpgradeReport,
};
use crate::report::validate::FindingDiff;
use crate::report::{upgrade_markdown, upgrade_result};

fn waiting(reason: &str, terminal_seconds: Option<u64>) -> Event {
    let object = |object: &str, progress: &str, reason: &str, terminal_seconds| WaitingObject {
        object: object.into(),
        progress: progress.into(),
        reason: reason.into(),
        terminal_seconds,
    };
    Event::Waiting {
        step: "mural".into(),
        seconds: 12.0,
        limit_seconds: 1200.0,
        grace_seconds: 60,
        ready: (5, 7),
        objects: vec![
            object("Deployment canvas", "1/2", reason, terminal_seconds),
            object("Deployment dex", "0/1", "starting", None),
        ],
    }
}

fn done(step: &str, detail: &str, seconds: f64) -> Event {
    Event::StepDone { step: step.into(), detail: detail.into(), seconds }
}

#[test]
fn progress_of_a_run() {
    let failed = Event::StepFailed {
        step: "mural".into(),
        reason: "Deployment canvas cannot pull its image for 60s".into(),
        seconds: 72.0,
    };
    let events = [
        Event::StageStarted { stage: "look", detail: "reads the cluster".into() },
        Event::StageDone { stage: "look", detail: "2 releases, 42 CRDs".into(), seconds: 0.4 },
        Event::Warning { stage: "values", message: "values.yaml sets an unknown key: global.metrik".into() },
        Event::Progress { step: "backup".into(), detail: "objects".into(), done: 40, total: 131 },
        done("crds", "21 CRDs applied", 1.94),
        done("served", "21 of 21 CRDs: the API server serves the chart's schema", 0.31),
        waiting("starting", None),
        waiting("starting", None),
        waiting("ImagePullBackOff: canvas:1.1.0-rc.3: not found", Some(14)),
        failed,
    ];
    let mut renderer = HumanRenderer::new(Style::PLAIN);
    let lines: Vec<String> = events.iter().flat_map(|event| renderer.render_event(event)).collect();
    assert_screen("run_progress", &lines.join("\n"));
}

fn outcome(step: StepId, state: StepState, detail: &str) -> StepOutcome {
    StepOutcome { step, state, detail: detail.into(), seconds: 1.5 }
}

fn succeeded(kind: ReportKind) -> UpgradeReport {
    let warning = finding(
        "login-restarts",
        Level::Warning,
        "Deployment dex",
        "restarted 2 times in the last hour",
        "kubectl -n mural-system logs deployment/dex --previous",
    );
    let checks = vec![
        passed("crd-present"),
        passed("helm-release"),
        guard("login-restarts", Verdict::Fail { findings: vec![warning.clone()] }),
    ];
    let comparison = FindingDiff { new: vec![warning], ..FindingDiff::default() };
    let issue = Issue {
        id: "release-pending",
        subject: "release mural".into(),
        message: "revision 4 is pending-upgrade".into(),
        fix: "set revision 4 to failed".into(),
        fixable: true,
    };
    UpgradeReport {
        kind,
        steps: vec![
            outcome(StepId::Migrate, StepState::Done, "hubs: 3 of 3 objects migrated"),
            outcome(StepId::Crds, StepState::Done, "5 CRDs applied"),
            outcome(StepId::Served, StepState::Done, "6 CRDs verified"),
            outcome(StepId::Record, StepState::Done, "mural-crds 0.7.4"),
            outcome(StepId::Release(ReleaseRole::App), StepState::Done, "mural 1.1.0-rc.3, 7 of 7 ready"),
            outcome(StepId::Validate, StepState::Done, "64 checks passed"),
        ],
        issues: vec![issue],
        rollback_plan: (kind == ReportKind::Rollback).then(rollback_plan),
        final_check: Some(FinalCheck { checks, comparison }),
        ..UpgradeReport::new("20261123-0712".into(), upgrade_plan(), (Outcome::Succeeded, Exit::Success), 91.0, NOW)
    }
}

fn failed(kind: ReportKind, exit: Exit, detail: &str) -> UpgradeReport {
    UpgradeReport {
        kind,
        steps: vec![
            outcome(StepId::Crds, StepState::Done, "21 CRDs applied"),
            outcome(StepId::Served, StepState::Done, "21 CRDs verified"),
            outcome(StepId::Release(ReleaseRole::App), StepState::Failed, detail),
            outcome(StepId::Validate, StepState::NotStarted, ""),
        ],
        after_failure: Some(StateAfterFailure {
            continue_command: words(match kind {
                ReportKind::Rollback => "kubectl mural upgrade rollback --context prod-hub",
                _ => "kubectl mural upgrade resume -f values.yaml --set canvas.token=… --plain-http --context prod-hub",
            }),
            releases: vec![ReleaseAfterFailure {
                release: "mural".into(),
                newest: NewestRevision::Written {
                    revision: 4,
                    chart_version: "1.1.0-rc.3".into(),
                    status: "failed".into(),
                    revision_before: Some(3),
                },
            }],
            incomplete_rollouts: vec![IncompleteRollout {
                object: "Deployment canvas".into(),
                wanted: 2,
                available: 2,
                updated: 1,
            }],
        }),
        ..UpgradeReport::new("20261123-0712".into(), upgrade_plan(), (Outcome::Failed, exit), 91.0, NOW)
    }
}

#[test]
fn end_of_a_successful_upgrade_rollback_and_repair() {
    let kinds = [ReportKind::Upgrade, ReportKind::Rollback, ReportKind::Repair];
    let screens = kinds.map(|kind| upgrade_result::render(&succeeded(kind), Style::PLAIN));
    assert_screen("end_success", &screens.concat());
}

#[test]
fn end_of_a_failed_upgrade_and_rollback() {
    let detail = "canvas did not become ready\npod canvas-7d9f: ImagePullBackOff for 60s: canvas:1.1.0-rc.3: not found";
    let screens = [ReportKind::Upgrade, ReportKind::Rollback]
        .map(|kind| upgrade_result::render(&failed(kind, Exit::Failed, detail), Style::PLAIN));
    assert_screen("end_failure", &screens.concat());
}

#[test]
fn the_result_for_machines_has_the_command_of_the_screen() {
    for (kind, command) in
        [(ReportKind::Upgrade, "resume -f values.yaml"), (ReportKind::Rollback, "rollback --context")]
    {
        let map =
            RunResult::from_report(&failed(kind, Exit::Failed, "canvas did not become ready"), NOW).to_config_map("m");
        let hint = map["data"]["hint"].as_str().unwrap();
        assert!(hint.starts_with(&format!("kubectl mural upgrade {command}")), "{hint}");
        assert_eq!(
            (&map["data"]["outcome"], &map["data"]["why"]),
            (&"failed".into(), &"canvas did not become ready".into())
        );
    }
}

#[test]
fn end_of_an_interrupted_upgrade() {
    let report = failed(ReportKind::Upgrade, Exit::Interrupted, "stopped by Ctrl-C; helm was asked to stop");
    assert_screen("end_interrupted", &upgrade_result::render(&report, Style::PLAIN));
}

fn words(command: &str) -> Vec<String> {
    command.split(' ').map(str::to_owned).collect()
}

#[test]
fn end_of_a_plan() {
    let report = UpgradeReport {
        perform_command: words("kubectl mural upgrade --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml"),
        ..UpgradeReport::new("r1".into(), upgrade_plan(), (Outcome::Planned, Exit::ChangesFound), 1.0, NOW)
    };
    assert_screen("end_planned", &upgrade_result::render(&report, Style::PLAIN));
}

#[test]
fn report_of_an_upgrade_as_markdown() {
    assert_screen("end_markdown", &upgrade_markdown::render(&succeeded(ReportKind::Upgrade)));
}

#[test]
fn problem_with_causes_and_hints() {
    let api = Problem::failure("the server rejected the request: leases.coordination.k8s.io is forbidden");
    let details =
        "operator  ann (ann@desk, process 4711)\nsince     2026-11-23T07:12:00Z\nstep      mural of run 20261123-0712";
    let cause = Problem::failure(details).with_source(api);
    let problem = Problem::new(Exit::Locked, "someone else is upgrading: Lease mural-system/mural is held")
        .with_source(cause)
        .with_hint("kubectl mural upgrade --wait-for-lock 10m")
        .with_hint("kubectl mural upgrade status   shows its progress");
    assert_screen("problem", &render_problem(&problem, Style::PLAIN));
}
