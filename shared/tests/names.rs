//! Names of types, functions, fields and files that the project does not use, in `shared/`, `plugins/` and `tests/`.
//!
//! The lists are those of the language page: bare participles, bare adverbs and pronouns, and the words that a term of
//! Kubernetes, Helm, Flux or Rust replaced. There are no exceptions.

#![allow(clippy::unwrap_used, reason = "sources that cannot be read fail the test")]

mod source_files;

use source_files::rust_files;

/// No name of a function, a field or a file: participles, adverbs and pronouns say nothing of what is meant.
const BARE_WORDS: &[&str] = &[
    "told", "named", "asked", "shown", "kept", "made", "said", "seen", "found", "noted", "around", "more", "beside",
    "since", "first", "anew", "own", "bare", "moved", "known", "begun", "undone", "mended", "held", "gone", "listed",
    "looked", "finished", "tried", "guarded", "insisted", "shaped",
];
/// No name of a function, a field or a file: another term is used for it.
const REPLACED_WORDS: &[&str] = &[
    "surroundings",
    "manner",
    "facets",
    "world",
    "seal",
    "seals",
    "turn",
    "claim",
    "let_go",
    "saw",
    "sign_of_life",
    "leash",
    "unkeep",
    "bear",
    "bridge",
    "way_back",
    "ailment",
    "ailments",
    "mending",
    "look_again",
    "may_pass",
    "kept_in_git",
    "chart_move",
    "step_stands",
    "last_look",
    "new_trouble",
    "old_trouble",
    "ground",
    "day",
    "bad_days",
    "settle",
    "patience",
    "foresee",
    "gathered",
];
/// No part of a function's name, also of a test: archaic, or a riddle.
const REPLACED_PARTS: &[&str] =
    &["told", "somebody", "nobody", "anew", "whoever", "mend", "mended", "stood", "ailment", "leash"];
/// No function's name starts so, also of a test: the subject is a noun.
const VAGUE_SUBJECTS: &[&str] = &["what", "who"];
/// No name of a type: another term is used for it.
const REPLACED_TYPES: &[&str] = &[
    "Surroundings",
    "Around",
    "Manner",
    "MannerFlags",
    "Bare",
    "Begun",
    "Facets",
    "Seen",
    "Admission",
    "Looked",
    "NotSeen",
    "Since",
    "Moved",
    "Follow",
    "Known",
    "World",
    "Seal",
    "Turn",
    "Claim",
    "Life",
    "Sign",
    "SignOfLife",
    "Leash",
    "Kept",
    "Bridge",
    "Back",
    "Way",
    "WayBack",
    "Undone",
    "Ailment",
    "Mending",
    "StepStands",
    "More",
    "Told",
    "LookAgain",
    "Nobody",
    "ChartMove",
    "Side",
    "Trouble",
    "Ground",
    "Day",
    "BadDays",
    "Anew",
    "First",
    "Own",
    "Named",
    "Listed",
    "Gathered",
    "Looker",
    "Vitals",
    "Perhaps",
    "Made",
    "Asked",
];

/// A name, and what it is the name of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Type(String),
    Function(String),
    Field(String),
    File(String),
}

impl Name {
    fn is_banned(&self) -> bool {
        match self {
            Self::Type(name) => REPLACED_TYPES.contains(&name.as_str()),
            Self::Function(name) if has_vague_words(name) => true,
            Self::Function(name) | Self::Field(name) | Self::File(name) => {
                BARE_WORDS.contains(&name.as_str()) || REPLACED_WORDS.contains(&name.as_str())
            }
        }
    }
}

fn has_vague_words(function: &str) -> bool {
    let mut parts = function.split('_');
    parts.clone().next().is_some_and(|first| VAGUE_SUBJECTS.contains(&first))
        || parts.any(|part| REPLACED_PARTS.contains(&part))
}

fn leading_identifier(text: &str) -> &str {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default()
}

