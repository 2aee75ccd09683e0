//! Parses a call of `kubectl-mural`: the name of the program and its arguments in, an [`Invocation`] out. Pure.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// A plugin program that a sub-command starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plugin {
    /// `kubectl mural upgrade`
    Upgrade,
    /// `kubectl mural validate`
    Validate,
    /// `kubectl mural crds`, the same as `helm mural crds`
    Crds,
}

impl Plugin {
    /// All plugins, in the order of the help.
    pub(crate) const ALL: [Self; 3] = [Self::Upgrade, Self::Validate, Self::Crds];

    /// The name of the sub-command.
    pub(crate) const fn subcommand(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Validate => "validate",
            Self::Crds => "crds",
        }
    }

    /// The file name of the program.
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::Upgrade => "kubectl-mural-upgrade",
            Self::Validate => "kubectl-mural-validate",
            Self::Crds => "helm-mural",
        }
    }

    fn from_subcommand(word: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|part| word == part.subcommand())
    }

    /// The arguments of the program: `helm-mural` has the sub-command `crds`; the other programs are one command.
    fn to_args(self, rest: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        let prefix = (self == Self::Crds).then(|| OsString::from(self.subcommand()));
        prefix.into_iter().chain(rest).collect()
    }
}

/// The tasks of `kubectl mural completion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompletionTask {
    /// Create the links.
    Install,
    /// Remove the links.
    Uninstall,
}

impl CompletionTask {
    const WORDS: [&str; 2] = ["install", "uninstall"];

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "install" => Some(Self::Install),
            "uninstall" => Some(Self::Uninstall),
            _ => None,
        }
    }
}

/// The meaning of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// Replace this process with the program and these arguments.
    Exec(Plugin, Vec<OsString>),
    /// Run the program to complete a command line.
    Complete(Plugin, Vec<OsString>),
    /// Print this text and exit with 0.
    Print(String),
    /// Print the version and the path of each program.
    Version,
    /// Create or remove the links for completion; in this folder, else in one on `PATH`.
    Completion(CompletionTask, Option<PathBuf>),
    /// Print this text and exit with 64.
    UsageError(String),
}

/// The sub-commands without a program.
const BUILT_IN_COMMANDS: [&str; 3] = ["version", "completion", "help"];

/// The programs that kubectl calls for completion: `_complete` before the first dash of the plugin name.
pub(crate) const COMPLETION_LINKS: [&str; 5] = [
    "kubectl_complete-mural",
    "kubectl_complete-mural-upgrade",
    "kubectl_complete-mural-validate",
    "kubectl_complete-mural_upgrade",
    "kubectl_complete-mural_validate",
];

/// The text of `kubectl mural --help`.
pub(crate) const HELP: &str = "Upgrade and validate PaletteAI: its CRDs first, then the application.

Usage: kubectl mural <COMMAND> [FLAGS]

Commands:
  upgrade              Upgrade both charts: plan, confirm, apply and verify
  validate             Check whether an installation is healthy
  crds                 Show, compare, check and apply the CRDs of a chart (same as helm mural crds)
  version              Show the version and the path of each program
  completion install [--dir DIR]
                       Install shell completion for kubectl mural
  completion uninstall [--dir DIR]
                       Remove it

Run `kubectl mural <COMMAND> --help` for the flags of a command.
";

/// Parses the program name of the call (`called`) and the arguments.
pub(crate) fn parse_invocation(called: &OsStr, words: Vec<OsString>) -> Invocation {
    let name = Path::new(called).file_stem().and_then(OsStr::to_str).unwrap_or_default();
    if let Some(rest) = name.strip_prefix("kubectl_complete-mural") {
        return parse_completion(Plugin::from_subcommand(OsStr::new(rest.trim_start_matches(['-', '_']))), words);
    }
    // krew links the package mural-upgrade as kubectl-mural_upgrade, for `kubectl mural-upgrade`.
    match name.strip_prefix("kubectl-mural_").and_then(|word| Plugin::from_subcommand(OsStr::new(word))) {
        Some(part) => Invocation::Exec(part, part.to_args(words)),
        None => parse_plain(words),
    }
}

fn parse_plain(words: Vec<OsString>) -> Invocation {
    let mut words = words.into_iter();
    let Some(subcommand) = words.next() else { return Invocation::UsageError(HELP.to_owned()) };
    if let Some(part) = Plugin::from_subcommand(&subcommand) {
        return Invocation::Exec(part, part.to_args(words));
    }
    match (subcommand.to_str(), words.next().as_deref().map(OsStr::to_str)) {
        (Some("version" | "--version" | "-V"), None) => Invocation::Version,
        (Some("help"), Some(Some(of))) => parse_help(of),
        (Some("help" | "--help" | "-h"), _) => Invocation::Print(HELP.to_owned()),
        (Some("completion"), Some(Some(task))) => parse_completion_task(task, words),
        (Some("completion"), _) => Invocation::UsageError(COMPLETION_USAGE.to_owned()),
        _ => Invocation::UsageError(unknown_command_message(&subcommand.to_string_lossy())),
    }
}

