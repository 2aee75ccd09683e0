//! The steps of the Flux path: the CRD chart's source, its verification, and only then the application's source.

use super::route::{FluxRoute, FluxRoutes};
use crate::checks::crd_changes::decision::CrdDecision;
use crate::model::flux::{FluxObject, FluxSource};
use crate::model::metadata_keys::SUSPENDED_BY_ANNOTATION;
use crate::model::release_role::ReleaseRole;
use crate::plan::decide::{UpgradeFacts, build_migrate_step, new_step, push_annotate_step, skip_unchanged_crds};
use crate::plan::{Action, Step, StepId, UnchangedItem, UnchangedSubject};

/// Decides the steps in the only safe order, and what stays unchanged.
#[must_use]
pub fn decide_flux_upgrade(facts: &UpgradeFacts<'_>, routes: &FluxRoutes) -> (Vec<Step>, Vec<UnchangedItem>) {
    let (mut steps, mut left_alone) = (Vec::new(), Vec::new());
    let is_idle = |way: &FluxRoute| way.is_converged() && way.suspended_by_run().is_none();
    let crds = routes.crds.as_ref().filter(|way| way.target.is_some() && !way.is_converged());
    let app = routes.app.as_ref().filter(|way| {
        (way.target.is_some() || way.needs_release_patch() || way.suspended_by_run().is_some()) && !is_idle(way)
    });
    push_annotate_step(facts, &mut steps);
    steps.extend(build_migrate_step(facts.migrations));
    let suspended = app.filter(|app| needs_suspend(app, crds.is_some()));
    steps.extend(suspended.and_then(build_suspend_step));
    if let Some(crds) = crds {
        steps.extend(build_source_step(crds, ReleaseRole::Crds));
        steps.extend(build_release_step(crds, ReleaseRole::Crds));
        steps.extend(build_verify_step(facts));
    }
    if let Some(app) = app {
        let resume = (suspended.is_some() || app.needs_release_patch()).then(|| build_resume_step(app));
        // If the HelmRelease itself sets the version, nothing moves while it is suspended: it is resumed together with the new version.
        let (resume_before, resume_after) = if app.is_templated() { (resume, None) } else { (None, resume) };
        steps.extend(resume_before);
        steps.extend(build_source_step(app, ReleaseRole::App));
        steps.extend(resume_after);
        steps.extend(build_release_step(app, ReleaseRole::App));
    }
    if !steps.is_empty() {
        let because = "the final check verifies what was written";
        steps.push(new_step(StepId::Validate, "run the final check", Action::Validate, because));
    }
    left_alone.extend(routes.routes().filter(|way| way.target.is_some() && is_idle(way)).map(|way| UnchangedItem {
        subject: UnchangedSubject::Release {
            release: way.release.clone(),
            version: way.target.as_ref().map_or_else(String::new, |wanted| wanted.version.clone()),
        },
        reason: "its source, HelmRelease and newest revision are already at this version".to_owned(),
    }));
    left_alone.extend(skip_unchanged_crds(facts.crds));
    (steps, left_alone)
}

/// Whether the application's HelmRelease is suspended during the upgrade. It is if it could move before its CRDs are served, or if
/// two patches change it and only the last state may roll out. If an ended run of ours left it suspended, it already is.
fn needs_suspend(app: &FluxRoute, crds_move: bool) -> bool {
    app.suspended_by_run().is_some() || app.needs_release_patch() || (crds_move && app.floating_reason().is_some())
}

