//! What a run of ours has suspended through Flux: by which run, since when, and how it is let go.

use serde::Serialize;

use crate::model::flux::{FluxRef, SuspendedHelmRelease};
use crate::model::lease::{HeldLock, Liveness};

/// A HelmRelease that a run of ours has suspended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuspendedHelmReleaseStatus {
    /// Which, by which run, since when.
    #[serde(flatten)]
    pub suspended: SuspendedHelmRelease,
    /// Whether nobody is left to let it go: no run that holds a lock lives.
    pub is_orphaned: bool,
    /// The command that lets it go by hand.
    pub resume_command: String,
}

/// What is held, and whether anybody is left to let it go.
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
    /// What to do about it.
    pub(super) fn suggest_next_step(&self) -> Option<String> {
        let FluxRef { kind, name, .. } = &self.suspended.helm_release;
        let how = "lets {} go, as its source is now; the same upgrade again goes on, CRDs first";
        self.is_orphaned
            .then(|| format!("kubectl mural upgrade repair {}", how.replace("{}", &format!("{kind} {name}"))))
    }

    /// For a person, each line with its first word.
    pub(super) fn format_lines(&self) -> Vec<(&'static str, String)> {
        let SuspendedHelmRelease { helm_release, run, suspended_at: since } = &self.suspended;
        let since = since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
        let mut lines = vec![("held", format!("{helm_release} · suspended by our run {run}{since}"))];
        if self.is_orphaned {
            lines.push(("", format!("nobody is left to let it go; by hand: {}", self.resume_command)));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::{UpgradeStatus, render};
    use super::*;
    use crate::model::cluster_view::ReadFailure;
    use crate::plan::journal::JournalSnapshot;
    use crate::report::style::Style;

    #[test]
    fn what_is_held_is_told_with_the_command_that_lets_it_go() {
        let since = Some("2026-11-26T21:00:00Z".to_owned());
        let helm_release = FluxRef::new("HelmRelease", "m", "mural");
        let held = vec![SuspendedHelmRelease { helm_release, run: "20261126-1".to_owned(), suspended_at: since }];
        let none = || [Ok(Vec::new()), Ok(Vec::new())];
        let status = UpgradeStatus::new("hub", "m", Ok(Vec::new()), Ok(held), Ok(JournalSnapshot::default()), none());
        let text = render(&status, Style::PLAIN);
        let line = "held        HelmRelease m/mural · suspended by our run 20261126-1 since 2026-11-26T21:00:00Z";
        assert!(text.contains(line) && text.contains("by hand: kubectl patch helmrelease mural"), "{text}");
        assert!(status.next_step.unwrap().contains("upgrade repair"));
        let failure = ReadFailure { target: "HelmReleases".into(), reason: "forbidden".into() };
        let status =
            UpgradeStatus::new("hub", "m", Ok(Vec::new()), Err(failure), Ok(JournalSnapshot::default()), none());
        assert!(render(&status, Style::PLAIN).contains("cannot read HelmReleases: forbidden"));
    }
}
