//! Check `flux-suspended`.

use super::helm_releases;
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::flux::FluxObject;

/// The card.
pub static CARD: Card = Card {
    id: "flux-suspended",
    section: Section::Flux,
    title: "nothing of Flux is suspended",
    level: Level::Warning,
    why: "A suspended object keeps its last status, Ready included, and does nothing: no new version arrives, and nothing that was changed by hand is put back.",
    fix: "Find out who suspended it and why; then kubectl patch … '{\"spec\":{\"suspend\":false}}', or flux resume.",
};

/// Whether any HelmRelease or source of ours is suspended.
pub fn check(seen: &Seen<'_>) -> Checked {
    let all = match helm_releases(seen, &CARD) {
        Ok(all) => all,
        Err(answer) => return answer,
    };
    let mut gathered = Gathered::new(&CARD);
    all.iter().for_each(|one| gathered.looked(judge(one)));
    for source in seen.view.flux.sources.values() {
        match source {
            Ok(Some(source)) => gathered.looked(judge(source)),
            Ok(None) => {}
            Err(not_seen) => gathered.not_seen(not_seen),
        }
    }
    gathered.checked()
}

fn judge(object: &impl FluxObject) -> Option<Finding> {
    let named = object.named();
    let by = object.held_by().map(|run| format!(" by our run {run}")).unwrap_or_default();
    let hint = format!("kubectl patch {} --type merge --patch '{{\"spec\":{{\"suspend\":false}}}}'", named.words());
    object.suspended().then(|| CARD.finding(named.to_string(), format!("is suspended{by}"), hint))
}
