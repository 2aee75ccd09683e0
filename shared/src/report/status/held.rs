//! What a run of ours has suspended through Flux: by which run, since when, and how it is let go.

use serde::Serialize;

use crate::model::flux::{FluxRef, Held};
use crate::model::lease::{Life, LockSeen};

/// A HelmRelease that a run of ours has suspended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldNow {
    /// Which, by which run, since when.
    #[serde(flatten)]
    pub held: Held,
    /// Whether nobody is left to let it go: no run that holds a lock lives.
    pub left_behind: bool,
    /// The command that lets it go by hand.
    pub release: String,
}

/// What is held, and whether anybody is left to let it go.
pub(super) fn now(held: Vec<Held>, locks: &[LockSeen]) -> Vec<HeldNow> {
    let left_behind = !locks.iter().any(|lock| lock.life != Life::Dead);
    held.into_iter().map(|held| HeldNow { release: held.let_go(), held, left_behind }).collect()
}

impl HeldNow {
    /// What to do about it.
    pub(super) fn next(&self) -> Option<String> {
        let FluxRef { kind, name, .. } = &self.held.helm_release;
        let how = "lets {} go, as its source is now; the same upgrade again goes on, CRDs first";
        self.left_behind
            .then(|| format!("kubectl mural upgrade repair {}", how.replace("{}", &format!("{kind} {name}"))))
    }

    /// For a person, each line with its first word.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let Held { helm_release, run, since } = &self.held;
        let since = since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
        let mut lines = vec![("held", format!("{helm_release} · suspended by our run {run}{since}"))];
        if self.left_behind {
            lines.push(("", format!("nobody is left to let it go; by hand: {}", self.release)));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::{UpgradeStatus, render};
    use super::*;
    use crate::model::view::NotSeen;
    use crate::plan::journal::JournalSeen;
    use crate::report::style::Style;

    #[test]
    fn what_is_held_is_told_with_the_command_that_lets_it_go() {
        let since = Some("2026-11-26T21:00:00Z".to_owned());
        let helm_release = FluxRef::new("HelmRelease", "m", "mural");
        let held = vec![Held { helm_release, run: "20261126-1".to_owned(), since }];
        let none = || [Ok(Vec::new()), Ok(Vec::new())];
        let told = UpgradeStatus::new("hub", "m", Ok(Vec::new()), Ok(held), Ok(JournalSeen::default()), none());
        let text = render(&told, Style::PLAIN);
        let line = "held        HelmRelease m/mural · suspended by our run 20261126-1 since 2026-11-26T21:00:00Z";
        assert!(text.contains(line) && text.contains("by hand: kubectl patch helmrelease mural"), "{text}");
        assert!(told.next.unwrap().contains("upgrade repair"));
        let not_seen = NotSeen { what: "HelmReleases".into(), reason: "forbidden".into() };
        let told = UpgradeStatus::new("hub", "m", Ok(Vec::new()), Err(not_seen), Ok(JournalSeen::default()), none());
        assert!(render(&told, Style::PLAIN).contains("cannot read HelmReleases: forbidden"));
    }
}