fn build_suspend_step(app: &FluxRoute) -> Option<Step> {
    if app.suspended_by_run().is_some() {
        return None;
    }
    let helm_release = app.helm_release.object_ref();
    let because = match app.floating_reason() {
        Some(why) => format!("it could move before the API server serves its CRDs: {why}"),
        None => "the source and the HelmRelease both change; only their last state may roll out".to_owned(),
    };
    let title = format!("suspend {helm_release} (spec.suspend)");
    let mut step =
        new_step(StepId::Suspend, title, Action::SuspendHelmRelease { helm_release: helm_release.clone() }, because);
    step.command = build_patch_command(&helm_release.to_kubectl_args(), r#"{"spec":{"suspend":true}}"#);
    Some(step)
}

fn build_resume_step(app: &FluxRoute) -> Step {
    let helm_release = app.helm_release.object_ref();
    let (values, depends_on) = (app.values.is_some(), app.depends_on.clone());
    let mut with = Vec::new();
    with.extend((app.is_templated() && app.needs_source_patch()).then_some("its new version"));
    with.extend(values.then_some("its new values"));
    with.extend(depends_on.is_some().then_some("the new version in its readyExpr"));
    let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(" and ")) };
    let because = match app.suspended_by_run() {
        Some(run) => format!("run {run} suspended it ({SUSPENDED_BY_ANNOTATION}) and has ended"),
        None => "the API server serves its CRDs".to_owned(),
    };
    let left = app.suspended_by_run().map_or_else(String::new, |run| format!(", which run {run} left suspended"));
    let title = format!("resume {helm_release}{with}{left}");
    let action = Action::ResumeHelmRelease { helm_release: helm_release.clone(), has_new_values: values, depends_on };
    let mut step = new_step(StepId::Resume, title, action, because);
    let values_patch = if values { r#","values":{…}"# } else { "" };
    step.command = build_patch_command(
        &helm_release.to_kubectl_args(),
        &format!(r#"{{"spec":{{"suspend":null{values_patch}}}}}"#),
    );
    step
}

fn build_patch_command(object: &str, patch: &str) -> Vec<String> {
    let words = ["kubectl", "patch"].into_iter().chain(object.split(' '));
    words.chain(["--type", "merge", "--patch", patch]).map(str::to_owned).collect()
}

fn build_source_step(route: &FluxRoute, role: ReleaseRole) -> Option<Step> {
    let (target, (object, patch)) = (route.target.as_ref()?, route.version_patch.as_ref()?);
    if !route.needs_source_patch() && route.chart.as_ref().is_some_and(|chart| target.matches_source(chart)) {
        return None;
    }
    // The source sets the signature check. The upgrade keeps and reports it.
    let verify = route.chart.as_ref().and_then(FluxSource::verification);
    let signed = verify.map_or_else(String::new, |verify| format!(", signed ({} verifies)", verify.provider));
    let title = format!("patch {object} to {} and wait for its artifact{signed}", target.version);
    let because = match role {
        ReleaseRole::Crds => "the CRDs come before the application, whose source changes only after they are verified",
        ReleaseRole::App => "the API server serves the CRDs; now the application's source can change",
    };
    let action = Action::UpdateSource {
        role,
        object: object.clone(),
        patch: patch.clone(),
        artifact: route.artifact.clone().unwrap_or_else(|| object.clone()),
        target: target.clone(),
    };
    let mut next = new_step(StepId::Source(role), title, action, because);
    next.command = build_patch_command(&object.to_kubectl_args(), &patch.to_string());
    Some(next)
}

fn build_release_step(route: &FluxRoute, role: ReleaseRole) -> Option<Step> {
    let helm_release = route.helm_release.object_ref();
    // A release that only gets new values keeps its chart revision.
    let target = route.target.clone();
    let version = target.as_ref().map_or_else(|| "the chart of its source".to_owned(), |wanted| wanted.version.clone());
    let title = format!("wait until {helm_release} is Ready at {version} in its history");
    let because = "Ready alone is not enough: it was True at the old version too";
    let action = Action::AwaitHelmRelease { role, requests_reconcile: true, helm_release, target };
    Some(new_step(StepId::Release(role), title, action, because))
}

fn build_verify_step(facts: &UpgradeFacts<'_>) -> Option<Step> {
    let ours = facts.crds.iter().filter(|crd| crd.decision != CrdDecision::RemovedFromChart);
    let names: Vec<String> = ours.map(|crd| crd.name.clone()).collect();
    let title = format!("verify {} CRDs: established, names accepted, served with the chart's schema", names.len());
    let because = "helm-controller reports Ready without a check of the served CRD schemas";
    (!names.is_empty()).then(|| new_step(StepId::Served, title, Action::VerifyServedSchema { names }, because))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::route::tests::flux_view;
    use super::super::{build_ready_expr, find_routes};
    use super::*;
    use crate::ask::UpgradeSpec;
    use crate::model::chart::{Digest, DigestKind};
    use crate::model::flux::HelmRelease;
    use crate::model::secret::Hidden;
    use crate::plan::order;

    fn steps(bend: impl FnOnce(&mut Vec<Value>), values: Option<Value>, expression: &str) -> Vec<Step> {
        let mut flux = flux_view(&json!({"semver": "0.7.1"}), expression);
        let mut raw: Vec<Value> = flux.helm_releases.as_ref().unwrap().iter().map(|one| one.json().clone()).collect();
        bend(&mut raw);
        flux.helm_releases = Ok(raw.into_iter().map(HelmRelease::new).collect());
        let digest = Digest { sha256: "sha256:new".into(), kind: DigestKind::Manifest };
        let charts = [Some(("0.7.4".to_owned(), &digest)), Some(("1.1.0".to_owned(), &digest))];
        let mut ask = UpgradeSpec::sample();
        ask.installation.namespace = "m".into();
        let ways = find_routes(&ask, &flux, charts, values.map(Hidden::new));
        let (steps, _) = decide_flux_upgrade(&UpgradeFacts::empty(), &ways);
        assert_eq!(order::check_order(&steps), Ok(()));
        steps
    }

    fn ids(steps: &[Step]) -> Vec<&str> {
        steps.iter().map(|step| step.id.as_str()).collect()
    }

    #[test]
    fn the_application_is_held_where_it_could_move_by_itself() {
        let all = steps(|_| (), None, "");
        assert_eq!(
            ids(&all),
            ["suspend", "mural-crds-source", "mural-crds", "mural-source", "resume", "mural", "validate"]
        );
        assert!(all[0].reason.contains("range"), "{}", all[0].reason);
    }

    #[test]
    fn a_release_suspended_by_a_dead_run_is_resumed_and_not_suspended_again() {
        let bend = |raw: &mut Vec<Value>| {
            raw[1]["spec"]["suspend"] = true.into();
            raw[1]["metadata"]["annotations"] = json!({SUSPENDED_BY_ANNOTATION: "20261126-7"});
        };
        let all = steps(bend, None, "");
        assert_eq!(ids(&all), ["mural-crds-source", "mural-crds", "mural-source", "resume", "mural", "validate"]);
        assert!(all[3].reason.contains("run 20261126-7"), "{}", all[3].reason);
    }

    #[test]
    fn where_the_helm_release_says_the_version_it_is_let_go_with_it() {
        let repository = |version: &str| {
            let chart =
                json!({"chart": "mural", "version": version, "sourceRef": {"kind": "HelmRepository", "name": "repo"}});
            move |raw: &mut Vec<Value>| raw[1]["spec"] = json!({"chart": {"spec": chart}})
        };
        let held = steps(repository(">=1.0.0"), None, "");
        let wanted = ["suspend", "mural-crds-source", "mural-crds", "resume", "mural-source", "mural", "validate"];
        assert_eq!(ids(&held), wanted, "suspended, its HelmChart would never change");
        assert!(held[3].title.contains("with its new version"), "{}", held[3].title);
        let exact = steps(repository("1.0.0"), None, "");
        assert_eq!(ids(&exact), ["mural-crds-source", "mural-crds", "mural-source", "mural", "validate"]);
        let Action::UpdateSource { object, patch, .. } = &exact[2].action else { panic!() };
        assert_eq!(
            (object.kind.as_str(), &patch["spec"]["chart"]["spec"]["version"]),
            ("HelmRelease", &json!("1.1.0"))
        );
    }

    #[test]
    fn a_release_that_was_rolled_back_is_requested_again() {
        let mut flux = flux_view(&json!({"semver": "0.7.1"}), "");
        flux.helm_releases.as_mut().unwrap().remove(0);
        let mut ask = UpgradeSpec::sample();
        ask.installation.namespace = "m".into();
        let digest = Digest { sha256: "sha256:old".into(), kind: DigestKind::Manifest };
        let mut ways = find_routes(&ask, &flux, [None, Some(("0.7.1".to_owned(), &digest))], None);
        let app = ways.app.as_mut().unwrap();
        app.version_patch.as_mut().unwrap().1 = json!({"spec": {"ref": {"semver": "1.x"}}});
        assert!(decide_flux_upgrade(&UpgradeFacts::empty(), &ways).0.is_empty(), "at rest");
        let mut failed = app_json(&ways);
        failed["status"]["history"][0]["chartVersion"] = "0.7.0+05".into();
        ways.app.as_mut().unwrap().helm_release = HelmRelease::new(failed);
        let (steps, _) = decide_flux_upgrade(&UpgradeFacts::empty(), &ways);
        assert_eq!(ids(&steps), ["mural", "validate"]);
        assert!(steps[0].action.is_write(), "the request is what is left to do");
    }

    fn app_json(ways: &FluxRoutes) -> Value {
        ways.app.as_ref().unwrap().helm_release.json().clone()
    }

    #[test]
    fn values_and_expressions_are_written_once_and_never_shown() {
        let all = steps(|_| (), Some(json!({"password": "canary"})), &build_ready_expr("0.7.1"));
        let Action::ResumeHelmRelease { has_new_values: values, depends_on, .. } = &all[4].action else {
            panic!("{:?}", ids(&all))
        };
        assert!(*values && depends_on.is_some());
        assert!(!format!("{all:?}").contains("canary") && !serde_json::to_string(&all).unwrap().contains("canary"));
    }
}
