//! The two charts are known to belong together.

use semver::Version;

use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "known-pair",
    section: Section::Guards,
    title: "the two charts are known to belong together",
    level: Level::Warning,
    why: "The charts have version lines of their own, and nothing but the vendor's page says which belong together: a pair that nobody ran may lack a field or a version.",
    fix: "Take the pair that the vendor's page names. A pair that is new here may be right all the same: the other guards look at what the charts hold.",
};

/// The annotation with which an application's chart names the CRDs that it fits.
const CRDS_VERSION_ANNOTATION: &str = "mural.spectrocloud.com/crds-version";
/// Pairs that are documented or ran together: the CRD chart, the application.
const KNOWN_PAIRS: [(&str, &str); 2] = [("0.7.1", "1.1.0-rc.0"), ("0.7.4", "1.1.0-rc.3")];

/// The guard: both versions as they will be after this run. A warning, never a wall.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let crds = version_after_upgrade(context, context.crds_chart.as_ref(), context.crds_release);
    let app = version_after_upgrade(context, context.app_chart.as_ref(), context.app_release);
    let (crds, app) = match (crds, app) {
        (Err(reason), _) | (_, Err(reason)) => return CheckResult::new(&CARD, 1, Verdict::Undetermined { reason }),
        (Ok(Some(crds)), Ok(Some(app))) => (crds, app),
        (Ok(_), Ok(_)) => {
            let reason = "a chart without a release that does not move has no version to compare".to_owned();
            return CheckResult::new(&CARD, 0, Verdict::Skipped { reason });
        }
    };
    let says = context.app_chart.as_ref().and_then(|facts| facts.chart.annotations.get(CRDS_VERSION_ANNOTATION));
    let known = match says {
        Some(wanted) => is_same_version(wanted, &crds),
        None => KNOWN_PAIRS.iter().any(|(one, other)| is_same_version(one, &crds) && is_same_version(other, &app)),
    };
    if known {
        return CheckResult::new(&CARD, 1, Verdict::Pass);
    }
    let message = match says {
        Some(wanted) => format!("mural {app} says that it fits mural-crds {wanted}, and {crds} will be there"),
        None => format!("mural {app} with mural-crds {crds} is no pair that is known here"),
    };
    let hint = match says {
        Some(wanted) => format!("name the CRD chart that it fits: --crds {wanted}"),
        None => "does the vendor's page name this pair? --to and --crds choose another".to_owned(),
    };
    CheckResult::new(&CARD, 1, Verdict::from_findings(vec![CARD.finding("the pair of charts", message, hint)]))
}

/// The version of a chart after this run: where it goes, else where it is.
fn version_after_upgrade(
    context: &GuardContext<'_>,
    facts: Option<&ChartFacts<'_>>,
    release: &str,
) -> Result<Option<String>, String> {
    if let Some(facts) = facts {
        return Ok(Some(facts.chart.version.to_string()));
    }
    let record = context.view.newest_revision(release).map_err(ToString::to_string)?;
    Ok(record.map(|record| record.chart_version.clone()))
}

/// Build metadata and a leading `v` say nothing of what a version is.
fn is_same_version(one: &str, other: &str) -> bool {
    let read = |text: &str| Version::parse(text.trim_start_matches('v'));
    match (read(one), read(other)) {
        (Ok(one), Ok(other)) => one.cmp_precedence(&other).is_eq(),
        _ => one == other,
    }
}
