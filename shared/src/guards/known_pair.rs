//! Whether the versions of the two charts are a documented or tested pair.

use crate::guards::Guard;
use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::chart_version::ChartVersion;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "known-pair",
    section: Section::Guards,
    title: "a known pair of chart versions",
    level: Level::Warning,
    why: "The charts have independent version numbers, and only the vendor's upgrade guide lists the pairs. An \
        untested pair may lack a field or a version.",
    fix: "Use the pair in the vendor's upgrade guide. A newer pair can be correct: the other guards check the \
        contents of the charts.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Annotation of the application chart with the matching versions of the CRD chart.
const CRDS_VERSION_ANNOTATION: &str = "mural.spectrocloud.com/crds-version";
/// Documented or tested pairs: version of the CRD chart, version of the application.
const KNOWN_PAIRS: [(&str, &str); 2] = [("0.7.1", "1.1.0-rc.0"), ("0.7.4", "1.1.0-rc.3")];

/// Warns if the two versions after this run are not a known pair. It never refuses.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let crds = version_after_upgrade(context, context.crds_chart.as_ref(), context.crds_release);
    let app = version_after_upgrade(context, context.app_chart.as_ref(), context.app_release);
    let (crds, app) = match (crds, app) {
        (Err(reason), _) | (_, Err(reason)) => return CheckResult::new(&CARD, 1, Verdict::Undetermined { reason }),
        (Ok(Some(crds)), Ok(Some(app))) => (crds, app),
        (Ok(_), Ok(_)) => {
            let reason = "a chart that is neither installed nor upgraded has no version to compare".to_owned();
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
        Some(wanted) => format!("the chart requires mural-crds {wanted}"),
        None => "this plugin does not know this pair".to_owned(),
    };
    let subject = format!("mural {app} with mural-crds {crds}");
    let hint = match says {
        Some(wanted) => format!("set --crds {wanted}"),
        None => "check that the vendor's upgrade guide lists this pair, or choose another one with --to and --crds"
            .to_owned(),
    };
    CheckResult::new(&CARD, 1, Verdict::from_findings(vec![CARD.finding(subject, message, hint)]))
}

/// The version of a chart after this run: the target version, or the installed one if the chart is not upgraded.
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

/// Removes build metadata and a leading `v`, which do not identify a version.
fn is_same_version(one: &str, other: &str) -> bool {
    match (one.parse::<ChartVersion>(), other.parse()) {
        (Ok(one), Ok(other)) => one.cmp_precedence(&other).is_eq(),
        _ => one == other,
    }
}