/// A line without its indentation, its visibility and the qualifiers of a function.
fn without_qualifiers(line: &str) -> &str {
    let mut rest = line.trim_start();
    if let Some(after) = rest.strip_prefix("pub") {
        let after = after.strip_prefix('(').and_then(|scope| scope.split_once(')')).map_or(after, |(_, after)| after);
        rest = after.trim_start();
    }
    for qualifier in ["const ", "async ", "unsafe "] {
        rest = rest.strip_prefix(qualifier).unwrap_or(rest);
    }
    rest
}

fn field_of(line: &str) -> Option<Name> {
    let name = leading_identifier(line);
    let is_field = !name.is_empty() && line[name.len()..].starts_with(": ");
    is_field.then(|| Name::Field(name.to_owned()))
}

/// The names that a file's text defines, each with the number of its line.
fn names_of(text: &str) -> Vec<(usize, Name)> {
    let mut names = Vec::new();
    // The indentation of the type whose fields are read.
    let mut inside: Option<usize> = None;
    for (at, line) in text.lines().enumerate() {
        let (indentation, rest) = (line.len() - line.trim_start().len(), without_qualifiers(line));
        if inside == Some(indentation) && rest.starts_with('}') {
            inside = None;
        } else if inside.is_some() {
            names.extend(field_of(rest).map(|name| (at + 1, name)));
        } else if let Some(name) = rest.strip_prefix("fn ") {
            names.push((at + 1, Name::Function(leading_identifier(name).to_owned())));
        }
        for keyword in ["struct ", "enum ", "trait ", "type "] {
            let Some(name) = rest.strip_prefix(keyword) else { continue };
            names.push((at + 1, Name::Type(leading_identifier(name).to_owned())));
            if ["struct ", "enum "].contains(&keyword) && line.ends_with('{') {
                inside = Some(indentation);
            }
        }
    }
    names
}

fn banned_names(text: &str) -> Vec<(usize, Name)> {
    names_of(text).into_iter().filter(|(_, name)| name.is_banned()).collect()
}

#[test]
fn no_name_is_banned() {
    let (mut banned, mut count) = (Vec::new(), 0);
    for path in rust_files(&["shared", "plugins", "tests"]) {
        let (text, shown) = (std::fs::read_to_string(&path).unwrap(), path.display());
        count += names_of(&text).len();
        banned.extend(banned_names(&text).into_iter().map(|(line, name)| format!("{shown}:{line}: {name:?}")));
        let file = Name::File(path.file_stem().unwrap().to_str().unwrap().to_owned());
        banned.extend(file.is_banned().then(|| format!("{shown}: {file:?}")));
    }
    assert!(count > 5_000, "only {count} names were read: the reader is broken");
    assert!(banned.is_empty(), "{}", banned.join("\n"));
}

#[test]
fn planted_bad_names_are_found() {
    // As literals line by line, so that this file stays free of them.
    let text = [
        "pub(crate) struct Surroundings {",
        "    /// Doc: a comment is no field.",
        "    pub(crate) since: Option<u64>,",
        "    path: String,",
        "}",
        "",
        "impl Surroundings {",
        "    pub async fn told(&self) -> u64 {",
        "        let since: u64 = 1;",
        "        since",
        "    }",
        "}",
        "",
        "enum Outcome {",
        "    Held { around: bool },",
        "    Failed {",
        "        seen: u64,",
        "    },",
        "}",
    ]
    .join("\n");
    let found: Vec<Name> = banned_names(&text).into_iter().map(|(_, name)| name).collect();
    let expected = [
        Name::Type("Surroundings".into()),
        Name::Field("since".into()),
        Name::Function("told".into()),
        Name::Field("seen".into()),
    ];
    assert_eq!(found, expected);
    let is_banned = |function: &str| Name::Function(function.to_owned()).is_banned();
    assert!(is_banned("what_changed_is_shown") && is_banned("a_reason_is_told_once"));
    assert!(!is_banned("whole_objects_are_shown"), "only whole parts of a name count");
    assert!(Name::File("patience".into()).is_banned() && !Name::File("lock".into()).is_banned());
}

#[test]
fn a_word_inside_a_longer_name_is_no_fault() {
    assert_eq!(banned_names("fn is_first_run() {}\nstruct WorldMap {\n    known_pairs: u64,\n}\n"), []);
}
