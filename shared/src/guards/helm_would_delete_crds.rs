//! helm deletes what leaves a release's manifest, CRDs included, and the server then deletes every object of their kinds.

use std::collections::BTreeSet;

use crate::guards::context::{Admission, ChartFacts};
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::crd::{self, Crd};
use crate::model::release::{KEEP, POLICY, ReleaseRecord};
use crate::model::yaml::{self, Quote};

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
pub fn check(admission: &Admission<'_>) -> Checked {
    let charts = admission.charts().count();
    let verdict = match would_delete(admission) {
        Err(reason) => Verdict::Undetermined { reason },
        Ok(_) if admission.allowed.keep_crds => Verdict::Pass,
        Ok(deleted) => {
            Verdict::from_findings(deleted.iter().filter_map(|(name, by)| finding(admission, name, by)).collect())
        }
    };
    Checked::new(&CARD, charts, verdict)
}

/// Live CRDs that helm would delete, each with the release that had it: those of [`leaving`] without helm's mark.
///
/// # Errors
/// As [`leaving`].
pub fn would_delete(admission: &Admission<'_>) -> Result<Vec<(String, String)>, String> {
    let mut all = leaving(admission)?;
    all.retain(|(name, _)| live(admission, name).is_some_and(|live| live.annotation(POLICY) != Some("keep")));
    Ok(all)
}

/// Live CRDs that leave the manifest of a release in this run, each with the release.
///
/// # Errors
/// What could not be seen, in words.
pub fn leaving(admission: &Admission<'_>) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    for facts in admission.charts() {
        let Some(record) = admission.view.current(facts.release).map_err(ToString::to_string)? else { continue };
        let names = leaving_one(record, facts)?;
        if !names.is_empty() {
            admission.view.crds.as_ref().map_err(ToString::to_string)?;
        }
        let live = names.into_iter().filter(|name| live(admission, name).is_some());
        all.extend(live.map(|name| (name, facts.release.to_owned())));
    }
    Ok(all)
}

fn leaving_one(record: &ReleaseRecord, facts: &ChartFacts<'_>) -> Result<BTreeSet<String>, String> {
    let stored = yaml::documents(record.manifest.reveal(), Quote::Nothing)
        .map_err(|error| format!("the stored manifest of {} revision {}: {error}", record.name, record.revision))?;
    let next: BTreeSet<String> = crd::templates(facts.rendered, &facts.chart.crds_folder).into_iter().collect();
    Ok(stored.iter().filter_map(Crd::name_of).filter(|name| !next.contains(*name)).map(str::to_owned).collect())
}

fn live<'a>(admission: &Admission<'a>, name: &str) -> Option<&'a Crd> {
    admission.view.crds.as_ref().ok()?.get(name)
}

fn finding(admission: &Admission<'_>, name: &str, release: &str) -> Option<Finding> {
    let message = format!(
        "helm upgrade {release} would delete it, and with it every {}: it is a template in the release's manifest and not in the new chart's",
        live(admission, name)?.kind()
    );
    let hint = format!("--keep-crds marks it before helm writes; by hand: kubectl annotate crd {name} {KEEP}");
    Some(CARD.finding(format!("CRD {name}"), message, hint))
}
