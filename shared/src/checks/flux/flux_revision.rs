//! Check `flux-revision`.

use super::helm_releases;
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::flux::{FluxObject, HelmRelease};

/// The card.
pub static CARD: Card = Card {
    id: "flux-revision",
    section: Section::Flux,
    title: "every HelmRelease runs what its source holds",
    level: Level::Warning,
    why: "A HelmRelease stays Ready on its old chart while a new one lies in its source: a new artifact does not change its generation (helm-controller#276). Looking at Ready alone, one sees nothing.",
    fix: "Wait for the HelmRelease's next turn, or ask for it: flux reconcile helmrelease NAME. Where it stays, look at what it depends on.",
};

/// Whether the newest revision in each history is of the version and digest that the source's artifact has.
pub fn check(seen: &Seen<'_>) -> Checked {
    let all = match helm_releases(seen, &CARD) {
        Ok(all) => all,
        Err(answer) => return answer,
    };
    let mut gathered = Gathered::new(&CARD);
    for one in all {
        let source = one.chart_from().and_then(|from| seen.view.flux.source(&from.object()));
        match source.and_then(|source| Some((source.artifact()?, one.history().into_iter().next()?))) {
            Some((artifact, newest)) => {
                // A registry's digest tells more than a version that may be pushed anew.
                let same = match (artifact.digest(), newest.oci_digest.as_str()) {
                    (Some(digest), own) if !own.is_empty() => digest == own,
                    _ => newest.is(artifact.version()),
                };
                gathered.looked((!same).then(|| finding(one, &newest.chart_version, &artifact.revision)));
            }
            None => gathered.skipped("no artifact, or no release made of it yet"),
        }
    }
    gathered.checked()
}

fn finding(one: &HelmRelease, runs: &str, holds: &str) -> Finding {
    let named = one.named();
    let hint = format!("kubectl describe {}", named.words());
    CARD.finding(named.to_string(), format!("runs {runs}, and its source holds {holds}"), hint)
}
