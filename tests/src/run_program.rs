//! Runs a program of a test to its end.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result};

use crate::plugins;
use crate::sandbox::Sandbox;

/// The path of a program: a plugin of this build, else what the sandbox has linked, such as helm and kubectl.
///
/// # Errors
/// The plugins cannot be built.
pub fn program_path(sandbox: &Sandbox, program: &str) -> Result<PathBuf> {
    Ok(match plugins::PROGRAMS.contains(&program) {
        true => plugins::folder()?.join(program),
        false => sandbox.dir().join("bin").join(program),
    })
}

/// Starts the command with this standard input, and waits for it with both outputs captured.
///
/// # Errors
/// It cannot be started.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Result<Output> {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().with_context(|| piped.get_program().display().to_string())?;
    // A program that reads no input closes the pipe. That is not a failure.
    drop(child.stdin.take().map(|mut stdin| stdin.write_all(input)));
    Ok(child.wait_with_output()?)
}
