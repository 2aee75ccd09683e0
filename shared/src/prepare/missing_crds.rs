//! A CRD chart that renders no CRD: never "nothing to do", since an operator who upgrades it expects CRDs.

use serde_json::Value;

use crate::model::crd::Crd;
use crate::model::crd_templates::CrdTemplates;
use crate::model::fetched_chart::FetchedChart;
use crate::problem::{Exit, Explain};

/// How each command gets values for the CRD chart.
const VALUES_HINT: &str = "set values of the CRD chart with --crds-values FILE and --crds-set KEY=VALUE (kubectl mural upgrade), \
    with -f FILE and --set KEY=VALUE (helm mural crds), or in its HelmRelease (Flux)";

/// Why a chart gives no CRD.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MissingCrdsError {
    /// An upgrade renders the chart, and the values suppress the CRDs of its files.
    #[error("the chart {chart} renders no CRD with these values")]
    Suppressed {
        /// Its name and version.
        chart: String,
        /// The values on which the CRDs depend.
        conditions: Vec<String>,
    },
    /// The same of a chart that the operator named for its CRDs.
    #[error("the chart {chart} renders no CRD with these values")]
    NamedSuppressed {
        /// Its name and version.
        chart: String,
        /// The values on which the CRDs depend.
        conditions: Vec<String>,
    },
    /// No file of the chart holds a CRD, and the operator named it for its CRDs.
    #[error("the chart {chart} holds no CRD")]
    NoCrdFile {
        /// Its name and version.
        chart: String,
    },
}

impl MissingCrdsError {
    /// The error of a chart that was named for its CRDs and renders none.
    #[must_use]
    pub fn of_named_chart(fetched: &FetchedChart) -> Self {
        let chart = describe_chart(fetched);
        match CrdTemplates::find(&fetched.files) {
            Some(templates) => Self::NamedSuppressed { chart, conditions: Vec::from_iter(templates.conditions) },
            None => Self::NoCrdFile { chart },
        }
    }

    /// Whether the chart's files hold CRDs, which the values suppress.
    #[must_use]
    pub const fn is_suppressed(&self) -> bool {
        match self {
            Self::Suppressed { .. } | Self::NamedSuppressed { .. } => true,
            Self::NoCrdFile { .. } => false,
        }
    }
}

impl Explain for MissingCrdsError {
    fn exit(&self) -> Exit {
        match self {
            Self::Suppressed { .. } => Exit::Refused,
            Self::NamedSuppressed { .. } | Self::NoCrdFile { .. } => Exit::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Suppressed { conditions, .. } | Self::NamedSuppressed { conditions, .. } => {
                let conditions = (!conditions.is_empty())
                    .then(|| format!("set the values on which its CRDs depend: {}", conditions.join(", ")));
                conditions.into_iter().chain([VALUES_HINT.to_owned()]).collect()
            }
            Self::NoCrdFile { .. } => vec!["name the chart that holds the CRDs".to_owned()],
        }
    }
}

/// Requires a CRD among the rendered objects if the chart's files hold one: the values then suppress it.
///
/// # Errors
/// The chart renders no CRD with these values. A chart without any CRD file is not an error.
pub(crate) fn require_rendered_crds(fetched: &FetchedChart, rendered: &[Value]) -> Result<(), MissingCrdsError> {
    if rendered.iter().any(|document| Crd::name_of(document).is_some()) {
        return Ok(());
    }
    CrdTemplates::find(&fetched.files).map_or(Ok(()), |templates| {
        let conditions = Vec::from_iter(templates.conditions);
        Err(MissingCrdsError::Suppressed { chart: describe_chart(fetched), conditions })
    })
}

fn describe_chart(fetched: &FetchedChart) -> String {
    format!("{} {}", fetched.chart.name, fetched.chart.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_refuses_what_is_a_usage_error_of_a_named_chart() {
        let (chart, conditions) = ("mural-crds 0.7.4".to_owned(), vec!["crds.enabled".to_owned()]);
        let suppressed = MissingCrdsError::Suppressed { chart: chart.clone(), conditions: conditions.clone() };
        let named = MissingCrdsError::NamedSuppressed { chart: chart.clone(), conditions };
        let without_file = MissingCrdsError::NoCrdFile { chart };
        assert_eq!([suppressed.exit(), named.exit()], [Exit::Refused, Exit::Usage]);
        assert_eq!(suppressed.hints()[0], "set the values on which its CRDs depend: crds.enabled");
        assert_eq!(suppressed.hints(), named.hints());
        assert!(named.is_suppressed() && !without_file.is_suppressed());
        assert_eq!(without_file.hints(), ["name the chart that holds the CRDs"]);
    }
}
