//! The progress of one Flux object towards the wanted state, derived from the object alone.

use super::TargetChart;
use crate::model::flux::{FluxCondition, FluxObject, FluxSource, HelmRelease, SourceKind};
use crate::model::object::find_condition;
use crate::model::release_status::ReleaseStatus;

/// The Flux controller that acts on an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FluxController {
    /// Pulls charts.
    Source,
    /// Writes releases, and the HelmCharts that hold their charts.
    Helm,
}

impl FluxController {
    /// The name of its Deployment.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source-controller",
            Self::Helm => "helm-controller",
        }
    }

    fn not_observed(self, what: &str) -> Progress {
        Progress::NotObserved { controller: self, reason: format!("{what}: is it running?") }
    }
}

/// The progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Reached, with the evidence.
    Done(String),
    /// Its controller has not observed the change: the controller is slow, or not running.
    NotObserved {
        /// The controller.
        controller: FluxController,
        /// The change that was not observed.
        reason: String,
    },
    /// In progress.
    Waiting(String),
    /// Failing, but may recover: ends the wait if it lasts.
    Failing(String),
    /// Failed: waiting does not help.
    Failed(String),
}

/// Whether a source has the wanted chart.
#[must_use]
pub fn assess_source(source: &FluxSource, target: &TargetChart, requested_at: &str) -> Progress {
    let ready = source.ready_condition();
    if source.is_suspended() {
        return Progress::Failed("is suspended: someone else suspended it during the upgrade".to_owned());
    }
    if let Some(old) = outdated_chart_version(source, target) {
        return FluxController::Helm
            .not_observed(&format!("still requests {old}: helm-controller has not observed the change"));
    }
    if !source.is_observed() {
        return match ready {
            Some(ready) if ready.status == "Unknown" => Progress::Waiting(format_condition(&ready)),
            Some(ready) if ready.status == "False" && source.has_current_ready_condition() => {
                Progress::Failing(format_condition(&ready))
            }
            _ => FluxController::Source.not_observed("source-controller has not observed the change"),
        };
    }
    if let Some(stalled) = source.stalled_condition() {
        return Progress::Failed(format_condition(&stalled));
    }
    match ready {
        Some(ready) if ready.status == "True" && target.matches_source(source) => {
            let revision = source.artifact().map_or_else(String::new, |artifact| artifact.revision);
            Progress::Done(format!("has {revision}{}", describe_signature(source)))
        }
        Some(ready) if ready.status == "True" && source.last_handled_reconcile() == requested_at => {
            let revision = source.artifact().map_or_else(|| "nothing".to_owned(), |artifact| artifact.revision);
            let digest = target.digest.as_ref().map_or_else(String::new, |digest| format!(" ({digest})"));
            Progress::Failing(format!("has {revision}, not {}{digest}", target.version))
        }
        Some(ready) if ready.status == "False" => Progress::Failing(format_condition(&ready)),
        Some(ready) => Progress::Waiting(format_condition(&ready)),
        None => Progress::Waiting("its controller has not set a condition yet".to_owned()),
    }
}

/// The version that a HelmChart requests, if its HelmRelease requests another one: helm-controller updates the HelmChart.
fn outdated_chart_version<'a>(source: &'a FluxSource, target: &TargetChart) -> Option<&'a str> {
    let chart_version = source.text("/spec/version");
    (source.kind() == SourceKind::HelmChart && chart_version != target.version).then_some(chart_version)
}

/// The verified signature of the artifact, if the source requires one.
fn describe_signature(source: &FluxSource) -> String {
    let Some(verify) = source.verification() else { return String::new() };
    match find_condition(source.json(), "SourceVerified") {
        Some(found) if found.status == "True" => format!(", its signature verified by {}", verify.provider),
        _ => format!(", without a condition about its signature ({})", verify.provider),
    }
}

