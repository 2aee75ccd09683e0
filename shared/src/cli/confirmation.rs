//! Between the plan and the first write: what ends without a write, and whether the operator agrees to the rest.

use clap::ValueEnum;

use super::prompt::{can_prompt, confirm_proceed};
use crate::prepare::prepared::Prepared;
use crate::problem::{Exit, Problem};
use crate::report::upgrade_report::{Outcome, UpgradeReport};
use crate::run::run_options::RunOptions;

/// `--dry-run`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names are the values")]
pub enum DryRunFlag {
    Client,
    Server,
}

/// Whether a command writes, and whether it asks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// `plan`: the changes are the answer.
    PlanOnly,
    /// `--dry-run`
    DryRun(DryRunFlag),
    /// `--yes`
    WithoutAsking,
    /// Neither: the operator is asked at the terminal.
    Ask,
}

impl WriteMode {
    /// Reads `--dry-run` and `--yes`; a dry-run writes nothing, with `--yes` too.
    #[must_use]
    pub const fn new(dry_run: Option<DryRunFlag>, yes: bool) -> Self {
        match (dry_run, yes) {
            (Some(dry_run), _) => Self::DryRun(dry_run),
            (None, true) => Self::WithoutAsking,
            (None, false) => Self::Ask,
        }
    }

    /// Whether a write may follow.
    #[must_use]
    pub const fn can_write(self) -> bool {
        match self {
            Self::WithoutAsking | Self::Ask => true,
            Self::PlanOnly | Self::DryRun(_) => false,
        }
    }

    /// Whether the API server may be asked for dry-runs: not with `--dry-run=client`.
    #[must_use]
    pub const fn asks_server(self) -> bool {
        !matches!(self, Self::DryRun(DryRunFlag::Client))
    }

    /// Ends a command early that would have to ask and has no terminal.
    ///
    /// # Errors
    /// A usage problem, whose hint names `--yes` and the way to look without a write.
    pub fn require_terminal(self, alternative: &str) -> Result<(), Problem> {
        if self != Self::Ask || can_prompt() {
            return Ok(());
        }
        Err(Problem::usage("there is no terminal to ask on")
            .with_hint(format!("--yes goes ahead without asking{alternative}")))
    }

    /// How a plan with changes ends; `None` if they are to be written.
    async fn end_before_write(self) -> Result<Option<Exit>, Problem> {
        Ok(match self {
            Self::PlanOnly => Some(Exit::ChangesFound),
            Self::DryRun(_) => Some(Exit::Success),
            Self::WithoutAsking => None,
            Self::Ask => (!confirm_proceed().await?).then_some(Exit::Refused),
        })
    }

    /// Whether the operator agrees to a write: asked at the terminal, or agreed before with `--yes`.
    ///
    /// # Errors
    /// The operator declined, or the terminal is gone.
    pub async fn require_consent(self) -> Result<(), Problem> {
        if self != Self::Ask || confirm_proceed().await? {
            return Ok(());
        }
        Err(Problem::new(Exit::Refused, "nothing was written"))
    }
}

/// The report of a plan that ends without a write; `None` if the run may begin.
///
/// # Errors
/// The terminal is gone.
pub async fn confirm_or_report(
    prepared: &Prepared,
    options: &RunOptions,
    mode: WriteMode,
) -> Result<Option<UpgradeReport>, Problem> {
    let (outcome, exit) = match UpgradeReport::outcome_before_run(&prepared.plan) {
        Some(decided) => decided,
        None => match mode.end_before_write().await? {
            Some(exit) => (Outcome::Planned, exit),
            None => return Ok(None),
        },
    };
    let seconds = options.started.elapsed().as_secs_f64();
    Ok(Some(prepared.build_report(outcome, exit, seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_never_writes() {
        let dry_run = WriteMode::new(Some(DryRunFlag::Client), true);
        assert!(!dry_run.can_write() && !dry_run.asks_server());
        assert!(WriteMode::new(Some(DryRunFlag::Server), false).asks_server());
        assert!(WriteMode::new(None, true).can_write() && WriteMode::new(None, false).can_write());
    }
}
