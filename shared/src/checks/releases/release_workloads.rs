//! Health check `release-workloads`: requires workloads in each release whose chart has some.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::checks::workloads::WORKLOAD_KINDS;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::cluster_view::{Observed, ReadFailure};
use crate::model::object::ObjectRef;
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::model::release_role::ReleaseRole;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-workloads",
    section: Section::Releases,
    title: "workloads in each release whose chart has some",
    level: Level::Error,
    why: "An upgrade with another chart, or with values that switch everything off, deletes every workload and leaves \
        the release deployed. All other checks then pass, because nothing is left that could fail.",
    fix: "Compare the chart and the values with helm history RELEASE and helm get values RELEASE. Roll back to the \
        revision that had the workloads.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Fails for a release without a Deployment, StatefulSet or DaemonSet, if its chart or an earlier revision has one.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    for (role, release) in context.releases() {
        match (context.view.newest_revision(release), context.owner(release)) {
            (Err(failure), _) => result.record_failure(failure),
            (Ok(Some(record)), _) => check_record(context, role, record, &mut result),
            (Ok(None), Some(Owner::Argo { application })) if role == ReleaseRole::App => {
                check_application(context, application, &mut result);
            }
            (Ok(None), _) => result.record_skip(
                context
                    .view
                    .explain_missing_record(release)
                    .unwrap_or_else(|| format!("there is no release {release}")),
            ),
        }
    }
    result.build()
}

fn check_record(
    context: &CheckContext<'_>,
    role: ReleaseRole,
    record: &ReleaseRecord,
    result: &mut CheckResultBuilder,
) {
    match (count_workloads(record), find_evidence(context, role, record)) {
        (Err(failure), _) => result.record_failure(&failure),
        (Ok(0), Some(finding)) => result.record([finding]),
        (Ok(0), None) => result.record_skip(format!("the chart of {} has no workloads", record.name)),
        (Ok(_), _) => result.record(None),
    }
}

/// Argo CD keeps no record: its objects are found by their tracking label or annotation, which a setting can rename.
fn check_application(context: &CheckContext<'_>, application: &str, result: &mut CheckResultBuilder) {
    if context.inventory.known_objects().iter().any(is_workload) {
        return result.record(None);
    }
    let target = format!("the workloads of Application {application}");
    let reason = format!("no workload in namespace {} has its tracking label or annotation", context.namespace());
    result.record_failure(&ReadFailure { target, reason });
}

fn is_workload(object: &ObjectRef) -> bool {
    WORKLOAD_KINDS.contains(&object.kind.as_str())
}

fn count_workloads(record: &ReleaseRecord) -> Observed<usize> {
    let objects = record.manifest_objects().map_err(|error| ReadFailure {
        target: format!("the manifest of release {}, revision {}", record.name, record.revision),
        reason: error.to_string(),
    })?;
    Ok(objects.iter().filter_map(ObjectRef::from_manifest).filter(is_workload).count())
}

/// What says that the release should have workloads: an earlier revision, or its own chart.
fn find_evidence(context: &CheckContext<'_>, role: ReleaseRole, record: &ReleaseRecord) -> Option<Finding> {
    let (name, namespace) = (&record.name, context.namespace());
    let subject = format!("release {name}");
    let all = context.view.releases.get(name)?.as_ref().ok()?;
    // A newer CRD chart may drop its conversion webhook; an application always runs something.
    let is_comparable = |older: &&ReleaseRecord| role == ReleaseRole::App || older.chart_name != record.chart_name;
    let older = all.iter().rev().filter(|older| older.revision < record.revision).filter(is_comparable);
    let older = older.filter_map(|older| Some((older, count_workloads(older).ok().filter(|count| *count > 0)?))).next();
    if let Some((older, count)) = older {
        let message = format!(
            "has no workloads with chart {} {}; revision {} (chart {} {}) had {count}",
            record.chart_name, record.chart_version, older.revision, older.chart_name, older.chart_version
        );
        let hint =
            format!("helm history {name} -n {namespace}; helm rollback {name} {} -n {namespace}", older.revision);
        return Some(CARD.finding(subject, message, hint));
    }
    let template = record.workload_templates.first()?;
    let message = format!("has no workloads, but its chart has a template of one ({template})");
    Some(CARD.finding(subject, message, format!("helm get values {name} -n {namespace}")))
}
