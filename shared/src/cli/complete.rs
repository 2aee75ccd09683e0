//! Shell completion with cobra's protocol: kubectl and helm call `__complete WORD… TYPED`.
//!
//! The output has one candidate per line, with its help after a tab, and a directive in the last line. Source:
//! <https://github.com/spf13/cobra/blob/main/completions.go>. Only this file uses `clap_complete::engine`, because that API is
//! unstable.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Command;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate, complete};

use super::{Stream, read_connection_variables};
use crate::ask::ClusterAccess;
use crate::catalogue;
use crate::cluster;
use crate::model::check::Card;

/// The first argument of a completion request from kubectl or helm.
const COMPLETE_COMMAND: &str = "__complete";
/// `ShellCompDirectiveNoFileComp`: the shell adds no file names, because the candidates already contain them.
const NO_FILE_COMPLETION_DIRECTIVE: &str = ":4";

/// Answers a completion request; `None` if the call is not one. Sends no request to a cluster and runs no program.
#[must_use]
pub fn answer_completion_request(command: Command) -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    words.next().filter(|first| first == COMPLETE_COMMAND)?;
    Stream::Stdout.write(&complete_words(command, words.collect()));
    Some(ExitCode::SUCCESS)
}

fn complete_words(mut command: Command, words: Vec<OsString>) -> String {
    let folder = std::env::current_dir().ok();
    let program = OsString::from(command.get_name());
    let words: Vec<OsString> = std::iter::once(program).chain(words).collect();
    // The last word is the incomplete one. A request without words completes an empty first word.
    let typed = words.len() - 1;
    let (words, typed) = if typed == 0 { ([words, vec![OsString::new()]].concat(), 1) } else { (words, typed) };
    // An error means no candidates: a completion must not print errors.
    let nothing_typed = words.last().is_some_and(|word| word.is_empty());
    let mut candidates = complete(&mut command, words, typed, folder.as_deref()).unwrap_or_default();
    candidates.retain(|candidate| !candidate.is_hide_set());
    // As in kubectl: offer flags after a dash, or if there is no other candidate.
    if nothing_typed && !candidates.iter().all(is_flag) {
        candidates.retain(|candidate| !is_flag(candidate));
    }
    candidates.iter().map(format_candidate).chain([format!("{NO_FILE_COMPLETION_DIRECTIVE}\n")]).collect()
}

fn is_flag(candidate: &CompletionCandidate) -> bool {
    candidate.get_value().as_encoded_bytes().starts_with(b"-")
}

fn format_candidate(candidate: &CompletionCandidate) -> String {
    let value = candidate.get_value().to_string_lossy();
    let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
    match help.lines().next().filter(|help| !help.is_empty()) {
        Some(help) => format!("{value}\t{help}\n"),
        None => format!("{value}\n"),
    }
}

/// Offers the contexts of the kubeconfig.
#[must_use]
pub fn context_candidates() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let access = ClusterAccess { variables: read_connection_variables(), ..ClusterAccess::default() };
        cluster::list_contexts(&access).into_iter().map(CompletionCandidate::new).collect()
    })
}

/// Offers the ids of all checks and guards, with their titles.
#[must_use]
pub fn check_candidates() -> ArgValueCandidates {
    let offer = |card: &Card| CompletionCandidate::new(card.id).help(Some(card.title.into()));
    ArgValueCandidates::new(move || catalogue::cards().into_iter().map(offer).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    #[command(name = "kubectl-mural-some")]
    struct Cli {
        /// Reads it as a check.
        #[arg(long, add = check_candidates())]
        explain: Option<String>,
        #[arg(long, hide = true)]
        secret: bool,
        /// The form of the answer.
        #[arg(short, long, value_parser = ["table", "json"])]
        output: Option<String>,
    }

    fn complete_call(words: &[&str]) -> String {
        complete_words(<Cli as clap::CommandFactory>::command(), words.iter().map(OsString::from).collect())
    }

    #[test]
    fn flags_and_values_are_offered_with_their_help() {
        assert_eq!(complete_call(&["--exp"]), "--explain\tReads it as a check\n:4\n");
        assert_eq!(complete_call(&["--output", "j"]), "json\n:4\n");
        assert_eq!(complete_call(&["--output=j"]), "--output=json\n:4\n");
        assert!(complete_call(&["--explain", "chart-"]).starts_with("chart-digest\t"));
    }

    #[test]
    fn flags_are_offered_after_a_dash_or_without_other_candidates() {
        assert!(complete_call(&[""]).starts_with("--explain\t"));
        let with_commands = <Cli as clap::CommandFactory>::command().subcommand(Command::new("plan"));
        let offered = complete_words(with_commands, vec![OsString::new()]);
        assert!(offered.contains("plan") && !offered.contains("--"), "{offered}");
    }

    #[test]
    fn hidden_and_unknown_words_are_not_offered() {
        assert!(!complete_call(&["--"]).contains("secret"));
        assert_eq!(complete_call(&["--output", "nothing"]), ":4\n");
        assert!(complete_call(&[]).ends_with(":4\n"));
    }
}
