//! helm's flags for the values of a chart.

use std::path::PathBuf;

use clap::Args;

use crate::ask::{ValueFlag, ValueOptions};
use crate::model::secret::Hidden;

/// The heading of the value flags. Set on each flag: a heading of a struct would also hold for the flags behind it.
const VALUES_HEADING: &str = "Values (same as helm)";

/// The values of a chart, exactly as helm reads them.
#[derive(Debug, Clone, Default, Args)]
pub struct ValueFlags {
    /// Values file; repeatable.
    #[arg(short = 'f', long, value_name = "FILE", help_heading = VALUES_HEADING)]
    pub values: Vec<PathBuf>,
    /// Set a value: key=value,…; repeatable.
    #[arg(long, value_name = "KEY=VALUE", help_heading = VALUES_HEADING)]
    pub set: Vec<String>,
    /// Set a value as a string; repeatable.
    #[arg(long, value_name = "KEY=VALUE", help_heading = VALUES_HEADING)]
    pub set_string: Vec<String>,
    /// Set a JSON value; repeatable.
    #[arg(long, value_name = "KEY=JSON", help_heading = VALUES_HEADING)]
    pub set_json: Vec<String>,
    /// Set a value to the content of a file; repeatable.
    #[arg(long, value_name = "KEY=FILE", help_heading = VALUES_HEADING)]
    pub set_file: Vec<String>,
}

impl ValueFlags {
    /// The flags in helm's order: files first, then JSON, `--set`, `--set-string` and `--set-file`, whatever their order on the line.
    #[must_use]
    pub fn to_flags(&self) -> Vec<ValueFlag> {
        let hidden = |all: &[String], make: fn(Hidden<String>) -> ValueFlag| -> Vec<ValueFlag> {
            all.iter().map(|text| make(Hidden::new(text.clone()))).collect()
        };
        let files = self.values.iter().map(|file| ValueFlag::File(file.clone()));
        files
            .chain(hidden(&self.set_json, ValueFlag::SetJson))
            .chain(hidden(&self.set, ValueFlag::Set))
            .chain(hidden(&self.set_string, ValueFlag::SetString))
            .chain(hidden(&self.set_file, ValueFlag::SetFile))
            .collect()
    }

    /// The values of the CRD chart: the given ones laid over those that its release stores.
    #[must_use]
    pub fn to_crds_values(&self) -> ValueOptions {
        ValueOptions::over_stored(self.to_flags())
    }
}

/// The values of the CRD chart in a command whose `-f` and `--set` mean the application.
#[derive(Debug, Clone, Default, Args)]
pub struct CrdsValueFlags {
    /// Values file for the CRD chart, merged over the values that its release stores; repeatable.
    #[arg(long, value_name = "FILE", help_heading = VALUES_HEADING)]
    pub crds_values: Vec<PathBuf>,
    /// Set a value of the CRD chart, merged over the values that its release stores: key=value,…; repeatable.
    #[arg(long, value_name = "KEY=VALUE", help_heading = VALUES_HEADING)]
    pub crds_set: Vec<String>,
}

impl CrdsValueFlags {
    /// The values of the CRD chart: the given ones laid over those that its release stores.
    #[must_use]
    pub fn to_crds_values(&self) -> ValueOptions {
        let flags =
            ValueFlags { values: self.crds_values.clone(), set: self.crds_set.clone(), ..ValueFlags::default() };
        flags.to_crds_values()
    }
}
