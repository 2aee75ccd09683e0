//! The steps of the Flux path: the CRD chart's source, its proof, and only then the application's.

use super::way::{FluxWay, Ways};
use crate::checks::crd_changes::decision::CrdDecision;
use crate::model::flux::{FluxObject, HELD_BY, Source};
use crate::plan::decide::{Facts, keep_step, migrate_step, step, unchanged};
use crate::plan::{Action, LeftAlone, Step};

/// Decides the steps, in the only order that is safe, and what is left alone.
#[must_use]
pub fn decide(facts: &Facts<'_>, ways: &Ways) -> (Vec<Step>, Vec<LeftAlone>) {
    let (mut steps, mut left_alone) = (Vec::new(), Vec::new());
    let idle = |way: &FluxWay| way.at_rest() && way.held().is_none();
    let crds = ways.crds.as_ref().filter(|way| way.wanted.is_some() && !way.at_rest());
    let app =
        ways.app.as_ref().filter(|way| (way.wanted.is_some() || way.rewrites() || way.held().is_some()) && !idle(way));
    keep_step(facts, &mut steps);
    steps.extend(migrate_step(facts.migrate));
    let held = app.filter(|app| holds(app, crds.is_some()));
    steps.extend(held.and_then(hold));
    if let Some(crds) = crds {
        steps.extend(source_step(crds, true));
        steps.extend(release_step(crds, true));
        steps.extend(served(facts));
    }
    if let Some(app) = app {
        let goes_on = (held.is_some() || app.rewrites()).then(|| let_go(app));
        // Where the HelmRelease itself says the version, nothing moves while it is suspended: it is let go with the version.
        let (first, then) = if app.is_templated() { (goes_on, None) } else { (None, goes_on) };
        steps.extend(first);
        steps.extend(source_step(app, false));
        steps.extend(then);
        steps.extend(release_step(app, false));
    }
    if !steps.is_empty() {
        let because = "what was written is looked at in the end";
        steps.push(step("validate", "look at everything again", Action::Validate, because));
    }
    left_alone.extend(ways.all().filter(|way| way.wanted.is_some() && idle(way)).map(|way| LeftAlone {
        what: format!("release {} {}", way.release, way.wanted.as_ref().map_or("", |wanted| &wanted.version)),
        because: "its source, its HelmRelease and its newest revision are at it already".to_owned(),
    }));
    left_alone.extend(unchanged(facts.crds));
    (steps, left_alone)
}

/// Whether the application's HelmRelease is held meanwhile: it could move by itself before its CRDs are served, or it is
/// written more than once, and only the last state may be rolled out. One that a dead run of ours held is held already.
fn holds(app: &FluxWay, crds_move: bool) -> bool {
    app.held().is_some() || app.rewrites() || (crds_move && app.moves_by_itself().is_some())
}

