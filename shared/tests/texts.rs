//! Words that comments, doc comments and string literals of the project do not use, in `shared/`, `plugins/` and `tests/`.
//!
//! Owns the clear-cut words of the language page and the minimum length of module headers. Identifiers are in `names.rs`. Sentences
//! that need judgement are left to the review.

#![allow(clippy::unwrap_used, reason = "sources that cannot be read fail the test")]

mod source_files;

use std::path::Path;

use source_files::rust_files;

/// Words and phrases, each with the words to use. Lower case; a space matches any white space of one line.
const REPLACED_TEXTS: &[(&str, &str)] = &[
    ("anew", "again"),
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("mending", "fixing"),
    ("whoever", "a user, a run, a client"),
    ("whatever stands", "the current state"),
    ("somebody", "another client, another user"),
    ("nobody", "no one, no client"),
    ("ailment", "issue"),
    ("leash", "ProcessGuard"),
    ("let go", "release, resume"),
    ("lets go", "releases, resumes"),
    ("goes on from", "continues from"),
    ("gone on from", "continued by"),
    ("go on from", "continue from"),
    ("told", "reported, shown"),
    ("is said", "is reported"),
    ("are said", "are reported"),
    ("is asked for", "is requested"),
    ("the world", "the cluster, the state"),
    ("surroundings", "environment, admission policies"),
    ("patience", "a limit, in its unit"),
    ("was proved", "was verified"),
    ("proved done", "verified"),
    ("way back", "rollback"),
    ("last look", "final check"),
    ("our turn", "the lock"),
];
/// Words of a file format or of an example, not ours: the file, and the text as it is there.
const QUOTED_TEXTS: &[(&str, &str)] = &[
    ("waivers.rs", "reason: nobody"),
    ("crd_changes/tests.rs", "nobody uses it"),
    ("variants/table.rs", "serviceaccount nobody"),
];
/// The lines of text that the header of a module has at least, where the folder states its subject only there.
const MIN_HEADER_LINES: usize = 3;
/// The folders in which every file needs such a header. A check or a guard has its card instead.
const FOLDERS_WITH_HEADERS: &[&str] = &["shared/src/run", "shared/src/cluster"];

/// Where the reader is in a source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Code,
    Comment,
    String,
    /// A raw string, with the number of its `#`.
    RawString(usize),
}

/// The number of `#` of a raw string that starts here, after its `r`.
fn raw_string_hashes(rest: &[char]) -> Option<usize> {
    let hashes = rest.iter().take_while(|letter| **letter == '#').count();
    (rest.get(hashes) == Some(&'"')).then_some(hashes)
}

/// What follows one letter of a source file.
struct Step {
    place: Place,
    /// How many letters are read.
    letters: usize,
    /// Whether the letter belongs to a text.
    is_text: bool,
}

impl Step {
    fn to(place: Place, letters: usize) -> Self {
        Self { place, letters, is_text: false }
    }
}

/// Reads one letter that is no line break, with what follows it.
fn read_letter(place: Place, letter: char, rest: &[char]) -> Step {
    match (place, letter) {
        (Place::Code, '/') if rest.first() == Some(&'/') => Step::to(Place::Comment, 1),
        (Place::Code, '"') => Step::to(Place::String, 1),
        (Place::Code, 'r') => match raw_string_hashes(rest) {
            Some(hashes) => Step::to(Place::RawString(hashes), hashes + 2),
            None => Step::to(place, 1),
        },
        // A character literal; without a closing quote it is a lifetime.
        (Place::Code, '\'') if rest.first() == Some(&'\\') => Step::to(place, 4),
        (Place::Code, '\'') if rest.get(1) == Some(&'\'') => Step::to(place, 3),
        (Place::Code, _) => Step::to(place, 1),
        (Place::String, '\\') if rest.first() != Some(&'\n') => Step::to(place, 2),
        (Place::String, '"') => Step::to(Place::Code, 1),
        (Place::RawString(hashes), '"') if rest.iter().take(hashes).filter(|one| **one == '#').count() == hashes => {
            Step::to(Place::Code, hashes + 1)
        }
        (Place::String | Place::RawString(_), '{') => {
            let inside = rest.iter().take_while(|inner| !['}', '\n', '"'].contains(*inner)).count();
            Step::to(place, if rest.get(inside) == Some(&'}') { inside + 2 } else { 1 })
        }
        (Place::Comment | Place::String | Place::RawString(_), _) => Step { place, letters: 1, is_text: true },
    }
}

