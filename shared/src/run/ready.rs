//! The last look: everything again, and new trouble told from old.

use crate::prepare::picture::picture;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Run;
use crate::ask::expect::Expect;
use crate::checks;
use crate::checks::seen::Seen;
use crate::cluster::{Cluster, look};
use crate::model::check::{Checked, Finding, Level, Verdict};
use crate::model::crd::Crd;
use crate::model::inventory::Named;
use crate::model::view::ClusterView;
use crate::model::vitals::Vitals;
use crate::prepare::Prepared;
use crate::prepare::render::Side;
use crate::problem::{Exit, Problem};
use crate::report::upgrade::LastLook;
use crate::report::validate::{ValidateReport, new_trouble};

/// Looks that may follow one with new trouble, and how far apart: what has only just been written, or a server that has only
/// just started, may need a moment.
const AGAIN: usize = 2;
const AGAIN_AFTER: Duration = Duration::from_secs(3);

/// Looks at everything again, until there is no new trouble or it stays.
///
/// # Errors
/// The cluster cannot be read.
pub(super) async fn settled(run: &Run<'_>) -> Result<LastLook, Problem> {
    let mut last = validate(run).await?;
    for _ in 0..AGAIN {
        if verdict(&last).is_ok() || run.manner.stop.asked() {
            break;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
        last = validate(run).await?;
    }
    Ok(last)
}

/// One look, with new trouble told from old.
async fn validate(run: &Run<'_>) -> Result<LastLook, Problem> {
    let prepared = run.prepared;
    let view = look::look(&prepared.cluster, &prepared.ask.installation).await?;
    let vitals = more(&prepared.cluster, prepared, &view).await;
    let unread = Vitals::unread("it was not read before");
    let then = prepared.vitals.as_ref().unwrap_or(&unread);
    let report = |view: &ClusterView, vitals: &Vitals| {
        ValidateReport::new(view, health(prepared, view, vitals, Timestamp::now()))
    };
    let (before, after) = (report(&prepared.view, then), report(&view, &vitals));
    let trouble = new_trouble(&before, &after);
    Ok(LastLook { checks: after.checks, trouble })
}

async fn more(cluster: &Cluster, prepared: &Prepared, view: &ClusterView) -> Vitals {
    let expect = expected(prepared.crds.as_ref(), prepared.app.as_ref(), &prepared.wanted);
    picture(cluster, &prepared.ask.installation, view, &expect).await
}

/// What the last look means for the run: an error that came with the upgrade is a failure, one that was there before is not.
///
/// # Errors
/// Something is wrong that was not wrong before, or can no longer be seen.
pub(super) fn verdict(last: &LastLook) -> Result<String, Problem> {
    let errors: Vec<&Finding> = last.trouble.new.iter().filter(|finding| finding.level == Level::Error).collect();
    let more = "kubectl mural validate shows all";
    if let Some(first) = errors.first() {
        let text = format!("{} new errors, first: {}: {}", errors.len(), first.subject, first.message);
        return Err(Problem::new(Exit::ChecksFailed, text).hint(more));
    }
    if let Some(check) = last.trouble.newly_undetermined.first() {
        return Err(Problem::new(Exit::ChecksFailed, format!("the check {check} can no longer look")).hint(more));
    }
    let passed = last.checks.iter().filter(|checked| checked.verdict == Verdict::Pass).count();
    Ok(format!("{passed} checks passed"))
}

/// What the charts of a run say that there should be.
#[must_use]
pub(super) fn expected(crds: Option<&Side>, app: Option<&Side>, wanted: &BTreeMap<String, Crd>) -> Expect {
    let version = |side: Option<&Side>| side.map(|side| side.fetched.chart.version.clone());
    Expect {
        app_version: version(app),
        crds_version: version(crds),
        crds_chart_list: (!wanted.is_empty()).then(|| wanted.values().cloned().collect()),
        ..Expect::default()
    }
}

/// What the checks of health say of the installation as it was read, against what was asked for.
#[must_use]
pub(super) fn health(prepared: &Prepared, view: &ClusterView, vitals: &Vitals, now: Timestamp) -> Vec<Checked> {
    let expect = expected(prepared.crds.as_ref(), prepared.app.as_ref(), &prepared.wanted);
    let installation = &prepared.ask.installation;
    let named = Named::of(view, installation.releases(), expect.chart_crds());
    let seen = Seen::new(installation, (view, vitals), &named, &prepared.tools, &expect, now);
    checks::validate::run(&seen, &checks::validate::ALL.iter().collect::<Vec<_>>())
}
