//! What the command line comes to: what is asked for, and how far it goes.

use std::path::Path;

use crate::ask::UpgradeSpec;
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

/// One upgrade, as far as it is to go.
pub(crate) struct UpgradeRequest<'a> {
    /// What is asked for.
    pub(crate) ask: UpgradeSpec,
    /// The saved plan that is to be done.
    pub(crate) saved: Option<SavedPlan>,
    /// The run that is to be gone on from.
    pub(crate) resumed_run: Option<RunEntry>,
    /// What is saved before the first write.
    pub(crate) backup: Option<BackupOptions>,
    /// Where the plan is kept.
    pub(crate) plan_file: Option<&'a Path>,
    /// Decides and no more.
    pub(crate) plan_only: bool,
    /// What else is done than an upgrade through the owner.
    pub(crate) action: UpgradeAction<'a>,
    /// How the registry is reached.
    pub(crate) registry: &'a RegistryFlags,
    /// How it is done and told.
    pub(crate) run_flags: &'a RunFlags,
}

/// What is done.
pub(crate) enum UpgradeAction<'a> {
    /// An upgrade, and what to commit is written where somebody else owns the releases.
    Upgrade {
        /// The folder for what is to be committed.
        commit_folder: Option<&'a Path>,
    },
    /// Somebody else's roll-out is followed.
    Follow {
        /// As above.
        commit_folder: Option<&'a Path>,
    },
    /// Flux's manifests are written, or applied.
    Manifests {
        /// How they are made.
        options: ManifestOptions,
        /// Whether they are applied.
        apply: bool,
    },
}

impl<'a> UpgradeRequest<'a> {
    /// Reads the command line, and the saved plan that it names.
    ///
    /// # Errors
    /// A usage problem that names the flag or the file; there is nothing to resume.
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

    /// Whether it writes, and whether it asks first.
    pub(crate) const fn write_mode(&self) -> WriteMode {
        if self.plan_only { WriteMode::PlanOnly } else { self.run_flags.to_write_mode() }
    }

    /// Whether it is meant to write.
    pub(crate) const fn can_write(&self) -> bool {
        let by_us = match &self.action {
            UpgradeAction::Upgrade { .. } => true,
            UpgradeAction::Follow { .. } => false,
            UpgradeAction::Manifests { apply, .. } => *apply,
        };
        by_us && self.write_mode().can_write()
    }

    /// Whether somebody else's roll-out is followed now: nothing is written, so nothing is asked.
    pub(crate) fn is_following_rollout(&self, prepared: &Prepared) -> bool {
        let fine = !prepared.plan.is_refused() && !prepared.plan.is_undetermined();
        matches!(self.action, UpgradeAction::Follow { .. }) && fine && self.write_mode().can_write()
    }

    /// The folder for what is to be committed.
    pub(crate) const fn commit_folder(&self) -> Option<&'a Path> {
        match &self.action {
            UpgradeAction::Upgrade { commit_folder } | UpgradeAction::Follow { commit_folder } => *commit_folder,
            UpgradeAction::Manifests { .. } => None,
        }
    }

    /// What was prepared, with the steps of what is done.
    ///
    /// # Errors
    /// It cannot be done here: there is nothing to follow, or Flux is not there.
    pub(crate) fn with_task_steps(&self, prepared: Prepared) -> Result<Prepared, Problem> {
        match &self.action {
            UpgradeAction::Upgrade { .. } => Ok(prepared),
            UpgradeAction::Follow { .. } => flux_follow::follow_rollout(prepared),
            UpgradeAction::Manifests { options, .. } => handover::hand_over(prepared, options),
        }
    }
}

fn read_saved_plan(file: &Path) -> Result<SavedPlan, Problem> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Problem::usage(format!("the saved plan {} cannot be read", file.display()))
            .with_source(error)
            .with_hint("make one with: kubectl mural upgrade plan … --save FILE")
    })?;
    SavedPlan::read(file, &text)
}