/// The comments and string literals of a file by line, without code and placeholders (`{name}`).
fn texts_of(source: &str) -> Vec<(usize, String)> {
    let letters: Vec<char> = source.chars().collect();
    let (mut texts, mut text, mut line, mut place, mut at) = (Vec::new(), String::new(), 1, Place::Code, 0);
    while let Some(letter) = letters.get(at).copied() {
        if letter == '\n' {
            texts.push((line, std::mem::take(&mut text)));
            line += 1;
            place = if place == Place::Comment { Place::Code } else { place };
            at += 1;
            continue;
        }
        let step = read_letter(place, letter, &letters[at + 1..]);
        text.extend(step.is_text.then_some(letter));
        text.extend((step.place == Place::Code).then_some(' '));
        (place, at) = (step.place, at + step.letters);
    }
    texts.push((line, text));
    texts.retain(|(_, text)| !text.trim().is_empty());
    texts
}

/// The replaced texts in a line, each with the words to use.
fn replaced_texts(text: &str) -> Vec<&'static (&'static str, &'static str)> {
    let lower = text.to_lowercase();
    let is_part_of_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
    let contains = |wanted: &str| {
        lower.match_indices(wanted).any(|(at, _)| {
            let (before, after) = (lower[..at].chars().next_back(), lower[at + wanted.len()..].chars().next());
            !before.is_some_and(is_part_of_word) && !after.is_some_and(is_part_of_word)
        })
    };
    REPLACED_TEXTS.iter().filter(|(wanted, _)| contains(wanted)).collect()
}

fn is_quoted(path: &Path, text: &str) -> bool {
    QUOTED_TEXTS.iter().any(|(file, quoted)| path.ends_with(file) && text.contains(quoted))
}

#[test]
fn comments_and_messages_use_plain_words() {
    let (mut replaced, mut count) = (Vec::new(), 0);
    for path in rust_files(&["shared/src", "plugins", "tests"]) {
        let source = std::fs::read_to_string(&path).unwrap();
        let texts = texts_of(&source);
        count += texts.len();
        for (line, text) in texts.iter().filter(|(_, text)| !is_quoted(&path, text)) {
            let found = replaced_texts(text).into_iter();
            replaced.extend(
                found.map(|(word, use_instead)| format!("{}:{line}: {word:?}, use: {use_instead}", path.display())),
            );
        }
    }
    assert!(count > 10_000, "only {count} texts were read: the reader is broken");
    assert!(replaced.is_empty(), "{}", replaced.join("\n"));
}

#[test]
fn a_module_states_its_subject_input_and_output() {
    let header_lines = |source: &str| {
        let header = source.lines().take_while(|line| line.starts_with("//!"));
        header.filter(|line| line.len() > "//!".len()).count()
    };
    let short = rust_files(FOLDERS_WITH_HEADERS).into_iter().filter(|path| {
        let is_test = path.iter().any(|part| part == "tests" || part == "tests.rs");
        !is_test && header_lines(&std::fs::read_to_string(path).unwrap()) < MIN_HEADER_LINES
    });
    let short: Vec<String> = short.map(|path| path.display().to_string()).collect();
    assert!(short.is_empty(), "headers with less than {MIN_HEADER_LINES} lines:\n{}", short.join("\n"));
}

#[test]
fn planted_words_are_found_and_code_is_not_read() {
    let source = [
        "/// Made anew, and NOBODY is asked for it.",
        r#"let told = format!("{told} and \"mended\" {0}");"#,
        "let text = \"a first line",
        "    that goes on from there\";",
        "let anew = mend(nobody);",
        "// a renewed amendment",
    ]
    .join("\n");
    let found: Vec<(usize, &str)> = texts_of(&source)
        .iter()
        .flat_map(|(line, text)| replaced_texts(text).into_iter().map(|(word, _)| (*line, *word)))
        .collect();
    let expected = [(1, "anew"), (1, "nobody"), (1, "is asked for"), (2, "mended"), (4, "goes on from")];
    assert_eq!(found, expected);
}
