//! A CRD chart that renders no CRD: never "nothing to do", since an operator who upgrades it expects CRDs.

use serde_json::Value;

use crate::model::crd::Crd;
use crate::model::crd_templates::CrdTemplates;
use crate::model::fetched_chart::FetchedChart;
use crate::problem::{Exit, Problem};

/// How each command gets values for the CRD chart.
const VALUES_HINT: &str = "set values of the CRD chart with --crds-values FILE and --crds-set KEY=VALUE (kubectl mural upgrade), \
    with -f FILE and --set KEY=VALUE (helm mural crds), or in its HelmRelease (Flux)";

/// Requires a CRD among the rendered objects if the chart's files hold one: the values then suppress it.
///
/// # Errors
/// The chart renders no CRD with these values. A chart without any CRD file is not an error.
pub(crate) fn require_rendered_crds(fetched: &FetchedChart, rendered: &[Value]) -> Result<(), Problem> {
    require_crds(fetched, rendered.iter().any(|document| Crd::name_of(document).is_some()))
}

/// As [`require_rendered_crds`], if it is known whether the chart renders a CRD.
///
/// # Errors
/// As [`require_rendered_crds`].
pub fn require_crds(fetched: &FetchedChart, renders_crds: bool) -> Result<(), Problem> {
    if renders_crds {
        return Ok(());
    }
    match CrdTemplates::find(&fetched.files) {
        Some(templates) => Err(suppressed_problem(Exit::Refused, fetched, &templates)),
        None => Ok(()),
    }
}

/// The problem of a chart that was named for its CRDs and renders none.
#[must_use]
pub fn no_crds_problem(fetched: &FetchedChart) -> Problem {
    match CrdTemplates::find(&fetched.files) {
        Some(templates) => suppressed_problem(Exit::Usage, fetched, &templates),
        None => Problem::usage(format!("the chart {} {} holds no CRD", fetched.chart.name, fetched.chart.version))
            .with_hint("name the chart that holds the CRDs"),
    }
}

fn suppressed_problem(exit: Exit, fetched: &FetchedChart, templates: &CrdTemplates) -> Problem {
    let chart = &fetched.chart;
    let text = format!("the chart {} {} renders no CRD with these values", chart.name, chart.version);
    let conditions: Vec<&str> = templates.conditions.iter().map(String::as_str).collect();
    let problem = Problem::new(exit, text);
    let problem = match conditions.is_empty() {
        true => problem,
        false => problem.with_hint(format!("set the values on which its CRDs depend: {}", conditions.join(", "))),
    };
    problem.with_hint(VALUES_HINT)
}
