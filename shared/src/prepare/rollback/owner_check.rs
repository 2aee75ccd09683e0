//! Who keeps the releases: a way back past Flux or Argo CD would be undone by them. Through them it goes, the application first.

use crate::model::cluster_view::ClusterView;
use crate::model::owner::Owner;
use crate::plan::journal::RunEntry;
use crate::problem::{Exit, Problem};

/// Helm keeps both releases, or nobody does.
///
/// # Errors
/// A refusal with the commands that go back through the owner, in their order, and the versions that were there before.
pub(crate) fn require_helm_owner(run: &RunEntry, view: &ClusterView) -> Result<(), Problem> {
    let elsewhere = |(_, owner): &(&String, &Owner)| !owner.is_helm_or_absent();
    let Some((release, owner)) = view.owners.iter().find(elsewhere) else { return Ok(()) };
    let text = format!("release {release} is kept by {owner}: it would put back what we take back");
    let problem = Problem::new(Exit::Refused, text);
    // What Git keeps is written for a commit, and followed.
    let extra_flags = if owner.follows_commits() { " --write DIR" } else { "" };
    // The CRDs that the run brought go back with it, also those of others that the chart holds.
    let names = [
        ("--allow-downgrade --to", &run.request.app.release),
        ("--allow-downgrade --allow-foreign-downgrade --crds", &run.request.crds.release),
    ];
    let versions = names.map(|(flag, release)| (flag, release, chart_versions(run, view, release)));
    let changed = versions.iter().filter(|(.., versions)| versions.as_ref().is_none_or(|(then, now)| then != now));
    let commands: Vec<String> = changed
        .map(|(flag, _, versions)| {
            let then = versions.as_ref().map_or("OLDER", |(then, _)| then.as_str());
            format!("kubectl mural upgrade --namespace {} {flag} {then}{extra_flags}", run.request.namespace)
        })
        .collect();
    Err(match commands.as_slice() {
        [app, crds] => problem
            .with_hint(format!("go back through it, the application first, each guarded and proved: {app}"))
            .with_hint(format!("and when that is done: {crds}")),
        [one] => problem.with_hint(format!("go back through it, guarded and proved: {one}")),
        _ => {
            problem.with_hint("its releases are at the versions that were there before: there is nothing to go back to")
        }
    })
}

/// The chart version before the run and now, without the digest that helm-controller appends; none where helm's history has lost it.
fn chart_versions(run: &RunEntry, view: &ClusterView, release: &str) -> Option<(String, String)> {
    let records = view.releases.get(release)?.as_ref().ok()?;
    let then = run.recorded_state.releases.get(release)?.as_ref()?.revision;
    let plain = |version: &str| version.split('+').next().unwrap_or_default().to_owned();
    let then = records.iter().find(|record| record.revision == then)?;
    Some((plain(&then.chart_version), plain(&records.last()?.chart_version)))
}