/// Whether a HelmRelease is Ready with the wanted chart. `asked` is the reconcile request: conditions from before the controller
/// answered it are outdated.
#[must_use]
pub fn assess_helm_release(release: &HelmRelease, target: Option<&TargetChart>, requested_at: &str) -> Progress {
    let (ready, answered) = (release.ready_condition(), release.last_handled_reconcile() == requested_at);
    let newest = release.history().into_iter().next();
    if release.is_suspended() {
        return Progress::Failed("is suspended: someone else suspended it during the upgrade".to_owned());
    }
    let there = newest.as_ref().filter(|newest| {
        newest.status == ReleaseStatus::Deployed && target.is_none_or(|wanted| wanted.matches_revision(newest))
    });
    if let Some(newest) = there.filter(|_| release.is_ready() && (target.is_some() || answered)) {
        let digest = if newest.oci_digest.is_empty() {
            String::new()
        } else {
            format!(", {}", short_digest(&newest.oci_digest))
        };
        return Progress::Done(format!("revision {} is {}{digest}", newest.revision, newest.chart_version));
    }
    if let Some(stalled) = release.stalled_condition().filter(|_| answered) {
        let why = ready.filter(|ready| ready.status == "False" && ready.message != stalled.message);
        let why = why.map_or_else(String::new, |ready| format!(": {}", format_condition(&ready)));
        return Progress::Failed(format!(
            "{}{why}{}",
            format_condition(&stalled),
            describe_remediation(release, target)
        ));
    }
    match ready {
        Some(ready) if ready.status == "Unknown" => Progress::Waiting(format_condition(&ready)),
        Some(ready) if ready.status == "False" && answered => assess_failure(release, &ready),
        Some(ready) if ready.status == "False" => Progress::Waiting(format_condition(&ready)),
        _ if !release.is_observed() || !answered => {
            FluxController::Helm.not_observed("helm-controller has not observed the change")
        }
        _ => {
            let at = newest.map_or_else(|| "no revision".to_owned(), |newest| newest.chart_version);
            Progress::Failing(format!("is Ready at {at}: it has not picked up the new chart"))
        }
    }
}

/// A failed attempt is not the end if helm-controller retries.
fn assess_failure(release: &HelmRelease, ready: &FluxCondition) -> Progress {
    let (retries, failures) = (release.remediation().retries, release.upgrade_failures());
    if failures > 0 && (retries < 0 || failures <= retries) {
        return Progress::Waiting(format!(
            "attempt {failures} failed, helm-controller retries: {}",
            format_condition(ready)
        ));
    }
    Progress::Failing(format_condition(ready))
}

/// What helm-controller did after the failure.
fn describe_remediation(release: &HelmRelease, target: Option<&TargetChart>) -> String {
    let newest = release.history().into_iter().next();
    match newest.filter(|newest| {
        newest.status == ReleaseStatus::Deployed && target.is_some_and(|wanted| !wanted.matches_revision(newest))
    }) {
        Some(newest) => {
            format!("; helm-controller rolled back to {} (revision {})", newest.chart_version, newest.revision)
        }
        None => String::new(),
    }
}

fn format_condition(ready: &FluxCondition) -> String {
    let message = ready.message.split_whitespace().collect::<Vec<_>>().join(" ");
    if ready.reason.is_empty() { message } else { format!("{}: {message}", ready.reason) }
}

