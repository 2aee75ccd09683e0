//! Reads a case: a text archive with a script and the files that it uses.
//!
//! The format is a small part of Go's `testscript` (<https://pkg.go.dev/github.com/rogpeppe/go-internal/testscript>):
//! the script comes first, then `-- PATH --` lines, each followed by the content of that file. `tests/README.md` lists
//! the statements. Reading needs no sandbox; `run_script.rs` executes the result.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

/// A case, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Links to the public report or chart that the case was made after; none for a fault that we found ourselves.
    pub sources: Vec<String>,
    /// The helm versions that the case runs with. Empty: it needs no cluster.
    pub helms: Vec<String>,
    /// The statements in their order.
    pub lines: Vec<Line>,
    /// Path below the work folder → content.
    pub files: BTreeMap<String, String>,
}

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Line in the file, from 1.
    pub number: usize,
    /// The major version of helm that the statement is for; none for all.
    pub helm: Option<char>,
    pub statement: Statement,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `base GROUP`: writes the base charts with this API group, below the case's own files, and defines `$PLAN`,
    /// `$UPGRADE` and `$VALIDATE`.
    Base { group: String },
    /// `install [FLAG…]`: installs the older base charts with helm, into the namespace `hub`.
    Install { flags: Vec<String> },
    /// `let NAME WORD…`: `$NAME` stands for these words from here on.
    Let { name: String, words: Vec<String> },
    /// `exec`, `! exec`, `exit N exec`: runs a program, without a shell.
    Exec { expected: Expected, words: Vec<String> },
    /// `pause PART`: stops a program of the sandbox until the case ends.
    Pause { part: String },
    /// `stdin FILE`: input of the next program.
    Stdin { file: String },
    /// `stdout TEXT`, `stderr TEXT`, `output TEXT`: what the last program printed. White space counts as one space.
    Contains { stream: Stream, text: String, negated: bool },
}

/// How a program has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Code(i32),
    AnyFailure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
    Both,
}

impl Script {
    /// Reads the text of a case.
    ///
    /// # Errors
    /// A statement is unknown or incomplete; the error has its line.
    pub fn parse(text: &str) -> Result<Self> {
        let (mut script, mut files) = (String::new(), BTreeMap::new());
        let mut file: Option<String> = None;
        for line in text.split_inclusive('\n') {
            match (file_marker(line), &file) {
                (Some(path), _) => {
                    ensure!(!path.starts_with('/') && !path.contains(".."), "{path} is outside of the work folder");
                    files.insert(path.to_owned(), String::new());
                    file = Some(path.to_owned());
                }
                (None, Some(path)) => files.entry(path.clone()).or_default().push_str(line),
                (None, None) => script.push_str(line),
            }
        }
        let mut parsed = Self { sources: Vec::new(), helms: Vec::new(), lines: Vec::new(), files };
        for (at, line) in script.lines().enumerate() {
            parsed.add(at + 1, line.trim()).with_context(|| format!("line {}: {line}", at + 1))?;
        }
        Ok(parsed)
    }

    fn add(&mut self, number: usize, line: &str) -> Result<()> {
        if let Some(source) = line.strip_prefix("# Source: ") {
            self.sources.push(source.to_owned());
        }
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (helm, line) = match line.strip_prefix("[helm").and_then(|rest| rest.split_once("] ")) {
            Some((major, line)) => (major.chars().next(), line),
            None => (None, line),
        };
        let words = split_words(line)?;
        let texts: Vec<&str> = words.iter().map(String::as_str).collect();
        if let ["helm", versions @ ..] = texts.as_slice() {
            self.helms.extend(versions.iter().map(ToString::to_string));
            return Ok(());
        }
        self.lines.push(Line { number, helm, statement: Statement::parse(&texts)? });
        Ok(())
    }
}

impl Statement {
    fn parse(words: &[&str]) -> Result<Self> {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Ok(match words {
            ["base", group] => Self::Base { group: (*group).to_owned() },
            ["install", flags @ ..] => Self::Install { flags: owned(flags) },
            ["let", name, words @ ..] => Self::Let { name: (*name).to_owned(), words: owned(words) },
            ["exec", words @ ..] => Self::Exec { expected: Expected::Code(0), words: owned(words) },
            ["!", "exec", words @ ..] => Self::Exec { expected: Expected::AnyFailure, words: owned(words) },
            ["exit", code, "exec", words @ ..] => {
                Self::Exec { expected: Expected::Code(code.parse()?), words: owned(words) }
            }
            ["pause", part] => Self::Pause { part: (*part).to_owned() },
            ["stdin", file] => Self::Stdin { file: (*file).to_owned() },
            ["!", stream, text] => {
                Self::Contains { stream: Stream::parse(stream)?, text: (*text).to_owned(), negated: true }
            }
            [stream, text] => {
                Self::Contains { stream: Stream::parse(stream)?, text: (*text).to_owned(), negated: false }
            }
            _ => bail!("unknown statement"),
        })
    }
}

impl Stream {
    fn parse(word: &str) -> Result<Self> {
        Ok(match word {
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            "output" => Self::Both,
            _ => bail!("unknown statement `{word}`"),
        })
    }
}

fn file_marker(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix("-- ")?.strip_suffix(" --")
}

/// Words are separated by white space; single quotes keep a text together, and two of them in it stand for one.
fn split_words(line: &str) -> Result<Vec<String>> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' if quoted && letters.peek() == Some(&'\'') => {
                letters.next();
                word.get_or_insert_default().push('\'');
            }
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            _ if letter.is_whitespace() && !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    ensure!(!quoted, "a quote is not closed");
    words.extend(word);
    Ok(words)
}

/// The reader's own tests: this binary has its own harness, so it runs them as trials.
pub fn read_its_own_example() -> Result<()> {
    let text = "# Source: https://example.org/1\nhelm 3 4\nbase a.example.org\nlet PLAN kubectl mural\n\
                [helm4] exit 5 exec $PLAN 'a b' 'it''s'\n! output x\n-- a/b.yaml --\na: 1\n-- c --\n";
    let script = Script::parse(text)?;
    ensure!(script.sources == ["https://example.org/1"] && script.helms == ["3", "4"], "{script:?}");
    ensure!(script.files.get("a/b.yaml").is_some_and(|text| text == "a: 1\n") && script.files.contains_key("c"));
    let words = ["$PLAN", "a b", "it's"].map(str::to_owned).to_vec();
    let exec = Line { number: 5, helm: Some('4'), statement: Statement::Exec { expected: Expected::Code(5), words } };
    ensure!(script.lines[2] == exec, "{:?}", script.lines[2]);
    for (text, reason) in [
        ("exec 'a", "not closed"),
        ("expect x", "unknown statement"),
        ("a b c d", "unknown statement"),
        ("-- ../x --\n", "outside"),
    ] {
        let error = Script::parse(text).err().map(|error| format!("{error:#}")).unwrap_or_default();
        ensure!(error.contains(reason), "{text:?}: {error:?}");
    }
    Ok(())
}
