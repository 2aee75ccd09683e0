//! Health check `release-version`: requires each release at the expected version.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::{CheckResultBuilder, skipped_result};
use crate::checks::health_check::HealthCheck;
use crate::model::argo_application::{self, ApplicationVersion};
use crate::model::chart_version::ChartVersion;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::cluster_view::ReadFailure;
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::model::release_role::ReleaseRole;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-version",
    section: Section::Releases,
    title: "each release at the expected version",
    level: Level::Error,
    why: "Another version than expected is installed. If only the CRDs were applied by hand, the release mural-crds \
        keeps its old version.",
    fix: "Upgrade to the expected version with kubectl mural upgrade, or correct --expect.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Compares the versions with `--expect`. Build metadata (`+…`) does not count, because registries drop it.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let expect = context.expectations;
    if expect.app_version.is_none() && expect.crds_version.is_none() {
        return skipped_result(&CARD, "no expected version (set --expect mural=VERSION or --expect crds=VERSION)");
    }
    let mut result = CheckResultBuilder::new(&CARD);
    for (role, release) in context.releases() {
        let wanted = match role {
            ReleaseRole::Crds => expect.crds_version.as_ref(),
            ReleaseRole::App => expect.app_version.as_ref(),
        };
        match (wanted, context.view.newest_revision(release), context.owner(release)) {
            (_, Err(failure), _) => result.record_failure(failure),
            (None, _, _) => result.record_skip(format!("no version of {release} is expected")),
            (Some(wanted), Ok(Some(record)), _) => result.record(judge_record(context, record, wanted)),
            (Some(wanted), Ok(None), Some(Owner::Argo { application })) => {
                judge_application(context, (release, application), wanted, &mut result);
            }
            (Some(_), Ok(None), _) => result.record_skip(
                context
                    .view
                    .explain_missing_record(release)
                    .unwrap_or_else(|| format!("there is no release {release}")),
            ),
        }
    }
    result.build()
}

fn judge_record(context: &CheckContext<'_>, record: &ReleaseRecord, wanted: &ChartVersion) -> Option<Finding> {
    let message = format!("is at {}, but {wanted} is expected", record.chart_version);
    let hint = format!("helm history {} -n {}", record.name, context.namespace());
    (!is_version(&record.chart_version, wanted))
        .then(|| CARD.finding(format!("release {}", record.name), message, hint))
}

/// Argo CD keeps no record: the version is that of the last sync, or the one that a sync has still to bring.
fn judge_application(
    context: &CheckContext<'_>,
    (release, application): (&str, &str),
    wanted: &ChartVersion,
    result: &mut CheckResultBuilder,
) {
    let all = context.view.applications.as_ref().map_or(&[][..], Vec::as_slice);
    let found = argo_application::find_application(all, release, context.namespace());
    let Some(version) = found.and_then(|found| argo_application::read_version(found, release)) else {
        let reason = "its Application was not read".to_owned();
        return result.record_failure(&ReadFailure { target: format!("the version of release {release}"), reason });
    };
    let namespace =
        found.and_then(argo_application::namespaced_name).map_or_else(String::new, |(namespace, _)| namespace);
    let hint = format!("kubectl -n {namespace} get application {application} -o yaml");
    let subject = format!("release {release}");
    let ApplicationVersion { target, synced, sync_status } = version;
    match synced {
        Some(synced) if is_version(&synced, wanted) => result.record(None),
        Some(synced) => {
            let message = format!(
                "is at {synced}, but {wanted} is expected (Application {application}: targetRevision {target}, {sync_status})"
            );
            result.record([CARD.finding(subject, message, hint)]);
        }
        None if target.parse::<ChartVersion>().is_ok() && !is_version(&target, wanted) => {
            let message =
                format!("gets {target}, but {wanted} is expected (targetRevision of Application {application})");
            result.record([CARD.finding(subject, message, hint)]);
        }
        None if is_version(&target, wanted) && sync_status == "Synced" => result.record(None),
        None if is_version(&target, wanted) && sync_status == "OutOfSync" => {
            let message = format!("does not have {wanted} yet: Application {application} is OutOfSync");
            result.record([CARD.finding(subject, message, hint)]);
        }
        None => {
            let reason =
                format!("Application {application} has targetRevision {target:?} and reports no synced chart version");
            result.record_failure(&ReadFailure { target: format!("the version of {subject}"), reason });
        }
    }
}

/// Compares two versions. Build metadata does not count.
fn is_version(found: &str, wanted: &ChartVersion) -> bool {
    found.parse::<ChartVersion>().is_ok_and(|found| found.cmp_precedence(wanted).is_eq())
}
