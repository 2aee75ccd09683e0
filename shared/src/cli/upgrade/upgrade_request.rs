//! The validated request of an upgrade command: the upgrade, the action and the run flags.
//!
//! Reads the saved plan of `apply` and the journal of `resume`. The work itself is in `prepare` and `run`.

use std::path::Path;

use crate::ask::{BackupMode, UpgradeSpec};
use crate::cli::confirmation::WriteMode;
use crate::plan::journal::RunEntry;
use crate::plan::saved_plan::SavedPlan;
use crate::prepare::flux_follow;
use crate::prepare::handover::{self, ManifestOptions};
use crate::prepare::prepared::Prepared;
use crate::prepare::rollback::{read_journal, select_run_to_resume};
use crate::problem::Problem;
use crate::run::run_options::BackupOptions;

use crate::cli::upgrade::flags::{Cli, Command, RegistryFlags, RunFlags};
use crate::cli::upgrade::upgrade_error::UpgradeError;

/// One request: `upgrade`, `plan`, `apply`, `resume` or `flux-manifests`.
pub(crate) struct UpgradeRequest<'a> {
    /// The requested upgrade.
    pub(crate) ask: UpgradeSpec,
    /// The saved plan of `apply`.
    pub(crate) saved: Option<SavedPlan>,
    /// The interrupted run of `resume`.
    pub(crate) resumed_run: Option<RunEntry>,
    /// The backup before the first write; `None` with `--no-save`.
    pub(crate) backup: Option<BackupOptions>,
    /// The file of `plan --save`.
    pub(crate) plan_file: Option<&'a Path>,
    /// Whether the command ends with the plan.
    pub(crate) plan_only: bool,
    /// The action after the plan.
    pub(crate) action: UpgradeAction<'a>,
    /// Access to the registry.
    pub(crate) registry: &'a RegistryFlags,
    /// Confirmation, time limits and output.
    pub(crate) run_flags: &'a RunFlags,
}

/// The action of a request.
pub(crate) enum UpgradeAction<'a> {
    /// Upgrade. If Git or Argo CD owns the releases, write the manifests to commit.
    Upgrade {
        /// The folder of `--write`.
        commit_folder: Option<&'a Path>,
    },
    /// Watch and verify a rollout that Git or Argo CD applies.
    Follow {
        /// The folder of `--write`.
        commit_folder: Option<&'a Path>,
    },
    /// Write or apply the Flux manifests.
    Manifests {
        /// The options of the manifests.
        options: ManifestOptions,
        /// Whether to apply the manifests.
        apply: bool,
    },
}

impl<'a> UpgradeRequest<'a> {
    /// Validates the flags and reads the saved plan or the journal.
    ///
    /// # Errors
    /// A usage error with the flag or the file, an unreadable journal, or a journal without a run to resume.
    pub(crate) async fn from_cli(cli: &'a Cli) -> Result<Self, Problem> {
        let (upgrade, plan_file, plan_only) = match &cli.command {
            Some(Command::Apply(flags)) => {
                let saved = read_saved_plan(&flags.file)?;
                let (ask, registry, run_flags) = (flags.to_ask(&saved)?, &flags.registry, &flags.run_flags);
                let (saved, backup) = (Some(saved), flags.backup.to_request());
                let (resumed_run, plan_file, plan_only, action) =
                    (None, None, false, UpgradeAction::Upgrade { commit_folder: None });
                return Ok(Self { ask, saved, resumed_run, backup, plan_file, plan_only, action, registry, run_flags });
            }
            Some(Command::Resume(flags)) => {
                let (journal, uid) = read_journal(&flags.location.to_location()?).await?;
                let run = select_run_to_resume(&journal, &uid)?;
                let (ask, registry, run_flags) = (flags.to_ask(&run)?, &flags.registry, &flags.run_flags);
                let (resumed_run, backup) = (Some(run), flags.backup.to_request());
                let (saved, plan_file, plan_only, action) =
                    (None, None, false, UpgradeAction::Upgrade { commit_folder: None });
                return Ok(Self { ask, saved, resumed_run, backup, plan_file, plan_only, action, registry, run_flags });
            }
            Some(Command::FluxManifests(flags)) => (&flags.upgrade, None, false),
            Some(Command::Plan(flags)) => (&flags.upgrade, flags.save.as_deref(), true),
            Some(Command::Images(flags)) => (&flags.upgrade, None, true),
            Some(Command::Job(flags)) => (&flags.upgrade, None, true),
            Some(Command::Status(_) | Command::Rollback(_) | Command::Repair(_)) | None => (&cli.upgrade, None, false),
        };
        let commit_folder = upgrade.owners.write.as_deref();
        let action = match &cli.command {
            Some(Command::FluxManifests(flags)) => {
                UpgradeAction::Manifests { options: flags.to_options(), apply: flags.apply }
            }
            _ if upgrade.owners.follow => UpgradeAction::Follow { commit_folder },
            _ => UpgradeAction::Upgrade { commit_folder },
        };
        let (registry, run_flags) = (&upgrade.registry, &upgrade.run_flags);
        let (ask, backup) = (upgrade.to_ask()?, upgrade.backup.to_request());
        Ok(Self { ask, saved: None, resumed_run: None, backup, plan_file, plan_only, action, registry, run_flags })
    }

