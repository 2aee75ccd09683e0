//! What the command line comes to: what is asked for, and how far it goes.

use std::path::Path;

use mural::ask::Ask;
use mural::cli::kept::Kept;
use mural::plan::saved::SavedPlan;
use mural::problem::Problem;
use mural::run::flux::{self, ManifestOptions};
use mural::run::prepare::Prepared;

use crate::flags::{Cli, Command, MannerFlags, RegistryFlags};

/// One upgrade, as far as it is to go.
pub(crate) struct Job<'a> {
    /// What is asked for.
    pub(crate) ask: Ask,
    /// The saved plan that is to be done.
    pub(crate) saved: Option<SavedPlan>,
    /// Where the plan is kept.
    pub(crate) save: Option<&'a Path>,
    /// Decides and no more.
    pub(crate) only_plan: bool,
    /// Where the report is kept, and in which form.
    pub(crate) report: Option<(&'a Path, Kept)>,
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
    /// A usage problem that names the flag or the file.
    pub(crate) fn of(cli: &'a Cli) -> Result<Self, Problem> {
        let report = cli.manner().report.as_deref();
        let report = report.map(|file| Kept::by(file).map(|form| (file, form))).transpose()?;
        let (upgrade, save, only_plan) = match &cli.command {
            Some(Command::Apply(flags)) => {
                let saved = read(&flags.file)?;
                let (ask, registry, manner) = (flags.ask(&saved)?, &flags.registry, &flags.manner);
                let way = Way::Upgrade { write: None };
                return Ok(Self {
                    ask,
                    saved: Some(saved),
                    save: None,
                    only_plan: false,
                    report,
                    way,
                    registry,
                    manner,
                });
            }
            Some(Command::Plan(flags)) => (&flags.upgrade, flags.save.as_deref(), true),
            Some(Command::FluxManifests(flags)) => (&flags.upgrade, None, false),
            Some(Command::Status(_)) | None => (&cli.upgrade, None, false),
        };
        let write = upgrade.owners.write.as_deref();
        let way = match &cli.command {
            Some(Command::FluxManifests(flags)) => Way::Manifests { options: flags.options(), apply: flags.apply },
            _ if upgrade.owners.follow => Way::Follow { write },
            _ => Way::Upgrade { write },
        };
        let (registry, manner) = (&upgrade.registry, &upgrade.manner);
        Ok(Self { ask: upgrade.ask()?, saved: None, save, only_plan, report, way, registry, manner })
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
            Way::Follow { .. } => flux::followed(prepared),
            Way::Manifests { options, .. } => flux::handed_over(prepared, options),
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
