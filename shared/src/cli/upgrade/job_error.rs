//! Why an upgrade is not written as a Job.
//!
//! Owns the texts and the next steps. `job_command.rs` finds the reasons. Input: a flag, a file or the plan. Output: a usage error, or a
//! refusal.

use std::io;
use std::path::PathBuf;

use crate::problem::{Exit, Explain};

/// Why there is no Job.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// A guard refuses the plan.
    #[error("a guard refuses this upgrade: the Job would end at once")]
    Refused,
    /// A flag names something that only this workstation has.
    #[error("{flag} names a file of this workstation, which the pod does not have")]
    LocalFile {
        /// The flag.
        flag: &'static str,
    },
    /// A value is on the command line.
    #[error("a Job takes values from files only: everyone who may read Jobs sees its arguments")]
    ValueOnCommandLine,
    /// A file cannot be read.
    #[error("cannot read {}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl Explain for JobError {
    fn exit(&self) -> Exit {
        match self {
            Self::Refused => Exit::Refused,
            Self::LocalFile { .. } | Self::ValueOnCommandLine | Self::Unreadable { .. } => Exit::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Refused => "kubectl mural upgrade plan, with the same flags, shows the reason",
            Self::LocalFile { .. } => {
                "use charts of a registry (oci://…); mount other files by hand, and add the flag to the args of the Job"
            }
            Self::ValueOnCommandLine => {
                "write the values of --set, --set-string, --set-json and --set-file to a file, and name it with -f"
            }
            Self::Unreadable { .. } => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refused_plan_is_a_refusal() {
        assert_eq!(JobError::Refused.exit(), Exit::Refused);
        assert_eq!(JobError::ValueOnCommandLine.exit(), Exit::Usage);
        assert!(JobError::LocalFile { flag: "--chart" }.hints()[0].starts_with("use charts of a registry"));
    }
}
