//! Follows a roll-out that someone else makes: Git through Flux, or Argo CD. It writes nothing and verifies everything.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::checks::crd_changes::decision::CrdDecision;
use crate::guards::{flux_not_reconciling, owner_supported};
use crate::model::argo_application;
use crate::model::flux::FluxObject;
use crate::model::owner::Owner;
use crate::model::release_role::ReleaseRole;
use crate::model::text_format::format_count;
use crate::plan::flux::commit::{CommitFile, build_commits, number_files};
use crate::plan::flux::{FluxRoute, argo_sync as argo_plan};
use crate::plan::{Action, Step, StepId};
use crate::prepare::prepared::Prepared;
use crate::problem::{Exit, Explain};

/// `--follow` without an owner that rolls out commits.
#[derive(Debug, thiserror::Error)]
#[error("there is no roll-out to follow")]
pub struct NothingToFollow;

impl Explain for NothingToFollow {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["run the command without --follow: neither Git nor Argo CD owns a release".to_owned()]
    }
}

/// Whether someone else rolls out commits.
#[must_use]
pub fn has_external_owner(prepared: &Prepared) -> bool {
    prepared.session.view.owners.values().any(Owner::follows_commits)
}

/// The commits, in order.
#[must_use]
pub fn list_commits(prepared: &Prepared) -> Vec<CommitFile> {
    let mut of_argo: Vec<CommitFile> = Vec::new();
    for (release, application) in argo_applications(prepared) {
        let is_crds = release == prepared.session.installation.crds_release;
        let rendered_chart = if is_crds { prepared.work.crds_chart() } else { prepared.work.app_chart() };
        let Some(rendered_chart) = rendered_chart else { continue };
        // One Application may deploy both charts: the second commit contains the first.
        let is_same = |commit: &&CommitFile| application["metadata"]["name"] == commit.object.name.as_str();
        let before = of_argo.iter().rev().find(is_same).map(|commit| commit.manifest.reveal().clone());
        let version = rendered_chart.fetched.chart.version.to_string();
        of_argo.extend(argo_plan::build_application_commit(before.as_ref().unwrap_or(application), &release, &version));
    }
    match prepared.work.as_upgrade() {
        Some(upgrade) if of_argo.is_empty() => build_commits(&upgrade.flux),
        _ => number_files(of_argo),
    }
}

/// The Applications of both releases, the CRD chart's first.
fn argo_applications(prepared: &Prepared) -> Vec<(String, &Value)> {
    let installation = &prepared.session.installation;
    let all: BTreeMap<&str, &Value> = prepared
        .session
        .view
        .applications
        .iter()
        .flatten()
        .filter_map(|application| Some((application.pointer("/metadata/name")?.as_str()?, application)))
        .collect();
    let of = |release: &String| match prepared.session.view.owners.get(release) {
        Some(Owner::Argo { application }) => all.get(application.as_str()).map(|found| (release.clone(), *found)),
        Some(
            Owner::NotInstalled
            | Owner::Helm
            | Owner::Flux { .. }
            | Owner::Appliance { .. }
            | Owner::Undetermined { .. },
        )
        | None => None,
    };
    [&installation.crds_release, &installation.app_release].into_iter().filter_map(of).collect()
}

/// The prepared upgrade with read-only steps.
///
/// # Errors
/// No owner rolls out commits: there is nothing to follow.
pub fn follow_rollout(mut prepared: Prepared) -> Result<Prepared, NothingToFollow> {
    if !has_external_owner(&prepared) {
        return Err(NothingToFollow);
    }
    prepared
        .plan
        .guards
        .retain(|guard| ![owner_supported::CARD.id, flux_not_reconciling::CARD.id].contains(&guard.check));
    prepared.plan.steps = build_steps(&prepared);
    Ok(prepared)
}

fn build_steps(prepared: &Prepared) -> Vec<Step> {
    let mut steps = Vec::new();
    let Some(upgrade) = prepared.work.as_upgrade() else { return steps };
    let installation = &upgrade.ask.installation;
    let routes = [(ReleaseRole::Crds, &upgrade.flux.crds), (ReleaseRole::App, &upgrade.flux.app)];
    let of_argo = argo_applications(prepared);
    for (role, route) in routes {
        let release = installation.release(role);
        let application = of_argo.iter().find(|(of, _)| of == release).map(|(_, application)| *application);
        let rendered_chart = match role {
            ReleaseRole::Crds => &upgrade.charts.crds,
            ReleaseRole::App => &upgrade.charts.app,
        };
        let version = rendered_chart.as_ref().map(|rendered_chart| rendered_chart.fetched.chart.version.to_string());
        steps.extend(match (application.and_then(argo_application::namespaced_name), route, version) {
            (Some((namespace, name)), _, Some(version)) => Some(build_application_step(role, namespace, name, version)),
            (None, Some(route), Some(_)) => build_release_step(role, route),
            _ => None,
        });
        steps.extend(build_verify_step(prepared).filter(|_| role == ReleaseRole::Crds && !steps.is_empty()));
    }
    if !steps.is_empty() {
        let because = "the final check verifies what was rolled out";
        steps.push(new_step(StepId::Validate, "run the final check".to_owned(), Action::Validate, because));
    }
    steps
}

fn build_release_step(role: ReleaseRole, route: &FluxRoute) -> Option<Step> {
    let wanted = route.target.clone()?;
    let helm_release = route.helm_release.object_ref();
    let title = format!("wait until {helm_release} is Ready at {} in its history", wanted.version);
    let action = Action::AwaitHelmRelease { role, requests_reconcile: false, helm_release, target: Some(wanted) };
    Some(new_step(StepId::Release(role), title, action, "Git rolls it out; this step only waits"))
}

fn build_application_step(role: ReleaseRole, namespace: String, name: String, version: String) -> Step {
    let title = format!("wait until Application {namespace}/{name} is synced to {version} and healthy");
    let action = Action::AwaitArgoApplication { role, namespace, name, version };
    new_step(StepId::Release(role), title, action, "Argo CD rolls it out; this step only waits")
}

fn build_verify_step(prepared: &Prepared) -> Option<Step> {
    let ours = prepared.plan.crds.iter().filter(|crd| crd.decision != CrdDecision::RemovedFromChart);
    let names: Vec<String> = ours.map(|crd| crd.name.clone()).collect();
    let title = format!(
        "verify {}: established, names accepted, served with the chart's schema",
        format_count(names.len(), "CRD")
    );
    let because = "only the served schema verifies them, regardless of their writer";
    (!names.is_empty()).then(|| new_step(StepId::Served, title, Action::VerifyServedSchema { names }, because))
}

fn new_step(id: StepId, title: String, action: Action, because: &str) -> Step {
    Step { id, title, action, reason: because.to_owned(), command: Vec::new() }
}

/// The refusal with the commits; the caller writes the files.
#[must_use]
pub fn format_commits(commits: &[CommitFile]) -> String {
    let mut text = String::new();
    for commit in commits {
        text.push_str(&format!("{}  {}\n", commit.file_name, commit.object));
        for change in &commit.changes {
            text.push_str(&format!("    {change}\n"));
        }
    }
    text
}
