//! What the words of a call mean. Pure: words in, a meaning out.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// A program that does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// `kubectl mural upgrade`
    Upgrade,
    /// `kubectl mural validate`
    Validate,
    /// `kubectl mural crds`, which is `helm mural crds`
    Crds,
}

impl Part {
    /// Every part, in the order of the help.
    pub(crate) const ALL: [Self; 3] = [Self::Upgrade, Self::Validate, Self::Crds];

    /// The sub-command.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Validate => "validate",
            Self::Crds => "crds",
        }
    }

    /// The program's file name.
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::Upgrade => "kubectl-mural-upgrade",
            Self::Validate => "kubectl-mural-validate",
            Self::Crds => "helm-mural",
        }
    }

    fn named(word: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|part| word == part.word())
    }

    /// The words that the program gets: helm-mural has `crds` as a sub-command, the others are one.
    fn args(self, rest: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        let own = (self == Self::Crds).then(|| OsString::from(self.word()));
        own.into_iter().chain(rest).collect()
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Be this program, with these words.
    Become(Part, Vec<OsString>),
    /// Let this program complete a line.
    CompleteBy(Part, Vec<OsString>),
    /// Say this, and all is well.
    Answer(String),
    /// Say the version, and where the parts are.
    Version,
    /// Write the links for completion.
    InstallCompletion,
    /// Say this; the call was wrong.
    Wrong(String),
}

/// The sub-commands that are answered here.
const OWN: [&str; 3] = ["version", "completion", "help"];

/// What kubectl calls for completion: `_complete` before the first dash of the plugin's name.
pub(crate) const COMPLETION_LINKS: [&str; 5] = [
    "kubectl_complete-mural",
    "kubectl_complete-mural-upgrade",
    "kubectl_complete-mural-validate",
    "kubectl_complete-mural_upgrade",
    "kubectl_complete-mural_validate",
];

/// The short help.
pub(crate) const HELP: &str = "Upgrade and validate PaletteAI: its CRDs first, then the application.

Usage: kubectl mural <COMMAND> [FLAGS]

Commands:
  upgrade              plan, guard, perform and prove an upgrade of both charts
  validate             say whether an installation is healthy, and prove it
  crds                 show and compare the CRDs of a chart (helm mural crds)
  version              the version, and where each part is
  completion install   let kubectl complete these commands

Each has its own help: kubectl mural upgrade --help
";

/// What a call means: the name it was called by, and its words.
pub(crate) fn meaning(called: &OsStr, words: Vec<OsString>) -> Meaning {
    let name = Path::new(called).file_stem().and_then(OsStr::to_str).unwrap_or_default();
    if let Some(rest) = name.strip_prefix("kubectl_complete-mural") {
        return complete(Part::named(OsStr::new(rest.trim_start_matches(['-', '_']))), words);
    }
    // krew links the package mural-upgrade as kubectl-mural_upgrade, for `kubectl mural-upgrade`.
    match name.strip_prefix("kubectl-mural_").and_then(|word| Part::named(OsStr::new(word))) {
        Some(part) => Meaning::Become(part, part.args(words)),
        None => plain(words),
    }
}

fn plain(words: Vec<OsString>) -> Meaning {
    let mut words = words.into_iter();
    let Some(first) = words.next() else { return Meaning::Wrong(HELP.to_owned()) };
    if let Some(part) = Part::named(&first) {
        return Meaning::Become(part, part.args(words));
    }
    match (first.to_str(), words.next().as_deref().map(OsStr::to_str)) {
        (Some("version" | "--version" | "-V"), None) => Meaning::Version,
        (Some("help"), Some(Some(of))) => help_of(of),
        (Some("help" | "--help" | "-h"), _) => Meaning::Answer(HELP.to_owned()),
        (Some("completion"), Some(Some("install"))) => Meaning::InstallCompletion,
        (Some("completion"), _) => Meaning::Wrong("Error: say: kubectl mural completion install".to_owned()),
        _ => Meaning::Wrong(unknown(&first.to_string_lossy())),
    }
}

fn help_of(word: &str) -> Meaning {
    match Part::named(OsStr::new(word)) {
        Some(part) => Meaning::Become(part, part.args([OsString::from("--help")])),
        None if OWN.contains(&word) => Meaning::Answer(HELP.to_owned()),
        None => Meaning::Wrong(unknown(word)),
    }
}

fn unknown(word: &str) -> String {
    if word.starts_with('-') {
        return format!("Error: {word} comes before the sub-command\n  → kubectl mural upgrade {word} …");
    }
    let near = all_words().map(|name| (distance(word, name), name)).min().filter(|(distance, _)| *distance <= 3);
    let hint = near.map_or_else(
        || "kubectl mural --help lists the sub-commands".to_owned(),
        |(_, name)| format!("did you mean: kubectl mural {name}"),
    );
    format!("Error: there is no sub-command {word:?}\n  → {hint}")
}

fn all_words() -> impl Iterator<Item = &'static str> {
    Part::ALL.into_iter().map(Part::word).chain(OWN)
}

