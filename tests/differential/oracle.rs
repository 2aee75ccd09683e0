//! The API server's own code behind a pipe: `tests/tools/oracle`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};
use mural_tests::go_tool;
use serde_json::Value;

pub use mural_tests::go_tool::missing;

fn build() -> Result<PathBuf> {
    go_tool::build("oracle", ".", Path::new(env!("CARGO_TARGET_TMPDIR")))
}

pub struct Oracle {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    pub fn start() -> Result<Self> {
        let mut child = Command::new(build()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start the oracle")?;
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("the oracle has no output")?);
        Ok(Self { child, questions, answers })
    }

    pub fn ask(&mut self, question: &Value) -> Result<Value> {
        let pipe = self.questions.as_mut().context("the oracle is closed")?;
        writeln!(pipe, "{question}").context("the oracle does not listen")?;
        let mut line = String::new();
        self.answers.read_line(&mut line).context("the oracle does not answer")?;
        serde_json::from_str(&line).with_context(|| format!("the oracle says {line:?}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // At the end of its input it ends.
        self.questions.take();
        self.child.wait().ok();
    }
}
