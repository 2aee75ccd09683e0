//! The flags of every command that can write: confirmation, time limits, waivers and output.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::confirmation::{DryRunFlag, WriteMode};
use crate::cli::progress_output::ProgressOutput;
use crate::cli::report_format::{ReportFile, ReportFormat};
use crate::cli::run_limits::RunLimits;
use crate::cli::{Stream, StyleFlags, complete, style_for};
use crate::problem::Problem;
use crate::report::style::{Listing, Style};

/// The output formats.
const OUTPUT_FORMATS: [ReportFormat; 6] = [
    ReportFormat::Table,
    ReportFormat::Wide,
    ReportFormat::Json,
    ReportFormat::Yaml,
    ReportFormat::Markdown,
    ReportFormat::Html,
];

/// Confirmation, time limits, waivers and output of a command that can write.
#[derive(Debug, Args)]
#[command(next_help_heading = "Run")]
pub struct RunFlags {
    /// Skip the confirmation.
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Write nothing.
    #[arg(long, value_enum, value_name = "MODE")]
    pub dry_run: Option<DryRunFlag>,
    /// Limit for one wait.
    #[arg(long, value_name = "DURATION", default_value = "20m")]
    pub timeout: String,
    /// Time that a pod may stay in a failing state (for example ImagePullBackOff) before the wait ends.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub failure_grace: String,
    /// Time to wait for a lock that another run holds. With 0s, exit with code 7 at once.
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub wait_for_lock: String,
    /// Output format.
    #[arg(short = 'o', long, value_parser = ReportFormat::parser(&OUTPUT_FORMATS), default_value = "table", value_name = "FORMAT", help_heading = "Output")]
    pub output: ReportFormat,
    /// List every finding, CRD and change.
    #[arg(long, help_heading = "Output")]
    pub all: bool,
    /// Format of the progress on standard error.
    #[arg(long, value_enum, default_value = "human", value_name = "FORMAT", help_heading = "Output")]
    pub events: EventsFlag,
    /// Write the report to this file; the extension selects the format: .json, .yaml, .md or .html.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub report: Option<PathBuf>,
    /// File with accepted (waived) CRD findings. Default: .mural-waivers.yaml if it exists.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub waivers: Option<PathBuf>,
    /// Explain a check or guard, and exit. Needs no cluster.
    #[arg(long, value_name = "ID", add = complete::check_candidates())]
    pub explain: Option<String>,
    /// Print the Roles that this command needs, bound to USER (default: you), for kubectl apply. Writes nothing.
    #[arg(long, value_name = "USER", num_args = 0..=1, require_equals = true, conflicts_with = "dry_run")]
    pub explain_permissions: Option<Option<String>>,
    /// Write the Roles that this command needs to this file, bound to you, whatever the guards find.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub role_file: Option<PathBuf>,
    /// Colour and marks.
    #[command(flatten)]
    pub style: StyleFlags,
}

/// The values of `--events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EventsFlag {
    /// Plain lines; on a terminal, also a live status line.
    Human,
    /// One JSON document per line.
    Json,
}

impl RunFlags {
    /// The file of `--report`, or `None` without the flag.
    ///
    /// # Errors
    /// A usage error if the extension selects no format or the file is not writable.
    pub fn to_report_file(&self) -> Result<Option<ReportFile>, Problem> {
        ReportFile::from_flag(self.report.as_deref(), &OUTPUT_FORMATS)
    }

    /// The progress on standard error, as text or as JSON events.
    #[must_use]
    pub fn to_progress(&self) -> ProgressOutput {
        ProgressOutput::new(self.events == EventsFlag::Json, style_for(Stream::Stderr, self.style))
    }

    /// The look of text on standard output.
    #[must_use]
    pub fn stdout_style(&self) -> Style {
        let listing = if self.all || self.output == ReportFormat::Wide { Listing::All } else { Listing::Short };
        style_for(Stream::Stdout, self.style).with_listing(listing)
    }

    /// The time limits of the run.
    ///
    /// # Errors
    /// A usage error if a value is not a duration.
    pub fn to_limits(&self) -> Result<RunLimits, Problem> {
        RunLimits::parse(&self.timeout, &self.failure_grace, &self.wait_for_lock)
    }

    /// Combines `--dry-run`, `--explain-permissions` and `--yes`.
    #[must_use]
    pub const fn to_write_mode(&self) -> WriteMode {
        let dry_run = if self.explain_permissions.is_some() { Some(DryRunFlag::Server) } else { self.dry_run };
        WriteMode::new(dry_run, self.yes)
    }
}
