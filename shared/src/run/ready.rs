//! The last look: everything again, and new trouble told from old.

use jiff::Timestamp;

use super::{Run, judge};
use crate::checks::{Finding, Level, Verdict};
use crate::cluster::look;
use crate::model::view::ClusterView;
use crate::problem::{Exit, Problem};
use crate::report::upgrade::LastLook;
use crate::report::validate::{ValidateReport, new_trouble};

/// Looks at everything again, and tells new trouble from old.
///
/// # Errors
/// The cluster cannot be read.
pub(super) async fn validate(run: &Run<'_>) -> Result<LastLook, Problem> {
    let prepared = run.prepared;
    let view = look::look(&prepared.cluster, &prepared.ask.installation).await?;
    let report = |view: &ClusterView| ValidateReport::new(view, judge::health(prepared, view, Timestamp::now()));
    let (before, after) = (report(&prepared.view), report(&view));
    let trouble = new_trouble(&before, &after);
    Ok(LastLook { checks: after.checks, trouble })
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
