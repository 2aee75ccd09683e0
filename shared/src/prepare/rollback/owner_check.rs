//! Checks the owner of the releases: Flux and Argo CD would revert a rollback by this program. It then shows the rollback through
//! them, the application first.

use crate::model::cluster_view::ClusterView;
use crate::model::owner::Owner;
use crate::plan::journal::RunEntry;
use crate::prepare::rollback::rollback_error::RollbackError;

/// Helm owns both releases, or they are not installed.
///
/// # Errors
/// A refusal with the commands that roll back through the owner, in order, with the versions from before.
pub(crate) fn require_helm_owner(run: &RunEntry, view: &ClusterView) -> Result<(), RollbackError> {
    let elsewhere = |(_, owner): &(&String, &Owner)| !owner.is_helm_or_absent();
    let Some((release, owner)) = view.owners.iter().find(elsewhere) else { return Ok(()) };
    // If Git owns it, the command writes commits and follows them.
    let extra_flags = if owner.follows_commits() { " --write DIR" } else { "" };
    // The rollback includes third-party CRDs of the CRD chart.
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
    let (release, owner) = (release.clone(), owner.to_string());
    Err(RollbackError::Owned { release, owner, commands })
}

/// The chart version before the run and now, without the digest that helm-controller appends; none if helm's history lacks it.
fn chart_versions(run: &RunEntry, view: &ClusterView, release: &str) -> Option<(String, String)> {
    let records = view.releases.get(release)?.as_ref().ok()?;
    let then = run.recorded_state.releases.get(release)?.as_ref()?.revision;
    let plain = |version: &str| version.split('+').next().unwrap_or_default().to_owned();
    let then = records.iter().find(|record| record.revision == then)?;
    Some((plain(&then.chart_version), plain(&records.last()?.chart_version)))
}
