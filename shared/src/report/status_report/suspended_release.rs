//! HelmReleases that a run of this plugin has suspended: the run, the time, and the command that resumes them.

use serde::Serialize;

use crate::model::flux::{FluxRef, SuspendedHelmRelease};
use crate::model::lease::{HeldLock, Liveness};

/// A HelmRelease that a run of this plugin has suspended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuspendedHelmReleaseStatus {
    /// The HelmRelease, the run and the time.
    #[serde(flatten)]
    pub suspended: SuspendedHelmRelease,
    /// Whether no live run is left to resume it.
    pub is_orphaned: bool,
    /// The command that resumes it manually.
    pub resume_command: String,
}

/// Lists the suspended HelmReleases, and whether a live run will resume them.
pub(super) fn list_suspended_releases(
    suspended: Vec<SuspendedHelmRelease>,
    locks: &[HeldLock],
) -> Vec<SuspendedHelmReleaseStatus> {
    let is_orphaned = !locks.iter().any(|lock| lock.liveness != Liveness::Dead);
    suspended
        .into_iter()
        .map(|held| SuspendedHelmReleaseStatus { resume_command: held.resume_command(), suspended: held, is_orphaned })
        .collect()
}

impl SuspendedHelmReleaseStatus {
    /// The next step of the operator.
    pub(super) fn suggest_next_step(&self) -> Option<String> {
        let FluxRef { kind, name, .. } = &self.suspended.helm_release;
        self.is_orphaned.then(|| {
            format!(
                "run the same upgrade again to finish it, CRDs first\nkubectl mural upgrade repair to abandon it: resumes {kind} {name} with its current source"
            )
        })
    }

    /// The lines of the text output, each with its label.
    pub(super) fn format_lines(&self) -> Vec<(&'static str, String)> {
        let SuspendedHelmRelease { helm_release, run, suspended_at: since } = &self.suspended;
        let since = since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
        let mut lines = vec![("suspended", format!("{helm_release} · by run {run} of this plugin{since}"))];
        if self.is_orphaned {
            lines.push(("", "no run is alive that resumes it".to_owned()));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NamespaceState, UpgradeStatus, render};
    use super::*;
    use crate::model::cluster_view::{Observed, ReadFailure};
    use crate::plan::journal::JournalSnapshot;
    use crate::report::style::Style;

    #[test]
    fn a_suspended_release_is_shown_with_the_command_that_resumes_it() {
        let since = Some("2026-11-26T21:00:00Z".to_owned());
        let helm_release = FluxRef::new("HelmRelease", "m", "mural");
        let held = vec![SuspendedHelmRelease { helm_release, run: "20261126-1".to_owned(), suspended_at: since }];
        let status_with = |suspended: Observed<Vec<SuspendedHelmRelease>>| {
            let none = [Ok(Vec::new()), Ok(Vec::new())];
            let present = ("m", &NamespaceState::Present);
            let journal = Ok(JournalSnapshot::default());
            UpgradeStatus::new("hub", present, Ok(Vec::new()), suspended, journal, none, jiff::Timestamp::UNIX_EPOCH)
        };
        let status = status_with(Ok(held));
        let text = render(&status, Style::PLAIN);
        let line = "suspended   HelmRelease m/mural · by run 20261126-1 of this plugin since 2026-11-26T21:00:00Z";
        assert!(text.contains(line) && text.contains("no run is alive that resumes it"), "{text}");
        assert!(status.next_step.unwrap().contains("upgrade repair"));
        let failure = ReadFailure { target: "HelmReleases".into(), reason: "forbidden".into() };
        let status = status_with(Err(failure));
        assert!(render(&status, Style::PLAIN).contains("cannot read HelmReleases: forbidden"));
    }
}
