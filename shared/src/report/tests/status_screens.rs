//! `kubectl mural upgrade status` without a run, during one, after an interrupted one, and with a suspended HelmRelease.

use std::time::Duration;

use super::{NOW, assert_screen};
use crate::model::flux::{FluxRef, SuspendedHelmRelease};
use crate::model::lease::{HeldLock, LeaseHolder, LeaseRef, Liveness};
use crate::model::metadata_keys::RUN_LABEL;
use crate::model::release::ReleaseRecord;
use crate::model::release_role::ReleaseRole;
use crate::plan::StepId;
use crate::plan::journal::tests::entry;
use crate::plan::journal::{BackupCopy, BackupRef, JournalSnapshot, RunEntry, RunState, StepPhase};
use crate::report::status_report::{NamespaceState, UpgradeStatus, render};
use crate::report::style::Style;

/// When the run started.
const START: jiff::Timestamp = jiff::Timestamp::constant(1_795_417_920, 0);

fn record(name: &str, version: &str, revision: u64) -> ReleaseRecord {
    let labels = [(RUN_LABEL.to_owned(), "20261123-0712".to_owned())].into();
    let last_deployed = "2026-11-23T07:13:00Z".to_owned();
    ReleaseRecord { revision, status: "deployed".into(), labels, last_deployed, ..ReleaseRecord::sample(name, version) }
}

/// A run that has applied the CRDs and upgrades the application.
fn started_run() -> RunEntry {
    let now = START;
    let mut run = entry();
    run.started_at = now;
    run.backup = Some(BackupRef {
        host: "desk".into(),
        folder: "~/.local/state/mural/prod-hub/20261123-0712".into(),
        digest: "sha256:1".into(),
        size_bytes: 3_250_586,
        crd_count: 1,
        object_count: 131,
        copy: Some(BackupCopy { run: "20261123-0712".into(), secrets: 1 }),
    });
    run.begin_step(StepId::Crds, now);
    run.end_step(StepId::Crds, StepPhase::Done, "1 CRD applied", now);
    run.begin_step(StepId::Release(ReleaseRole::App), now);
    run
}

fn lock(liveness: Liveness) -> HeldLock {
    let text = |text: &str| text.to_owned();
    let holder = LeaseHolder {
        identity: text("ann@desk pid 4711 run 20261123-0712"),
        user: text("ann"),
        process: text("ann@desk, process 4711"),
        acquired_at: text("2026-11-23T07:12:00Z"),
        renewed_at: text("2026-11-23T07:12:30Z"),
        step: text("mural"),
        version: text("0.1.0"),
        run: text("20261123-0712"),
        installation: text("mural-system/mural"),
        workstation: text("desk"),
        lease_duration: Duration::from_secs(15),
    };
    HeldLock { lease: LeaseRef::for_run("mural-system", true).remove(0), holder, liveness }
}

fn render_status(locks: Vec<HeldLock>, suspended: Vec<SuspendedHelmRelease>, runs: Vec<RunEntry>) -> String {
    let journal = JournalSnapshot { runs, unreadable_runs: Vec::new() };
    let records = [Ok(vec![record("mural-crds", "0.7.4", 2)]), Ok(vec![record("mural", "1.1.0-rc.3", 4)])];
    let status = UpgradeStatus::new(
        "prod-hub",
        ("mural-system", &NamespaceState::Present),
        Ok(locks),
        Ok(suspended),
        Ok(journal),
        records,
        NOW,
    );
    render(&status, Style::PLAIN)
}

#[test]
fn status_without_a_run() {
    let mut run = started_run();
    let now = START;
    run.end_step(StepId::Release(ReleaseRole::App), StepPhase::Done, "revision 4", now);
    run.end_step(StepId::Validate, StepPhase::Done, "64 checks passed", now);
    run.end_run(RunState::Done, now);
    assert_screen("status_idle", &render_status(Vec::new(), Vec::new(), vec![run]));
}

#[test]
fn status_during_a_run() {
    assert_screen("status_running", &render_status(vec![lock(Liveness::Alive)], Vec::new(), vec![started_run()]));
}

#[test]
fn status_after_an_interrupted_run() {
    assert_screen("status_interrupted", &render_status(vec![lock(Liveness::Dead)], Vec::new(), vec![started_run()]));
}

#[test]
fn status_with_a_suspended_release() {
    let suspended = SuspendedHelmRelease {
        helm_release: FluxRef::new("HelmRelease", "mural-system", "mural"),
        run: "20261123-0712".into(),
        suspended_at: Some("2026-11-23T07:12:30Z".into()),
    };
    assert_screen("status_suspended", &render_status(Vec::new(), vec![suspended], Vec::new()));
}
