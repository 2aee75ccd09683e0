//! Follows a roll-out that somebody else makes: Git through Flux, or Argo CD. Nothing is written; all is proved as if we had patched.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::checks::crd_changes::decision::CrdDecision;
use crate::guards::{flux_at_rest, owner_is_helm};
use crate::model::argo;
use crate::model::flux::FluxObject;
use crate::model::owner::Owner;
use crate::plan::flux::commit::{Commit, commits, numbered};
use crate::plan::flux::{FluxWay, argo as argo_plan};
use crate::plan::{Action, Step};
use crate::prepare::Prepared;
use crate::problem::Problem;

/// Whether somebody else rolls out what is committed.
#[must_use]
pub fn kept_elsewhere(prepared: &Prepared) -> bool {
    let elsewhere = |owner: &Owner| matches!(owner, Owner::Flux { kept_in_git: true, .. } | Owner::Argo { .. });
    prepared.view.owners.values().any(elsewhere)
}

/// What to commit, in order.
#[must_use]
pub fn to_commit(prepared: &Prepared) -> Vec<Commit> {
    let of_argo = applications(prepared).into_iter().filter_map(|(release, application)| {
        let side = if release == prepared.ask.installation.crds_release { &prepared.crds } else { &prepared.app };
        argo_plan::target(application, &side.as_ref()?.fetched.chart.version.to_string())
    });
    let of_argo: Vec<Commit> = of_argo.collect();
    if of_argo.is_empty() { commits(&prepared.flux) } else { numbered(of_argo) }
}

/// The Applications of both releases, the CRD chart's first.
fn applications(prepared: &Prepared) -> Vec<(String, &Value)> {
    let installation = &prepared.ask.installation;
    let all: BTreeMap<&str, &Value> = prepared
        .view
        .applications
        .iter()
        .flatten()
        .filter_map(|application| Some((application.pointer("/metadata/name")?.as_str()?, application)))
        .collect();
    let of = |release: &String| match prepared.view.owners.get(release) {
        Some(Owner::Argo { application }) => all.get(application.as_str()).map(|found| (release.clone(), *found)),
        _ => None,
    };
    [&installation.crds_release, &installation.app_release].into_iter().filter_map(of).collect()
}

/// What was prepared, with the steps of somebody who only looks.
///
/// # Errors
/// Nobody else rolls anything out: there is nothing to follow.
pub fn followed(mut prepared: Prepared) -> Result<Prepared, Problem> {
    if !kept_elsewhere(&prepared) {
        return Err(Problem::usage("there is no roll-out of somebody else's to follow")
            .hint("Git or Argo CD own neither release: leave --follow out, and the upgrade is done and proved"));
    }
    prepared.plan.guards.retain(|guard| ![owner_is_helm::CARD.id, flux_at_rest::CARD.id].contains(&guard.check));
    prepared.plan.steps = steps(&prepared);
    Ok(prepared)
}

fn steps(prepared: &Prepared) -> Vec<Step> {
    let mut steps = Vec::new();
    let installation = &prepared.ask.installation;
    let ways = [
        (true, &installation.crds_release, &prepared.flux.crds),
        (false, &installation.app_release, &prepared.flux.app),
    ];
    let of_argo = applications(prepared);
    for (crds, release, way) in ways {
        let application = of_argo.iter().find(|(of, _)| of == release).map(|(_, application)| *application);
        let side = if crds { &prepared.crds } else { &prepared.app };
        let version = side.as_ref().map(|side| side.fetched.chart.version.to_string());
        steps.extend(match (application.and_then(argo::named), way, version) {
            (Some((namespace, name)), _, Some(version)) => {
                Some(application_step(crds, release, namespace, name, version))
            }
            (None, Some(way), Some(_)) => release_step(crds, way),
            _ => None,
        });
        steps.extend(served(prepared).filter(|_| crds && !steps.is_empty()));
    }
    if !steps.is_empty() {
        let because = "what was rolled out is looked at in the end";
        steps.push(step("validate", "look at everything again".to_owned(), Action::Validate, because));
    }
    steps
}

fn release_step(crds: bool, way: &FluxWay) -> Option<Step> {
    let wanted = way.wanted.clone()?;
    let helm_release = way.helm_release.named();
    let title = format!("{helm_release} is Ready at {}, by its history", wanted.version);
    let action = Action::AwaitRelease { crds, asks: false, helm_release, wanted: Some(wanted) };
    Some(step(&way.release, title, action, "Git brings it: it is waited for, and nothing is written"))
}

fn application_step(crds: bool, release: &str, namespace: String, name: String, version: String) -> Step {
    let title = format!("Application {namespace}/{name} is synced to {version} and healthy");
    let action = Action::AwaitApplication { crds, namespace, name, version };
    step(release, title, action, "Argo CD brings it: it is waited for, and nothing is written")
}

fn served(prepared: &Prepared) -> Option<Step> {
    let ours = prepared.plan.crds.iter().filter(|crd| crd.decision != CrdDecision::Gone);
    let names: Vec<String> = ours.map(|crd| crd.name.clone()).collect();
    let title = format!("{} CRDs established, names accepted, served with the chart's schema", names.len());
    let because = "whoever wrote them: only the served schema proves it";
    (!names.is_empty()).then(|| step("served", title, Action::ProveServed { names }, because))
}

fn step(id: &str, title: String, action: Action, because: &str) -> Step {
    Step { id: id.to_owned(), title, action, because: because.to_owned(), command: Vec::new() }
}

/// The refusal that says what to commit; the files are written by whoever asked for them.
#[must_use]
pub fn shown(commits: &[Commit]) -> String {
    let mut text = String::new();
    for commit in commits {
        text.push_str(&format!("{}  {}\n", commit.file, commit.object));
        for change in &commit.changes {
            text.push_str(&format!("    {change}\n"));
        }
    }
    text
}
