//! What the command line comes to: what is asked for, and how far it goes.

use std::path::Path;

use mural::ask::Ask;
use mural::cli::kept::Kept;
use mural::plan::journal::RunEntry;
use mural::plan::saved::SavedPlan;
use mural::prepare::Prepared;
use mural::prepare::flux_follow;
use mural::prepare::flux_manifests::{self, ManifestOptions};
use mural::prepare::rollback::{journal_of, to_resume};
use mural::problem::Problem;
use mural::run::save::SaveAsked;

use crate::flags::{Cli, Command, MannerFlags, RegistryFlags};

/// One upgrade, as far as it is to go.
pub(crate) struct Job<'a> {
    /// What is asked for.
    pub(crate) ask: Ask,
    /// The saved plan that is to be done.
    pub(crate) saved: Option<SavedPlan>,
    /// The run that is to be gone on from.
    pub(crate) follows: Option<RunEntry>,
    /// What is saved before the first write.
    pub(crate) saving: Option<SaveAsked>,
    /// Where the plan is kept.
    pub(crate) save: Option<&'a Path>,
    /// Decides and no more.
    pub(crate) only_plan: bool,
    /// What else is done than an upgrade through the owner.
    pub(crate) way: Way<'a>,
    /// How the registry is reached.
    pub(crate) registry: &'a RegistryFlags,
    /// How it is done and told.
    pub(crate) manner: &'a MannerFlags,
}

/// What is done.
pub(crate) enum Way<'a> {
    /// An upgrade, and what to commit is written where somebody else owns the releases.
    Upgrade {
        /// The folder for what is to be committed.
        write: Option<&'a Path>,
    },
    /// Somebody else's roll-out is followed.
    Follow {
        /// As above.
        write: Option<&'a Path>,
    },
    /// Flux's manifests are written, or applied.
    Manifests {
        /// How they are made.
        options: ManifestOptions,
        /// Whether they are applied.
        apply: bool,
    },
}

impl<'a> Job<'a> {
    /// Reads the command line, and the saved plan that it names.
    ///
    /// # Errors
    /// A usage problem that names the flag or the file; there is nothing to resume.
    pub(crate) async fn of(cli: &'a Cli) -> Result<Self, Problem> {
        // Asked before anything is done.
        cli.manner().report.as_deref().map(Kept::by).transpose()?;
        let (upgrade, save, only_plan) = match &cli.command {
            Some(Command::Apply(flags)) => {
                let saved = read(&flags.file)?;
                let (ask, registry, manner) = (flags.ask(&saved)?, &flags.registry, &flags.manner);
                let (saved, saving) = (Some(saved), flags.saving.asked());
                let (follows, save, only_plan, way) = (None, None, false, Way::Upgrade { write: None });
                return Ok(Self { ask, saved, follows, saving, save, only_plan, way, registry, manner });
            }
            Some(Command::Resume(flags)) => {
                let (seen, uid) = journal_of(&flags.spot.installation()?).await?;
                let run = to_resume(&seen, &uid)?;
                let (ask, registry, manner) = (flags.ask(&run)?, &flags.registry, &flags.manner);
                let (follows, saving) = (Some(run), flags.saving.asked());
                let (saved, save, only_plan, way) = (None, None, false, Way::Upgrade { write: None });
                return Ok(Self { ask, saved, follows, saving, save, only_plan, way, registry, manner });
            }
            Some(Command::FluxManifests(flags)) => (&flags.upgrade, None, false),
            Some(Command::Plan(flags)) => (&flags.upgrade, flags.save.as_deref(), true),
            Some(Command::Status(_) | Command::Rollback(_) | Command::Repair(_)) | None => (&cli.upgrade, None, false),
        };
        let write = upgrade.owners.write.as_deref();
        let way = match &cli.command {
            Some(Command::FluxManifests(flags)) => Way::Manifests { options: flags.options(), apply: flags.apply },
            _ if upgrade.owners.follow => Way::Follow { write },
            _ => Way::Upgrade { write },
        };
        let (registry, manner) = (&upgrade.registry, &upgrade.manner);
        let (ask, saving) = (upgrade.ask()?, upgrade.saving.asked());
        Ok(Self { ask, saved: None, follows: None, saving, save, only_plan, way, registry, manner })
    }

    /// Whether it is meant to write.
    pub(crate) const fn writes(&self) -> bool {
        let by_us = match &self.way {
            Way::Upgrade { .. } => true,
            Way::Follow { .. } => false,
            Way::Manifests { apply, .. } => *apply,
        };
        by_us && !self.only_plan && self.manner.dry_run.is_none()
    }

    /// Whether somebody else's roll-out is followed now: nothing is written, so nothing is asked.
    pub(crate) fn follows_others(&self, prepared: &Prepared) -> bool {
        let fine = !prepared.plan.refused() && !prepared.plan.undetermined();
        matches!(self.way, Way::Follow { .. }) && fine && !self.only_plan && self.manner.dry_run.is_none()
    }

    /// The folder for what is to be committed.
    pub(crate) const fn write(&self) -> Option<&'a Path> {
        match &self.way {
            Way::Upgrade { write } | Way::Follow { write } => *write,
            Way::Manifests { .. } => None,
        }
    }

    /// What was prepared, with the steps of what is done.
    ///
    /// # Errors
    /// It cannot be done here: there is nothing to follow, or Flux is not there.
    pub(crate) fn shaped(&self, prepared: Prepared) -> Result<Prepared, Problem> {
        match &self.way {
            Way::Upgrade { .. } => Ok(prepared),
            Way::Follow { .. } => flux_follow::followed(prepared),
            Way::Manifests { options, .. } => flux_manifests::handed_over(prepared, options),
        }
    }
}

fn read(file: &Path) -> Result<SavedPlan, Problem> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Problem::usage(format!("the saved plan {} cannot be read", file.display()))
            .because(error)
            .hint("make one with: kubectl mural upgrade plan … --save FILE")
    })?;
    SavedPlan::read(file, &text)
}
