//! No release is in the middle of something that is not our own.

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::lease::Life;
use crate::model::pending::cut_off_run;
use crate::model::release::ReleaseRecord;

/// The card.
pub static CARD: Card = Card {
    id: "release-not-pending",
    section: Section::Guards,
    title: "no release is in the middle of something",
    level: Level::Error,
    why: "While the newest revision is pending, helm refuses every upgrade: another helm is at work, or one was killed. What a run of ours left behind is marked failed and gone on from; what somebody else's helm does is theirs.",
    fix: "If no helm is at work, go back to the last good revision with helm rollback.",
};

/// The guard.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let releases = [admission.crds_release, admission.app_release];
    let mut findings = Vec::new();
    for release in releases {
        let records = match admission.view.releases.get(release) {
            Some(Err(not_seen)) => return undetermined(not_seen.to_string()),
            Some(Ok(records)) => records.as_slice(),
            None => &[],
        };
        let Some(newest) = records.last().filter(|newest| newest.pending()) else { continue };
        match cut_off_run(records).map(|run| (run, at_work(admission))) {
            Some((_, None)) => {}
            Some((run, Some(doubt))) => {
                return undetermined(format!("release {release} is {} by run {run}, and {doubt}", newest.status));
            }
            None => findings.push(somebody_elses(admission, newest)),
        }
    }
    Checked::new(&CARD, releases.len(), Verdict::from_findings(findings))
}

fn undetermined(reason: String) -> Checked {
    Checked::new(&CARD, 2, Verdict::Undetermined { reason })
}

/// Why a run of ours may still be at work; none where certainly none is.
fn at_work(admission: &Admission<'_>) -> Option<String> {
    match admission.locks {
        Err(not_seen) => Some(not_seen.to_string()),
        Ok(locks) => {
            let living = locks.iter().find(|held| held.life != Life::Dead)?;
            Some(format!("{} may still be at work: an upgrade would first see whether they live", living.holder.who))
        }
    }
}

fn somebody_elses(admission: &Admission<'_>, newest: &ReleaseRecord) -> Finding {
    let release = &newest.name;
    let message = format!("is {} at revision {}, and no run of ours made it so", newest.status, newest.revision);
    let hint = format!("is another helm at work? wait for it. If not: {}", admission.view.repair(release));
    CARD.finding(format!("release {release}"), message, hint)
}