const COMPLETION_USAGE: &str = "Error: `completion` needs a task
  → kubectl mural completion install [--dir DIR]
  → kubectl mural completion uninstall [--dir DIR]";

fn parse_completion_task(task: &str, mut flags: impl Iterator<Item = OsString>) -> Invocation {
    let folder = match (flags.next(), flags.next(), flags.next()) {
        (None, ..) => Some(None),
        (Some(flag), Some(folder), None) if flag == "--dir" => Some(Some(PathBuf::from(folder))),
        (Some(flag), None, None) => {
            flag.to_str().and_then(|flag| flag.strip_prefix("--dir=")).map(|folder| Some(PathBuf::from(folder)))
        }
        _ => None,
    };
    match (CompletionTask::from_word(task), folder) {
        (Some(task), Some(folder)) => Invocation::Completion(task, folder),
        _ => Invocation::UsageError(COMPLETION_USAGE.to_owned()),
    }
}

fn parse_help(word: &str) -> Invocation {
    match Plugin::from_subcommand(OsStr::new(word)) {
        Some(part) => Invocation::Exec(part, part.to_args([OsString::from("--help")])),
        None if BUILT_IN_COMMANDS.contains(&word) => Invocation::Print(HELP.to_owned()),
        None => Invocation::UsageError(unknown_command_message(word)),
    }
}

fn unknown_command_message(word: &str) -> String {
    if word.starts_with('-') {
        return format!("Error: the flag {word} must follow the sub-command\n  → kubectl mural upgrade {word} …");
    }
    let near = subcommands().map(|name| (edit_distance(word, name), name)).min().filter(|(distance, _)| *distance <= 3);
    let hint = near.map_or_else(
        || "run `kubectl mural --help` to list the sub-commands".to_owned(),
        |(_, name)| format!("did you mean: kubectl mural {name}"),
    );
    format!("Error: unknown sub-command {word:?}\n  → {hint}")
}

fn subcommands() -> impl Iterator<Item = &'static str> {
    Plugin::ALL.into_iter().map(Plugin::subcommand).chain(BUILT_IN_COMMANDS)
}

/// Parses a completion request of kubectl. The last word is incomplete.
///
/// A plugin gets the words after `__complete`. Without it, Tab would run the command line.
fn parse_completion(part: Option<Plugin>, words: Vec<OsString>) -> Invocation {
    let by = |part: Plugin, words: Vec<OsString>| {
        Invocation::Complete(part, std::iter::once("__complete".into()).chain(part.to_args(words)).collect())
    };
    match (part, words.as_slice()) {
        (Some(part), _) => by(part, words),
        (None, [first, _, ..]) => match Plugin::from_subcommand(first) {
            Some(part) => by(part, words.into_iter().skip(1).collect()),
            None if first == "completion" && words.len() == 2 => offer_candidates(&CompletionTask::WORDS, &words[1]),
            None => offer_candidates(&[], OsStr::new("")),
        },
        (None, [typed]) => offer_candidates(&subcommands().collect::<Vec<_>>(), typed),
        (None, []) => offer_candidates(&subcommands().collect::<Vec<_>>(), OsStr::new("")),
    }
}

/// One candidate per line; `:4` (cobra's `ShellCompDirectiveNoFileComp`) turns off file names.
fn offer_candidates(candidates: &[&str], typed: &OsStr) -> Invocation {
    let typed = typed.to_string_lossy();
    let fitting = candidates.iter().filter(|candidate| candidate.starts_with(typed.as_ref()));
    Invocation::Print(fitting.map(|candidate| format!("{candidate}\n")).chain([":4\n".to_owned()]).collect())
}

