//! The commands of helm and kubectl that an upgrade runs: the plan shows them, the run starts the same ones.

use crate::ask::{StoredValues, UpgradeSpec};
use crate::model::metadata_keys::RUN_LABEL;
use crate::model::release_role::ReleaseRole;
use crate::plan::decide;
use crate::prepare::judge::PlanCommands;
use crate::prepare::rendered_charts::RenderedChart;
use crate::tools::helm::{Helm, UpgradeArgs};
use crate::tools::kubectl::Kubectl;

/// Builds the commands of an upgrade with the operator's own tools.
#[derive(Clone, Copy)]
pub struct ToolCommands<'a> {
    /// The operator's request.
    pub ask: &'a UpgradeSpec,
    /// The operator's helm.
    pub helm: &'a Helm,
    /// The operator's kubectl.
    pub kubectl: &'a Kubectl,
    /// The run's id.
    pub run_id: &'a str,
}

impl PlanCommands for ToolCommands<'_> {
    fn upgrade_release(&self, role: ReleaseRole, chart: &RenderedChart) -> Vec<String> {
        let (description, label) = (decide::build_description(&chart.fetched.digest), run_label(self.run_id));
        let upgrade = build_helm_upgrade(self.ask, chart, role, &description, &label);
        let mut words = self.helm.build_upgrade_call(&upgrade).masked_words();
        // The private file's name means nothing to people: the command shows the chart reference that the operator passed.
        if let Some(word) = words.get_mut(CHART_WORD) {
            *word = chart.fetched.reference.to_string();
        }
        words
    }

    fn annotate_keep(&self, names: &[String]) -> Vec<String> {
        self.kubectl.build_annotate_keep_call(names, self.ask.timeout).masked_words()
    }

    fn apply_crds(&self) -> Vec<String> {
        self.kubectl.build_apply_call(self.ask.timeout).masked_words()
    }
}

/// The position of the chart in `helm upgrade RELEASE CHART`.
const CHART_WORD: usize = 3;

/// The label with the run that wrote a release.
#[must_use]
pub fn run_label(run: &str) -> String {
    format!("{RUN_LABEL}={run}")
}

/// How helm writes a release: it only records the CRD chart's, and waits for the application's.
#[must_use]
pub fn build_helm_upgrade<'a>(
    ask: &'a UpgradeSpec,
    rendered_chart: &'a RenderedChart,
    role: ReleaseRole,
    description: &'a str,
    label: &'a str,
) -> UpgradeArgs<'a> {
    let values = match role {
        ReleaseRole::Crds => &ask.crds_values,
        ReleaseRole::App => &ask.values,
    };
    let mut passed = ask.helm_options.to_args();
    // helm only records the CRD chart: this program applies its CRDs.
    if role == ReleaseRole::App {
        passed.extend(ask.helm_options.to_post_renderer_args());
    }
    UpgradeArgs {
        release: ask.installation.release(role),
        chart: &rendered_chart.fetched.file,
        values: &values.flags,
        stored_values: stored_values_flag(values.stored),
        description,
        label,
        install: role == ReleaseRole::Crds,
        take_ownership: ask.allowed_actions.take_ownership,
        wait: role == ReleaseRole::App,
        timeout: ask.timeout,
        extra_args: passed,
    }
}

/// helm's flag for the stored values. Without a flag and without given values, helm stores the stored values again, and takes the
/// defaults of the new chart (helm `pkg/action/upgrade.go`, `reuseValues`).
const fn stored_values_flag(stored: StoredValues) -> Option<&'static str> {
    match stored {
        StoredValues::HelmDefault => None,
        StoredValues::Reuse => Some("--reuse-values"),
        StoredValues::Reset => Some("--reset-values"),
        StoredValues::ResetThenReuse => Some("--reset-then-reuse-values"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::{ValueFlag, ValueOptions};
    use crate::model::secret::Hidden;

    /// <https://github.com/helm/helm/blob/v3.19.0/pkg/action/upgrade.go>, `reuseValues`: without a flag and without values, helm keeps
    /// the user's values and takes the defaults of the new chart; `--reuse-values` would keep the defaults of the old chart.
    #[test]
    fn the_record_of_the_crd_chart_keeps_exactly_the_stored_values() {
        let none = ValueOptions::over_stored(Vec::new());
        assert_eq!((none.flags.len(), stored_values_flag(none.stored)), (0, None));
        let given = ValueOptions::over_stored(vec![ValueFlag::Set(Hidden::new("crds.enabled=true".to_owned()))]);
        assert_eq!((given.flags.len(), stored_values_flag(given.stored)), (1, Some("--reset-then-reuse-values")));
    }
}
