//! The plan before the first write: of an upgrade, a rollback and a repair.

use super::plan_fixture::{guard, passed, plan_of_steps, plan_without_changes, refusing_guard, step, upgrade_plan};
use super::{NOW, assert_screen};
use crate::model::check::Verdict;
use crate::model::object::ObjectRef;
use crate::model::release_role::ReleaseRole;
use crate::plan::journal::RunState;
use crate::plan::repair::Issue;
use crate::plan::rollback_plan::{
    CrdRollback, ObjectRollback, ReleaseRollback, RollbackDecision, RollbackPlan, StepRollback,
};
use crate::plan::{Action, Plan, StepId};
use crate::report::style::Style;
use crate::report::upgrade_report::{Outcome, UpgradeReport};
use crate::report::{plan, rollback_report, upgrade_markdown, upgrade_result};

/// The plan and the end of a run that wrote nothing.
fn render_unapplied(plan: Plan) -> String {
    let (outcome, exit) = UpgradeReport::outcome_before_run(&plan).unwrap();
    let text = plan::render(&plan, Style::PLAIN);
    let report = UpgradeReport::new("20261123-0712".into(), plan, (outcome, exit), 1.0, NOW);
    text + &upgrade_result::render(&report, Style::PLAIN)
}

#[test]
fn plan_of_an_upgrade() {
    assert_screen("plan_upgrade", &plan::render(&upgrade_plan(), Style::PLAIN));
}

#[test]
fn plan_of_an_upgrade_in_ascii_on_60_columns() {
    let style = Style { ascii: true, width: 60, ..Style::PLAIN };
    assert_screen("plan_upgrade_ascii", &plan::render(&upgrade_plan(), style));
}

#[test]
fn plan_that_a_guard_refuses() {
    let plan = Plan { guards: vec![passed("permissions"), refusing_guard()], ..upgrade_plan() };
    assert_screen("plan_refused", &render_unapplied(plan));
}

#[test]
fn plan_with_an_undetermined_guard() {
    let reason = "cannot list computepools.spectrocloud.com: forbidden".to_owned();
    let plan = Plan { guards: vec![guard("live-objects-fit", Verdict::Undetermined { reason })], ..upgrade_plan() };
    assert_screen("plan_undetermined", &render_unapplied(plan));
}

#[test]
fn plan_without_anything_to_do() {
    assert_screen("plan_nothing_to_do", &render_unapplied(plan_without_changes()));
}

#[test]
fn plan_as_markdown() {
    let report = UpgradeReport::new(
        "20261123-0712".into(),
        upgrade_plan(),
        (Outcome::Planned, crate::problem::Exit::ChangesFound),
        1.0,
        NOW,
    );
    assert_screen("plan_markdown", &upgrade_markdown::render(&report));
}

#[expect(clippy::too_many_lines, reason = "one line per field")]
pub(super) fn rollback_plan() -> RollbackPlan {
    let crd = |name: &str, decision: RollbackDecision, reason: &str, losses: &[&str]| CrdRollback {
        name: name.into(),
        decision,
        reason: reason.into(),
        losses: losses.iter().map(|loss| (*loss).to_owned()).collect(),
    };
    let release = ReleaseRollback {
        release: "mural".into(),
        decision: RollbackDecision::RollBack,
        current: "revision 4, 1.1.0-rc.3, failed".into(),
        to_revision: Some(3),
        to_version: Some("1.1.0-rc.0".into()),
        reason: String::new(),
        recreated: vec![ObjectRef {
            api_version: "v1".into(),
            kind: "PersistentVolumeClaim".into(),
            namespace: String::new(),
            name: "data".into(),
        }],
        pending_revision: None,
    };
    let summary = |step: StepId, decision: RollbackDecision, summary: &str| StepRollback {
        step,
        decision,
        summary: summary.to_owned(),
    };
    RollbackPlan {
        run: "20261123-0712".into(),
        runs: vec!["20261123-0712".into()],
        state: RunState::Failed,
        user: "ann".into(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        steps: vec![
            summary(
                StepId::Crds,
                RollbackDecision::RollBack,
                "1 restored from the backup, 1 already as before, 1 not rolled back, for the reason below",
            ),
            summary(
                StepId::Release(ReleaseRole::App),
                RollbackDecision::RollBack,
                "mural to the content of revision 3 (1.1.0-rc.0)",
            ),
        ],
        releases: vec![release],
        crds: vec![
            crd(
                "tenants.spectrocloud.com",
                RollbackDecision::RollBack,
                "",
                &["^.spec.note: field removed; it affects 2 of 3 objects"],
            ),
            crd(
                "hubs.spectrocloud.com",
                RollbackDecision::Leave,
                "its spec is as before; its objects were migrated and are stored as v1beta1 instead of v1alpha1",
                &[],
            ),
            crd("workloads.spectrocloud.com", RollbackDecision::Unchanged, "", &[]),
        ],
        objects: ObjectRollback::Leave,
        crds_to_annotate: Vec::new(),
        crds_to_unannotate: Vec::new(),
    }
}

#[test]
fn plan_of_a_rollback() {
    let names = vec!["tenants.spectrocloud.com".to_owned()];
    let rollback = Action::RollbackRelease { release: "mural".into(), revision: 3, wait: true };
    let plan = plan_of_steps(vec![
        step(
            StepId::Release(ReleaseRole::App),
            "roll back mural to revision 3",
            rollback,
            "revision 4 is failed",
            "helm rollback mural 3 --wait",
        ),
        step(
            StepId::Crds,
            "restore 1 CRD",
            Action::RestoreCrds { names },
            "the backup has it as it was before the run",
            "kubectl apply --server-side --force-conflicts -f -",
        ),
    ]);
    assert_screen("plan_rollback", &rollback_report::render(&rollback_plan(), &plan, Style::PLAIN));
}

#[test]
fn plan_of_a_repair() {
    let issue = |id: &'static str, subject: &str, message: &str, fix: &str, fixable: bool| Issue {
        id,
        subject: subject.into(),
        message: message.into(),
        fix: fix.into(),
        fixable,
    };
    let issues = [
        issue(
            "release-pending",
            "release mural",
            "revision 4 is pending-upgrade since 2026-11-23T07:13:00Z; helm refuses every upgrade while a revision is pending",
            "mark revision 4 of mural failed; do not run it while another helm works on the release",
            true,
        ),
        issue(
            "release-failed",
            "release mural-crds",
            "revision 2 failed and none is deployed: helm compares with the failed one",
            "no revision was ever deployed: run helm uninstall mural-crds --namespace mural-system, then install it again",
            false,
        ),
    ];
    let unlock = Action::UnlockRelease { release: "mural".into(), revision: 4 };
    let plan = plan_of_steps(vec![step(
        StepId::Unlock(ReleaseRole::App),
        "mark revision 4 of mural failed",
        unlock,
        "an earlier run or a person left it behind",
        "",
    )]);
    assert_screen("plan_repair", &rollback_report::render_repair(&issues, &plan, Style::PLAIN));
}