fn hold(app: &FluxWay) -> Option<Step> {
    if app.held().is_some() {
        return None;
    }
    let helm_release = app.helm_release.named();
    let because = match app.moves_by_itself() {
        Some(why) => format!("it could move before its CRDs are served: {why}"),
        None => "source and HelmRelease both change: only the last of both is rolled out".to_owned(),
    };
    let title = format!("hold {helm_release} (spec.suspend)");
    let mut hold = step("hold", title, Action::HoldRelease { helm_release: helm_release.clone() }, because);
    hold.command = patch_words(&helm_release.words(), r#"{"spec":{"suspend":true}}"#);
    Some(hold)
}

fn let_go(app: &FluxWay) -> Step {
    let helm_release = app.helm_release.named();
    let (values, depends_on) = (app.values.is_some(), app.depends_on.clone());
    let mut with = Vec::new();
    with.extend((app.is_templated() && app.patches()).then_some("its new version"));
    with.extend(values.then_some("its new values"));
    with.extend(depends_on.is_some().then_some("the new version in its readyExpr"));
    let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(" and ")) };
    let because = match app.held() {
        Some(run) => format!("it was suspended by our run {run} ({HELD_BY}), which lives no more"),
        None => "its CRDs are served: now it may go on".to_owned(),
    };
    let left = app.held().map_or_else(String::new, |run| format!(", which our run {run} left suspended"));
    let title = format!("let {helm_release} go on{with}{left}");
    let action = Action::LetReleaseGo { helm_release: helm_release.clone(), values, depends_on };
    let mut go = step("go-on", title, action, because);
    let more = if values { r#","values":{…}"# } else { "" };
    go.command = patch_words(&helm_release.words(), &format!(r#"{{"spec":{{"suspend":null{more}}}}}"#));
    go
}

fn patch_words(object: &str, patch: &str) -> Vec<String> {
    let words = ["kubectl", "patch"].into_iter().chain(object.split(' '));
    words.chain(["--type", "merge", "--patch", patch]).map(str::to_owned).collect()
}

fn source_step(way: &FluxWay, crds: bool) -> Option<Step> {
    let (wanted, (object, patch)) = (way.wanted.as_ref()?, way.place.as_ref()?);
    if !way.patches() && way.chart.as_ref().is_some_and(|chart| wanted.held_by(chart)) {
        return None;
    }
    // Whose signature is asked for is the source's own word: it is kept, and told.
    let verify = way.chart.as_ref().and_then(Source::verify);
    let signed = verify.map_or_else(String::new, |verify| format!(", signed ({} verifies)", verify.provider));
    let title = format!("move {object} to {} and wait for its artifact{signed}", wanted.version);
    let because = if crds {
        "the CRDs come before the application: its source stays where it is until they are proved"
    } else {
        "the CRDs are served: only now the application's source moves"
    };
    let action = Action::MoveSource {
        crds,
        object: object.clone(),
        patch: patch.clone(),
        artifact: way.artifact.clone().unwrap_or_else(|| object.clone()),
        wanted: wanted.clone(),
    };
    let mut next = step(&format!("{}-source", way.release), title, action, because);
    next.command = patch_words(&object.words(), &patch.to_string());
    Some(next)
}

fn release_step(way: &FluxWay, crds: bool) -> Option<Step> {
    let helm_release = way.helm_release.named();
    // A release that only gets new values shows the revision that it has.
    let wanted = way.wanted.clone();
    let version = wanted.as_ref().map_or_else(|| "what its source holds".to_owned(), |wanted| wanted.version.clone());
    let title = format!("{helm_release} is Ready at {version}, by its history");
    let because = "Ready alone proves nothing: it was True before, at the old version";
    let action = Action::AwaitRelease { crds, asks: true, helm_release, wanted };
    Some(step(&way.release, title, action, because))
}

fn served(facts: &Facts<'_>) -> Option<Step> {
    let ours = facts.crds.iter().filter(|crd| crd.decision != CrdDecision::Gone);
    let names: Vec<String> = ours.map(|crd| crd.name.clone()).collect();
    let title = format!("{} CRDs established, names accepted, served with the chart's schema", names.len());
    let because = "helm-controller calls a release Ready whatever its CRDs serve: only the served schema proves it";
    (!names.is_empty()).then(|| step("served", title, Action::ProveServed { names }, because))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::way::tests::world;
    use super::super::{ready_expr, ways};
    use super::*;
    use crate::ask::Ask;
    use crate::model::chart::{Digest, DigestOf};
    use crate::model::flux::HelmRelease;
    use crate::model::secret::Hidden;
    use crate::plan::order;

    fn steps(bend: impl FnOnce(&mut Vec<Value>), values: Option<Value>, expression: &str) -> Vec<Step> {
        let mut flux = world(&json!({"semver": "0.7.1"}), expression);
        let mut raw: Vec<Value> = flux.helm_releases.as_ref().unwrap().iter().map(|one| one.json().clone()).collect();
        bend(&mut raw);
        flux.helm_releases = Ok(raw.into_iter().map(HelmRelease::new).collect());
        let digest = Digest { sha256: "sha256:new".into(), of: DigestOf::Manifest };
        let charts = [Some(("0.7.4".to_owned(), &digest)), Some(("1.1.0".to_owned(), &digest))];
        let mut ask = Ask::sample();
        ask.installation.namespace = "m".into();
        let ways = ways(&ask, &flux, charts, values.map(Hidden::new));
        let (steps, _) = decide(&Facts::nothing(), &ways);
        assert_eq!(order::check(&steps), Ok(()));
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
            ["hold", "mural-crds-source", "mural-crds", "mural-source", "go-on", "mural", "validate"]
        );
        assert!(all[0].because.contains("range"), "{}", all[0].because);
    }

    #[test]
    fn who_was_held_by_a_dead_run_is_let_go_and_not_held_again() {
        let bend = |raw: &mut Vec<Value>| {
            raw[1]["spec"]["suspend"] = true.into();
            raw[1]["metadata"]["annotations"] = json!({HELD_BY: "20261126-7"});
        };
        let all = steps(bend, None, "");
        assert_eq!(ids(&all), ["mural-crds-source", "mural-crds", "mural-source", "go-on", "mural", "validate"]);
        assert!(all[3].because.contains("run 20261126-7"), "{}", all[3].because);
    }

    #[test]
    fn where_the_helm_release_says_the_version_it_is_let_go_with_it() {
        let repository = |version: &str| {
            let chart =
                json!({"chart": "mural", "version": version, "sourceRef": {"kind": "HelmRepository", "name": "repo"}});
            move |raw: &mut Vec<Value>| raw[1]["spec"] = json!({"chart": {"spec": chart}})
        };
        let held = steps(repository(">=1.0.0"), None, "");
        let wanted = ["hold", "mural-crds-source", "mural-crds", "go-on", "mural-source", "mural", "validate"];
        assert_eq!(ids(&held), wanted, "suspended, its HelmChart would never change");
        assert!(held[3].title.contains("with its new version"), "{}", held[3].title);
        let exact = steps(repository("1.0.0"), None, "");
        assert_eq!(ids(&exact), ["mural-crds-source", "mural-crds", "mural-source", "mural", "validate"]);
        let Action::MoveSource { object, patch, .. } = &exact[2].action else { panic!() };
        assert_eq!(
            (object.kind.as_str(), &patch["spec"]["chart"]["spec"]["version"]),
            ("HelmRelease", &json!("1.1.0"))
        );
    }

    #[test]
    fn a_release_that_went_back_is_asked_again_though_nothing_is_left_to_tell() {
        let mut flux = world(&json!({"semver": "0.7.1"}), "");
        flux.helm_releases.as_mut().unwrap().remove(0);
        let mut ask = Ask::sample();
        ask.installation.namespace = "m".into();
        let digest = Digest { sha256: "sha256:old".into(), of: DigestOf::Manifest };
        let mut ways = ways(&ask, &flux, [None, Some(("0.7.1".to_owned(), &digest))], None);
        let app = ways.app.as_mut().unwrap();
        app.place.as_mut().unwrap().1 = json!({"spec": {"ref": {"semver": "1.x"}}});
        assert!(decide(&Facts::nothing(), &ways).0.is_empty(), "at rest");
        let mut failed = app_json(&ways);
        failed["status"]["history"][0]["chartVersion"] = "0.7.0+05".into();
        ways.app.as_mut().unwrap().helm_release = HelmRelease::new(failed);
        let (steps, _) = decide(&Facts::nothing(), &ways);
        assert_eq!(ids(&steps), ["mural", "validate"]);
        assert!(steps[0].action.writes(), "the request is what is left to do");
    }

    fn app_json(ways: &Ways) -> Value {
        ways.app.as_ref().unwrap().helm_release.json().clone()
    }

    #[test]
    fn values_and_expressions_are_written_once_and_shown_to_nobody() {
        let all = steps(|_| (), Some(json!({"password": "canary"})), &ready_expr("0.7.1"));
        let Action::LetReleaseGo { values, depends_on, .. } = &all[4].action else { panic!("{:?}", ids(&all)) };
        assert!(*values && depends_on.is_some());
        assert!(!format!("{all:?}").contains("canary") && !serde_json::to_string(&all).unwrap().contains("canary"));
    }
}
