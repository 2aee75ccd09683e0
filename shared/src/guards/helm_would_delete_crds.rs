//! CRDs that the next `helm upgrade` would delete, because they leave the manifest of a release.
//!
//! The API server then deletes every object of their kinds (<https://github.com/helm/helm/issues/7279>).

use std::collections::BTreeSet;

use crate::guards::Guard;
use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::{self, Crd};
use crate::model::release::{KEEP_ANNOTATION, RESOURCE_POLICY_ANNOTATION, ReleaseRecord};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "helm-would-delete-crds",
    section: Section::Guards,
    title: "that the next helm upgrade deletes no CRD",
    level: Level::Error,
    why: "helm deletes a CRD that moves from templates/ to crds/ or leaves the chart, even with --skip-crds. The API \
        server then deletes every custom resource of its kind (https://github.com/helm/helm/issues/7279).",
    fix: "Set --keep-crds to annotate the live CRDs first, or run kubectl annotate crd NAME \
        helm.sh/resource-policy=keep",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Fails for each live CRD that is in the stored manifest, not in the next one, and not annotated with `keep`.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let charts = context.charts().count();
    let verdict = match find_unprotected_crds(context) {
        Err(reason) => Verdict::Undetermined { reason },
        Ok(_) if context.allowed.keep_crds => Verdict::Pass,
        Ok(deleted) => {
            Verdict::from_findings(deleted.iter().filter_map(|(name, by)| build_finding(context, name, by)).collect())
        }
    };
    CheckResult::new(&CARD, charts, verdict)
}

/// Lists the live CRDs that helm would delete, each with its release: those of [`find_removed_templates`] without the `keep`
/// annotation.
///
/// # Errors
/// The same as [`find_removed_templates`].
pub fn find_unprotected_crds(context: &GuardContext<'_>) -> Result<Vec<(String, String)>, String> {
    let mut all = find_removed_templates(context)?;
    all.retain(|(name, _)| {
        find_live_crd(context, name).is_some_and(|live| live.annotation(RESOURCE_POLICY_ANNOTATION) != Some("keep"))
    });
    Ok(all)
}

/// Lists the live CRDs that leave the manifest of a release in this run, each with its release.
///
/// # Errors
/// The release records, the CRDs or a stored manifest could not be read.
pub fn find_removed_templates(context: &GuardContext<'_>) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    for facts in context.charts() {
        let Some(record) = context.view.current_revision(facts.release).map_err(ToString::to_string)? else { continue };
        let names = find_removed_in_release(record, facts)?;
        if !names.is_empty() {
            context.view.crds.as_ref().map_err(ToString::to_string)?;
        }
        let live = names.into_iter().filter(|name| find_live_crd(context, name).is_some());
        all.extend(live.map(|name| (name, facts.release.to_owned())));
    }
    Ok(all)
}

fn find_removed_in_release(record: &ReleaseRecord, facts: &ChartFacts<'_>) -> Result<BTreeSet<String>, String> {
    let stored = record
        .manifest_objects()
        .map_err(|error| format!("the stored manifest of {} revision {}: {error}", record.name, record.revision))?;
    let next: BTreeSet<String> =
        crd::list_template_crds(facts.rendered, &facts.chart.folder_crds).into_iter().collect();
    Ok(stored.iter().filter_map(Crd::name_of).filter(|name| !next.contains(*name)).map(str::to_owned).collect())
}

fn find_live_crd<'a>(context: &GuardContext<'a>, name: &str) -> Option<&'a Crd> {
    context.view.crds.as_ref().ok()?.get(name)
}

fn build_finding(context: &GuardContext<'_>, name: &str, release: &str) -> Option<Finding> {
    let message = format!(
        "helm upgrade {release} would delete it and every {}: the manifest of the release contains it as a template, the new chart does not",
        find_live_crd(context, name)?.kind()
    );
    let hint = format!("set --keep-crds to annotate it first, or run kubectl annotate crd {name} {KEEP_ANNOTATION}");
    Some(CARD.finding(format!("CRD {name}"), message, hint))
}
