//! helm deletes what leaves a release's manifest, CRDs included, and the server then deletes every object of their kinds.

use std::collections::BTreeSet;

use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::{self, Crd};
use crate::model::release::{KEEP_ANNOTATION, RESOURCE_POLICY_ANNOTATION, ReleaseRecord};
use crate::model::yaml::{self, ErrorDetail};

/// The card.
pub static CARD: Card = Card {
    id: "helm-would-delete-crds",
    section: Section::Guards,
    title: "helm would delete no CRD",
    level: Level::Error,
    why: "A CRD that moves from templates/ to crds/, or out of the chart, is deleted by the next helm upgrade, also with --skip-crds, and with it every custom resource of its kind (helm/helm#7279).",
    fix: "Say --keep-crds: the plan then marks the live CRDs first. Or by hand: kubectl annotate crd NAME helm.sh/resource-policy=keep",
};

/// The guard: CRDs in the manifest that helm compares with, absent from the next one, and not kept by annotation.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
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

/// Live CRDs that helm would delete, each with the release that had it: those of [`leaving`] without helm's mark.
///
/// # Errors
/// As [`leaving`].
pub fn find_unprotected_crds(context: &GuardContext<'_>) -> Result<Vec<(String, String)>, String> {
    let mut all = find_removed_templates(context)?;
    all.retain(|(name, _)| {
        find_live_crd(context, name).is_some_and(|live| live.annotation(RESOURCE_POLICY_ANNOTATION) != Some("keep"))
    });
    Ok(all)
}

/// Live CRDs that leave the manifest of a release in this run, each with the release.
///
/// # Errors
/// What could not be seen, in words.
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
    let stored = yaml::parse_documents(record.manifest.reveal(), ErrorDetail::LocationOnly)
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
        "helm upgrade {release} would delete it, and with it every {}: it is a template in the release's manifest and not in the new chart's",
        find_live_crd(context, name)?.kind()
    );
    let hint =
        format!("--keep-crds marks it before helm writes; by hand: kubectl annotate crd {name} {KEEP_ANNOTATION}");
    Some(CARD.finding(format!("CRD {name}"), message, hint))
}
