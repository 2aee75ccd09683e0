//! Why a command ends without an answer, whatever its task is: signals, the terminal, the form of the report.
//!
//! Owns the texts and the next steps. The files beside it find the reasons.

use std::error::Error;
use std::path::PathBuf;

use crate::problem::{Exit, Explain};

/// Why a command ends.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The async runtime does not start.
    #[error("cannot start the async runtime")]
    Runtime(#[source] std::io::Error),
    /// The operating system refuses the signal handlers.
    #[error("cannot register the handlers for Ctrl-C and SIGTERM")]
    SignalHandlers(#[source] std::io::Error),
    /// Ctrl-C before the first write.
    #[error("stopped by Ctrl-C: nothing was written")]
    Stopped,
    /// A second Ctrl-C after the first write.
    #[error("ended by a second Ctrl-C in the middle of a step")]
    StoppedInStep,
    /// The terminal is closed.
    #[error("cannot ask for the confirmation")]
    Question(#[source] Box<dyn Error + Send + Sync>),
    /// A confirmation is needed, and no one can give it.
    #[error("the command needs a confirmation, and there is no terminal")]
    NoTerminal {
        /// Another way, with the words before it.
        alternative: &'static str,
    },
    /// The operator declined.
    #[error("not confirmed, nothing was written")]
    Declined,
    /// The report does not serialize.
    #[error("cannot render the report")]
    Report(#[source] Box<dyn Error + Send + Sync>),
    /// The file of `--report` has no extension of a format.
    #[error("--report {}: the file extension selects no report format", .file.display())]
    ReportExtension {
        /// The file.
        file: PathBuf,
        /// The extensions that select one.
        extensions: String,
    },
    /// A value does not become YAML.
    #[error("cannot render the {what} as YAML")]
    Yaml {
        /// What it is.
        what: &'static str,
        /// Why.
        #[source]
        error: crate::model::yaml::YamlError,
    },
}

impl CommandError {
    /// The report does not serialize, for this reason.
    pub(crate) fn report(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Report(Box::new(error))
    }
}

impl Explain for CommandError {
    fn exit(&self) -> Exit {
        match self {
            Self::Runtime(_) | Self::SignalHandlers(_) | Self::Question(_) | Self::Report(_) | Self::Yaml { .. } => {
                Exit::Failed
            }
            Self::Stopped | Self::StoppedInStep => Exit::Interrupted,
            Self::Declined => Exit::NotConfirmed,
            Self::NoTerminal { .. } | Self::ReportExtension { .. } => Exit::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Runtime(_)
            | Self::SignalHandlers(_)
            | Self::Stopped
            | Self::Question(_)
            | Self::Declined
            | Self::Report(_)
            | Self::Yaml { .. } => return Vec::new(),
            Self::StoppedInStep => {
                "run the same command again to continue; helm and kubectl received SIGTERM".to_owned()
            }
            Self::NoTerminal { alternative } => format!("use --yes to skip the confirmation{alternative}"),
            Self::ReportExtension { extensions, .. } => format!("use a file name that ends with {extensions}"),
        };
        vec![hint]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_and_a_declined_question_have_their_own_exit_codes() {
        assert_eq!(CommandError::Stopped.exit(), Exit::Interrupted);
        assert_eq!(CommandError::Declined.exit(), Exit::NotConfirmed);
        let no_terminal = CommandError::NoTerminal { alternative: ", or plan" };
        assert_eq!(
            (no_terminal.exit(), no_terminal.hints()),
            (Exit::Usage, vec!["use --yes to skip the confirmation, or plan".to_owned()])
        );
    }
}
