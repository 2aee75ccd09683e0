//! The confirmation between the plan and the first write.
//!
//! Combines `--dry-run`, `--yes` and the terminal: a command ends with its plan, or it continues with the writes after the
//! operator confirmed. The question itself is in `prompt`.

use clap::ValueEnum;

use super::command_error::CommandError;
use super::prompt::{ask_yes_no, can_prompt, confirm_proceed};
use crate::ask::BackupMode;
use crate::guards::field_loss;
use crate::model::check::Verdict;
use crate::prepare::prepared::Prepared;
use crate::problem::Exit;
use crate::report::upgrade_report::{Outcome, UpgradeReport};
use crate::run::run_options::RunOptions;

/// The values of `--dry-run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DryRunFlag {
    /// Plan without dry-run requests; the guards that need them are undetermined.
    Client,
    /// Plan with dry-run requests to the API server.
    Server,
}

/// Whether a command writes, and whether it needs a confirmation first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// `plan`: shows the changes and ends.
    PlanOnly,
    /// `--dry-run`: makes the full plan and ends.
    DryRun(DryRunFlag),
    /// `--yes`: writes without a confirmation.
    WithoutAsking,
    /// Writes after a confirmation at the terminal.
    Ask,
}

impl WriteMode {
    /// Combines `--dry-run` and `--yes`. A dry run writes nothing, even with `--yes`.
    #[must_use]
    pub const fn new(dry_run: Option<DryRunFlag>, yes: bool) -> Self {
        match (dry_run, yes) {
            (Some(dry_run), _) => Self::DryRun(dry_run),
            (None, true) => Self::WithoutAsking,
            (None, false) => Self::Ask,
        }
    }

    /// Whether the command can write.
    #[must_use]
    pub const fn can_write(self) -> bool {
        match self {
            Self::WithoutAsking | Self::Ask => true,
            Self::PlanOnly | Self::DryRun(_) => false,
        }
    }

    /// Whether the command sends dry-run requests to the API server: not with `--dry-run=client`.
    #[must_use]
    pub const fn asks_server(self) -> bool {
        !matches!(self, Self::DryRun(DryRunFlag::Client))
    }

    /// Refuses a command that needs a confirmation and has no terminal, before any work. `alternative` extends the hint.
    ///
    /// # Errors
    /// A usage error with the hint `--yes`.
    pub fn require_terminal(self, alternative: &'static str) -> Result<(), CommandError> {
        if self != Self::Ask || can_prompt() { Ok(()) } else { Err(CommandError::NoTerminal { alternative }) }
    }

    /// The exit code of a plan with changes; `None` if the writes follow.
    async fn end_before_write(self) -> Result<Option<Exit>, CommandError> {
        Ok(match self {
            Self::PlanOnly => Some(Exit::ChangesFound),
            Self::DryRun(_) => Some(Exit::Success),
            Self::WithoutAsking => None,
            Self::Ask => (!confirm_proceed().await?).then_some(Exit::NotConfirmed),
        })
    }

    /// Asks for the confirmation, unless `--yes` gave it.
    ///
    /// # Errors
    /// The operator declined, or the terminal is closed.
    pub async fn require_consent(self) -> Result<(), CommandError> {
        if self != Self::Ask || confirm_proceed().await? { Ok(()) } else { Err(CommandError::Declined) }
    }
}

/// Asks for the confirmation of a plan. Returns the report if the command ends without a write, else `None`.
///
/// # Errors
/// The terminal is closed.
pub async fn confirm_or_report(
    prepared: &Prepared,
    options: &RunOptions,
    mode: WriteMode,
) -> Result<Option<UpgradeReport>, CommandError> {
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

/// Whether the operator allows the loss of fields at the terminal. Asked only if nothing else refuses the plan and the run makes a
/// backup; `--yes` is no answer to this question.
///
/// # Errors
/// The terminal is closed.
pub async fn confirm_field_loss(prepared: &Prepared, mode: WriteMode) -> Result<bool, CommandError> {
    let plan = &prepared.plan;
    let mut refusals = plan.guards.iter().filter(|guard| guard.has_error()).peekable();
    let is_refused = refusals.peek().is_some();
    let is_backed_up = prepared.session.env.backup == BackupMode::Enabled;
    if mode != WriteMode::Ask || !is_refused || plan.is_undetermined() || !is_backed_up {
        return Ok(false);
    }
    let mut losses = Vec::new();
    for refusal in refusals {
        let Verdict::Fail { findings } = &refusal.verdict else { return Ok(false) };
        if refusal.check != field_loss::CARD.id {
            return Ok(false);
        }
        losses.extend(findings.iter().map(|finding| format!("{}: {}", finding.subject, finding.message)));
    }
    ask_yes_no(format!("{}\nThe backup before the run has these fields. Allow the loss?", losses.join("\n"))).await
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