    /// Whether the command writes, and whether it needs a confirmation first.
    pub(crate) const fn write_mode(&self) -> WriteMode {
        if self.plan_only { WriteMode::PlanOnly } else { self.run_flags.to_write_mode() }
    }

    /// Whether the command backs up before its first write. Only an upgrade has a journal that finds the backup again.
    pub(crate) const fn backup_mode(&self) -> BackupMode {
        match (&self.action, &self.backup) {
            (UpgradeAction::Upgrade { .. } | UpgradeAction::Follow { .. }, Some(_)) => BackupMode::Enabled,
            (UpgradeAction::Upgrade { .. } | UpgradeAction::Follow { .. }, None) => BackupMode::Declined,
            (UpgradeAction::Manifests { .. }, _) => BackupMode::Unsupported,
        }
    }

    /// Whether the command can write to the cluster.
    pub(crate) const fn can_write(&self) -> bool {
        let by_us = match &self.action {
            UpgradeAction::Upgrade { .. } => true,
            UpgradeAction::Follow { .. } => false,
            UpgradeAction::Manifests { apply, .. } => *apply,
        };
        by_us && self.write_mode().can_write()
    }

    /// Whether `--follow` applies to this plan. It writes nothing, so it needs no confirmation.
    pub(crate) fn is_following_rollout(&self, prepared: &Prepared) -> bool {
        let fine = !prepared.plan.is_refused() && !prepared.plan.is_undetermined();
        matches!(self.action, UpgradeAction::Follow { .. }) && fine && self.write_mode().can_write()
    }

    /// The folder of `--write`.
    pub(crate) const fn commit_folder(&self) -> Option<&'a Path> {
        match &self.action {
            UpgradeAction::Upgrade { commit_folder } | UpgradeAction::Follow { commit_folder } => *commit_folder,
            UpgradeAction::Manifests { .. } => None,
        }
    }

    /// Replaces the steps of the plan for `--follow` and `flux-manifests`.
    ///
    /// # Errors
    /// There is no rollout to follow, or Flux is not installed.
    pub(crate) fn with_task_steps(&self, prepared: Prepared) -> Result<Prepared, Problem> {
        match &self.action {
            UpgradeAction::Upgrade { .. } => Ok(prepared),
            UpgradeAction::Follow { .. } => Ok(flux_follow::follow_rollout(prepared)?),
            UpgradeAction::Manifests { options, .. } => Ok(handover::hand_over(prepared, options)?),
        }
    }
}

fn read_saved_plan(file: &Path) -> Result<SavedPlan, Problem> {
    let text =
        std::fs::read_to_string(file).map_err(|error| UpgradeError::SavedPlan { file: file.to_owned(), error })?;
    Ok(SavedPlan::read(file, &text)?)
}
