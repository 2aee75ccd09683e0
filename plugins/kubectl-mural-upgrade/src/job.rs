//! What the command line comes to: what is asked for, and how far it goes.

use std::path::Path;

use mural::ask::Ask;
use mural::cli::kept::Kept;
use mural::plan::saved::SavedPlan;
use mural::problem::Problem;

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
    /// How the registry is reached.
    pub(crate) registry: &'a RegistryFlags,
    /// How it is done and told.
    pub(crate) manner: &'a MannerFlags,
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
                return Ok(Self { ask, saved: Some(saved), save: None, only_plan: false, report, registry, manner });
            }
            Some(Command::Plan(flags)) => (&flags.upgrade, flags.save.as_deref(), true),
            Some(Command::Status(_)) | None => (&cli.upgrade, None, false),
        };
        let (registry, manner) = (&upgrade.registry, &upgrade.manner);
        Ok(Self { ask: upgrade.ask()?, saved: None, save, only_plan, report, registry, manner })
    }

    /// Whether it is meant to write.
    pub(crate) const fn writes(&self) -> bool {
        !self.only_plan && self.manner.dry_run.is_none()
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
