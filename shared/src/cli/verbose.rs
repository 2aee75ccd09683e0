//! `--verbose`: shows requests and commands on standard error, one line each.

use super::{Stream, StyleFlags};
use crate::report::style::sanitize;
use crate::tools::activity_log::{self, Activity};

/// Shows every request and command from now on, if the flag is set.
pub fn enable(flags: StyleFlags) {
    if flags.verbose {
        activity_log::listen(write_activity);
    }
}

fn write_activity(activity: &Activity<'_>) {
    Stream::Stderr.write(&format!("  > {}\n", sanitize(&activity.to_string()).replace('\n', " ")));
}
