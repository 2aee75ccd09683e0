//! Check `flux-release-ready`.

use super::helm_releases;
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::flux::{FluxObject, HelmRelease};

/// The card.
pub static CARD: Card = Card {
    id: "flux-release-ready",
    section: Section::Flux,
    title: "every HelmRelease is ready, and its newest revision deployed",
    level: Level::Error,
    why: "Ready may speak of an older spec, and a HelmRelease that has used up its retries waits in silence until somebody changes it.",
    fix: "Describe the HelmRelease and read its conditions and its history. After mending the cause ask for a new try: flux reconcile helmrelease NAME --reset --force.",
};

/// Whether each HelmRelease has observed its spec, is Ready, and has a deployed revision first in its history; failures that it
/// has counted since are warnings.
pub fn check(seen: &Seen<'_>) -> Checked {
    let all = match helm_releases(seen, &CARD) {
        Ok(all) => all,
        Err(answer) => return answer,
    };
    let mut gathered = Gathered::new(&CARD);
    all.iter().for_each(|one| gathered.looked(judge(one)));
    gathered.checked()
}

fn judge(one: &HelmRelease) -> Option<Finding> {
    let named = one.named();
    let hint = format!("kubectl describe {}", named.words());
    let told = |level: Level, message: String| {
        Some(Finding { level, ..CARD.finding(named.to_string(), message, hint.clone()) })
    };
    // What it gave up of an older spec says nothing of the newest; one that is suspended looks at none.
    if let Some(stalled) = one.stalled().filter(|_| one.observed() || one.suspended()) {
        return told(Level::Error, format!("has given up: {} {}", stalled.reason, stalled.message));
    }
    if one.suspended() {
        return None;
    }
    if !one.observed() {
        return told(Level::Error, "helm-controller has not looked at its newest spec yet".to_owned());
    }
    match one.ready() {
        Some(ready) if ready.status == "True" => {}
        Some(ready) => {
            return told(Level::Error, format!("is not ready: {} ({}) {}", ready.status, ready.reason, ready.message));
        }
        None => return told(Level::Error, "has no Ready condition yet".to_owned()),
    }
    match one.history().first() {
        Some(newest) if newest.status == "deployed" => {}
        Some(newest) => return told(Level::Error, format!("its revision {} is {}", newest.revision, newest.status)),
        None => return told(Level::Error, "has made no release yet".to_owned()),
    }
    let failures = one.upgrade_failures() + one.install_failures();
    if one.remediated() || failures > 0 {
        return told(Level::Warning, format!("has failed {failures} times since its last success"));
    }
    None
}