/// Answers kubectl's question for completion: the words so far, the last one being typed.
///
/// A part gets them behind `__complete`, never bare: bare words would be a command, and Tab must not run it.
fn complete(part: Option<Part>, words: Vec<OsString>) -> Meaning {
    let by = |part: Part, words: Vec<OsString>| {
        Meaning::CompleteBy(part, std::iter::once("__complete".into()).chain(part.args(words)).collect())
    };
    match (part, words.as_slice()) {
        (Some(part), _) => by(part, words),
        (None, [first, _, ..]) => match Part::named(first) {
            Some(part) => by(part, words.into_iter().skip(1).collect()),
            None if first == "completion" && words.len() == 2 => offer(&["install"], &words[1]),
            None => offer(&[], OsStr::new("")),
        },
        (None, [typed]) => offer(&all_words().collect::<Vec<_>>(), typed),
        (None, []) => offer(&all_words().collect::<Vec<_>>(), OsStr::new("")),
    }
}

/// One candidate a line; `:4` says that file names are no answer.
fn offer(candidates: &[&str], typed: &OsStr) -> Meaning {
    let typed = typed.to_string_lossy();
    let fitting = candidates.iter().filter(|candidate| candidate.starts_with(typed.as_ref()));
    Meaning::Answer(fitting.map(|candidate| format!("{candidate}\n")).chain([":4\n".to_owned()]).collect())
}

/// How many letters must be added, dropped or changed to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
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

    fn says(called: &str, words: &[&str]) -> Meaning {
        meaning(OsStr::new(called), os(words))
    }

    fn os(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn sub_commands_become_their_programs() {
        let words = ["upgrade", "plan", "-n", "x", "--"];
        assert_eq!(says("kubectl-mural", &words), Meaning::Become(Part::Upgrade, os(&words[1..])));
        assert_eq!(says("/bin/kubectl-mural", &["validate"]), Meaning::Become(Part::Validate, vec![]));
        assert_eq!(says("kubectl-mural", &["crds", "diff"]), Meaning::Become(Part::Crds, os(&["crds", "diff"])));
        assert_eq!(says("kubectl-mural", &["help", "upgrade"]), Meaning::Become(Part::Upgrade, os(&["--help"])));
    }

    #[test]
    fn the_form_of_krew_is_the_sub_command() {
        assert_eq!(says("/k/kubectl-mural_upgrade", &["plan"]), Meaning::Become(Part::Upgrade, os(&["plan"])));
        assert_eq!(says("kubectl-mural_validate", &[]), Meaning::Become(Part::Validate, vec![]));
        assert!(matches!(says("kubectl-mural_other", &[]), Meaning::Wrong(_)));
    }

    #[test]
    fn alone_and_unknown_are_wrong_usage() {
        assert_eq!(says("kubectl-mural", &[]), Meaning::Wrong(HELP.to_owned()));
        let Meaning::Wrong(text) = says("kubectl-mural", &["upgarde"]) else { panic!("wrong usage") };
        assert!(text.contains("kubectl mural upgrade"), "{text}");
        let Meaning::Wrong(text) = says("kubectl-mural", &["somethingelse"]) else { panic!("wrong usage") };
        assert!(text.contains("--help"), "{text}");
        let Meaning::Wrong(text) = says("kubectl-mural", &["--context", "x", "upgrade"]) else { panic!("wrong usage") };
        assert!(text.contains("kubectl mural upgrade --context"), "{text}");
    }

    #[test]
    fn help_and_version_are_answers() {
        for word in ["help", "--help", "-h"] {
            assert_eq!(says("kubectl-mural", &[word]), Meaning::Answer(HELP.to_owned()));
        }
        assert_eq!(says("kubectl-mural", &["--version"]), Meaning::Version);
        assert_eq!(says("kubectl-mural", &["completion", "install"]), Meaning::InstallCompletion);
        for part in Part::ALL {
            assert!(HELP.contains(&format!("\n  {} ", part.word())));
        }
    }

    #[test]
    fn a_tab_never_runs_a_command() {
        let typed = ["--yes", "-n", "x"];
        for called in ["kubectl_complete-mural-upgrade", "/k/kubectl_complete-mural_upgrade"] {
            let Meaning::CompleteBy(Part::Upgrade, words) = says(called, &typed) else { panic!("completion") };
            assert_eq!(words, os(&["__complete", "--yes", "-n", "x"]));
        }
        let crds = says("kubectl_complete-mural", &["crds", "di"]);
        assert_eq!(crds, Meaning::CompleteBy(Part::Crds, os(&["__complete", "crds", "di"])));
        for link in COMPLETION_LINKS {
            assert!(!matches!(says(link, &["upgrade", "--yes"]), Meaning::Become(..)), "{link}");
        }
    }

    #[test]
    fn sub_commands_are_offered() {
        assert_eq!(says("kubectl_complete-mural", &["v"]), Meaning::Answer("validate\nversion\n:4\n".to_owned()));
        assert_eq!(says("kubectl_complete-mural", &["completion", ""]), Meaning::Answer("install\n:4\n".to_owned()));
        assert_eq!(says("kubectl_complete-mural", &["nothing", ""]), Meaning::Answer(":4\n".to_owned()));
    }

    #[test]
    fn distances_are_counted_in_letters() {
        assert_eq!(distance("upgrade", "upgrade"), 0);
        assert_eq!(distance("valdate", "validate"), 1);
        assert_eq!(distance("", "crds"), 4);
    }
}