/// The Levenshtein distance of two words, in characters.
fn edit_distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (above, letter) in from.chars().enumerate() {
        let mut corner = above;
        row[0] = above + 1;
        for (column, other) in to.chars().enumerate() {
            let change = corner + usize::from(letter != other);
            corner = row[column + 1];
            row[column + 1] = change.min(corner + 1).min(row[column] + 1);
        }
    }
    row[to.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_call(called: &str, words: &[&str]) -> Invocation {
        parse_invocation(OsStr::new(called), os(words))
    }

    fn os(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn sub_commands_become_their_programs() {
        let words = ["upgrade", "plan", "-n", "x", "--"];
        assert_eq!(parse_call("kubectl-mural", &words), Invocation::Exec(Plugin::Upgrade, os(&words[1..])));
        assert_eq!(parse_call("/bin/kubectl-mural", &["validate"]), Invocation::Exec(Plugin::Validate, vec![]));
        assert_eq!(
            parse_call("kubectl-mural", &["crds", "diff"]),
            Invocation::Exec(Plugin::Crds, os(&["crds", "diff"]))
        );
        assert_eq!(
            parse_call("kubectl-mural", &["help", "upgrade"]),
            Invocation::Exec(Plugin::Upgrade, os(&["--help"]))
        );
    }

    #[test]
    fn the_program_name_of_krew_selects_the_sub_command() {
        assert_eq!(parse_call("/k/kubectl-mural_upgrade", &["plan"]), Invocation::Exec(Plugin::Upgrade, os(&["plan"])));
        assert_eq!(parse_call("kubectl-mural_validate", &[]), Invocation::Exec(Plugin::Validate, vec![]));
        assert!(matches!(parse_call("kubectl-mural_other", &[]), Invocation::UsageError(_)));
    }

    #[test]
    fn missing_and_unknown_sub_commands_are_usage_errors() {
        assert_eq!(parse_call("kubectl-mural", &[]), Invocation::UsageError(HELP.to_owned()));
        let Invocation::UsageError(text) = parse_call("kubectl-mural", &["upgarde"]) else { panic!("wrong usage") };
        assert!(text.contains("kubectl mural upgrade"), "{text}");
        let Invocation::UsageError(text) = parse_call("kubectl-mural", &["somethingelse"]) else {
            panic!("wrong usage")
        };
        assert!(text.contains("--help"), "{text}");
        let Invocation::UsageError(text) = parse_call("kubectl-mural", &["--context", "x", "upgrade"]) else {
            panic!("wrong usage")
        };
        assert!(text.contains("kubectl mural upgrade --context"), "{text}");
    }

    #[test]
    fn help_and_version_exit_with_success() {
        for word in ["help", "--help", "-h"] {
            assert_eq!(parse_call("kubectl-mural", &[word]), Invocation::Print(HELP.to_owned()));
        }
        assert_eq!(parse_call("kubectl-mural", &["--version"]), Invocation::Version);
        let task = |words: &[&str]| parse_call("kubectl-mural", words);
        let (install, folder) = (CompletionTask::Install, Some(PathBuf::from("/d")));
        assert_eq!(task(&["completion", "install"]), Invocation::Completion(install, None));
        assert_eq!(task(&["completion", "install", "--dir", "/d"]), Invocation::Completion(install, folder.clone()));
        let uninstall = Invocation::Completion(CompletionTask::Uninstall, folder);
        assert_eq!(task(&["completion", "uninstall", "--dir=/d"]), uninstall);
        for wrong in [&["completion"] as &[&str], &["completion", "remove"], &["completion", "install", "--dir"]] {
            assert_eq!(task(wrong), Invocation::UsageError(COMPLETION_USAGE.to_owned()));
        }
        for part in Plugin::ALL {
            assert!(HELP.contains(&format!("\n  {} ", part.subcommand())));
        }
    }

    #[test]
    fn a_tab_never_runs_a_command() {
        let typed = ["--yes", "-n", "x"];
        for called in ["kubectl_complete-mural-upgrade", "/k/kubectl_complete-mural_upgrade"] {
            let Invocation::Complete(Plugin::Upgrade, words) = parse_call(called, &typed) else { panic!("completion") };
            assert_eq!(words, os(&["__complete", "--yes", "-n", "x"]));
        }
        let crds = parse_call("kubectl_complete-mural", &["crds", "di"]);
        assert_eq!(crds, Invocation::Complete(Plugin::Crds, os(&["__complete", "crds", "di"])));
        for link in COMPLETION_LINKS {
            assert!(!matches!(parse_call(link, &["upgrade", "--yes"]), Invocation::Exec(..)), "{link}");
        }
    }

    #[test]
    fn sub_commands_are_offered() {
        assert_eq!(
            parse_call("kubectl_complete-mural", &["v"]),
            Invocation::Print("validate\nversion\n:4\n".to_owned())
        );
        assert_eq!(
            parse_call("kubectl_complete-mural", &["completion", ""]),
            Invocation::Print("install\nuninstall\n:4\n".to_owned())
        );
        assert_eq!(parse_call("kubectl_complete-mural", &["nothing", ""]), Invocation::Print(":4\n".to_owned()));
    }

    #[test]
    fn edit_distances_are_in_characters() {
        assert_eq!(edit_distance("upgrade", "upgrade"), 0);
        assert_eq!(edit_distance("valdate", "validate"), 1);
        assert_eq!(edit_distance("", "crds"), 4);
    }
}
