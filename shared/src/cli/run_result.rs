//! Publishes the result of a run for machines: the ConfigMap `mural-result`, and in a pod the termination message.
//!
//! A refused run writes nothing to the cluster, except in a pod: there no one reads the screen.

use std::path::Path;

use jiff::Timestamp;

use super::Stream;
use crate::cluster::run_result_map::apply_config_map;
use crate::prepare::prepared::Prepared;
use crate::problem::Problem;
use crate::report::run_result::{RESULT_NAME, RunResult, has_run};
use crate::report::upgrade_report::UpgradeReport;

/// Where the kubelet reads a container's termination message by default:
/// <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Publishes the result of a run that has a report. A result that cannot be written does not change the run's exit code.
pub(crate) async fn publish_report(prepared: &Prepared, report: &UpgradeReport) {
    let in_pod = prepared.session.installation.cluster.identity.is_service_account();
    // A rollout that is only followed is not written by us.
    let has_written = has_run(report.outcome) && report.plan.has_changes();
    if in_pod || has_written {
        publish(prepared, &RunResult::from_report(report, Timestamp::now())).await;
    }
}

/// Publishes the result of a run that ended without a report, and hands the result on.
pub(crate) async fn publish_failure<T>(prepared: &Prepared, ended: Result<T, Problem>) -> Result<T, Problem> {
    if let Err(problem) = &ended
        && prepared.session.installation.cluster.identity.is_service_account()
    {
        let result = RunResult::from_problem(&prepared.session.env.run_id, problem, Timestamp::now());
        publish(prepared, &result).await;
    }
    ended
}

async fn publish(prepared: &Prepared, result: &RunResult) {
    let session = &prepared.session;
    let namespace = &session.installation.namespace;
    let map = result.to_config_map(namespace);
    if let Err(error) = apply_config_map(&session.cluster, namespace, RESULT_NAME, &map).await {
        Stream::Stderr.write(&format!("! ConfigMap {namespace}/{RESULT_NAME} is not written: {error}\n"));
    }
    if session.installation.cluster.identity.is_service_account() {
        write_termination_message(result);
    }
}

/// Writes the termination message if the container has the file. The pod's status has the exit code in any case.
fn write_termination_message(result: &RunResult) {
    let file = Path::new(TERMINATION_LOG);
    if file.is_file() {
        std::fs::write(file, result.to_termination_message()).ok();
    }
}