fn short_digest(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn release(ready: (&str, &str), history: &Value, extra_fields: &[(&str, Value)]) -> HelmRelease {
        let mut object = json!({"kind": "HelmRelease", "metadata": {"name": "mural", "namespace": "m", "generation": 2}, "spec": {},
            "status": {"observedGeneration": 2, "lastHandledReconcileAt": "t", "history": history,
                "conditions": [{"type": "Ready", "status": ready.0, "reason": ready.1, "message": "words"}]}});
        for (pointer, value) in extra_fields {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[key] = value.clone();
        }
        HelmRelease::new(object)
    }

    fn revision(version: &str, status: &str) -> Value {
        json!([{"chartVersion": format!("{version}+05"), "ociDigest": "sha256:new", "status": status, "version": 2}])
    }

    fn assess(release: &HelmRelease) -> Progress {
        let target = TargetChart { version: "0.7.4".into(), digest: Some("sha256:new".into()) };
        assess_helm_release(release, Some(&target), "t")
    }

    #[test]
    fn ready_at_the_old_version_is_not_there() {
        let old = release(("True", "UpgradeSucceeded"), &revision("0.7.1", "deployed"), &[]);
        assert!(matches!(assess(&old), Progress::Failing(text) if text.contains("0.7.1+05")));
        let done = release(("True", "UpgradeSucceeded"), &revision("0.7.4", "deployed"), &[]);
        assert!(matches!(assess(&done), Progress::Done(text) if text.contains("revision 2 is 0.7.4+05")));
        let unseen =
            release(("True", "x"), &revision("0.7.4", "deployed"), &[("/status/observedGeneration", json!(1))]);
        assert!(matches!(assess(&unseen), Progress::NotObserved { reason, .. } if reason.contains("is it running")));
    }

    #[test]
    fn a_failure_counts_only_after_our_request_was_answered() {
        let stalled = json!([{"type": "Ready", "status": "False", "reason": "RollbackSucceeded", "message": "went back"},
            {"type": "Stalled", "status": "True", "reason": "RetriesExceeded", "message": "gave up"}]);
        let failed = release(("False", "x"), &revision("0.7.1", "deployed"), &[("/status/conditions", stalled)]);
        let Progress::Failed(text) = assess(&failed) else { panic!() };
        assert!(text.contains("gave up") && text.contains("rolled back to 0.7.1"), "{text}");
        let mut before = failed.json().clone();
        before["status"]["lastHandledReconcileAt"] = "s".into();
        assert!(matches!(assess(&HelmRelease::new(before)), Progress::Waiting(_)));
    }

    #[test]
    fn a_try_that_failed_is_no_end_where_more_are_to_come() {
        let retries = |failures: i64| {
            let more = [
                ("/status/upgradeFailures", json!(failures)),
                ("/spec/upgrade", json!({"remediation": {"retries": 2}})),
            ];
            assess(&release(("False", "UpgradeFailed"), &revision("0.7.4", "failed"), &more))
        };
        assert!(matches!(retries(1), Progress::Waiting(text) if text.contains("retries")));
        assert!(matches!(retries(3), Progress::Failing(_)));
    }

    #[test]
    fn a_helm_chart_without_the_version_waits_for_helm_controller() {
        let assess = |version: &str| {
            let chart = json!({"kind": "HelmChart", "metadata": {"generation": 1}, "spec": {"version": version},
                "status": {"observedGeneration": 1, "artifact": {"revision": version}, "conditions": [{"type": "Ready", "status": "True"}]}});
            assess_source(&FluxSource::new(chart), &TargetChart { version: "0.7.4".into(), digest: None }, "t")
        };
        assert!(
            matches!(assess("0.7.1"), Progress::NotObserved { controller: FluxController::Helm, reason } if reason.contains("0.7.1: helm-controller"))
        );
        assert!(matches!(assess("0.7.4"), Progress::Done(_)));
    }

    #[test]
    fn a_source_is_there_when_it_holds_the_very_chart() {
        let source = |status: &str, message: &str, revision: &str, observed: i64| {
            FluxSource::new(json!({"kind": "OCIRepository", "metadata": {"generation": 2}, "spec": {},
                "status": {"observedGeneration": observed, "lastHandledReconcileAt": "t", "artifact": {"revision": revision},
                    "conditions": [{"type": "Ready", "status": status, "reason": "r", "message": message}]}}))
        };
        let target = TargetChart { version: "0.7.4".into(), digest: Some("sha256:new".into()) };
        let assess = |source: &FluxSource| assess_source(source, &target, "t");
        assert!(matches!(assess(&source("True", "", "0.7.4@sha256:new", 2)), Progress::Done(_)));
        let mut failing = source("False", "no match found for semver: 0.7.4", "0.7.1@sha256:old", 1).json().clone();
        assert!(
            matches!(assess(&FluxSource::new(failing.clone())), Progress::NotObserved { .. }),
            "it speaks of the older spec"
        );
        failing["status"]["conditions"][0]["observedGeneration"] = 2.into();
        assert!(
            matches!(assess(&FluxSource::new(failing)), Progress::Failing(text) if text.contains("no match found"))
        );
        let mut signed = source("True", "", "0.7.4@sha256:new", 2).json().clone();
        signed["spec"]["verify"] = json!({"provider": "cosign"});
        assert!(
            matches!(assess(&FluxSource::new(signed.clone())), Progress::Done(text) if text.contains("without a condition about its signature"))
        );
        let verified =
            json!({"type": "SourceVerified", "status": "True", "reason": "Succeeded", "message": "verified"});
        signed["status"]["conditions"].as_array_mut().unwrap().push(verified);
        assert!(
            matches!(assess(&FluxSource::new(signed)), Progress::Done(text) if text.ends_with("verified by cosign"))
        );
        assert!(matches!(assess(&source("True", "", "0.7.4@sha256:other", 2)), Progress::Failing(_)));
        assert!(
            matches!(assess(&source("True", "", "0.7.1@sha256:old", 1)), Progress::NotObserved { reason, .. } if reason.contains("is it running"))
        );
        assert!(
            matches!(assess(&source("False", "no match for semver", "0.7.1@sha256:old", 2)), Progress::Failing(text) if text.contains("no match"))
        );
    }
}
