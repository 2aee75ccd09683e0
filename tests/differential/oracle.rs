//! The API server's own code behind a pipe: `tests/tools/oracle`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Why there is no oracle here; none where there is Go.
pub fn missing() -> Option<String> {
    let there =
        Command::new("go").arg("version").stdin(Stdio::null()).output().is_ok_and(|output| output.status.success());
    (!there).then(|| {
        "Go is not on this machine (https://go.dev/dl), and the API server's own code cannot be built".to_owned()
    })
}

/// Builds it; Go's own cache makes the second time quick.
fn build() -> Result<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/oracle");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle");
    let status = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(&module)
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .status()
        .context("could not start go")?;
    if !status.success() {
        bail!("building {} failed ({status})", module.display());
    }
    Ok(program)
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
