//! A command as a value: program, arguments and standard input. Pure: no shell, no process.
//!
//! `Helm` and `Kubectl` build commands, the plan shows them with secrets masked, and `spawn.rs` starts them.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::model::secret::{Hidden, MASK};
use crate::model::text_format::shell_quote;

/// One argument.
#[derive(Debug, Clone)]
pub enum Arg {
    /// Shown as it is.
    Plain(OsString),
    /// Shown as `***`.
    Secret(Hidden<OsString>),
}

/// Ends a child process with us, and shows the next run whether it has ended. Empty: the child may outlive us.
#[derive(Debug, Clone, Default)]
pub struct ProcessGuard {
    /// The program that starts the child so that the kernel sends it SIGTERM when we die, even by SIGKILL.
    pub starter: Option<PathBuf>,
    /// A locked file that the child holds open too: the lock lasts until both have ended.
    pub lock_file: Option<Arc<File>>,
}

/// A command, ready to be started or shown.
#[derive(Debug, Clone)]
pub struct Call {
    /// The program's usual name: `helm`, `kubectl`. The file may have another name.
    pub name: String,
    /// The program's full path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// Variables in addition to our own environment.
    pub env: Vec<(OsString, OsString)>,
    /// Standard input. `None`: empty.
    pub stdin: Option<Hidden<Vec<u8>>>,
    /// Time limit.
    pub deadline: Duration,
    /// Values files among the arguments: their secrets are masked in its error output.
    pub values_files: Vec<PathBuf>,
    /// Ends the child with us.
    pub guard: ProcessGuard,
}

impl Call {
    /// A command without arguments.
    pub fn new(name: &str, program: impl Into<PathBuf>, deadline: Duration) -> Self {
        Self {
            name: name.to_owned(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: None,
            deadline,
            values_files: Vec::new(),
            guard: ProcessGuard::default(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(Arg::Plain(arg.as_ref().to_owned()));
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Adds a flag with its value, as two arguments.
    #[must_use]
    pub fn flag(self, flag: &str, value: impl AsRef<OsStr>) -> Self {
        self.arg(flag).arg(value)
    }

    /// Adds an argument that is shown as `***`.
    #[must_use]
    pub fn secret(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(Arg::Secret(Hidden::new(arg.into())));
        self
    }

    /// Adds `--values FILE`.
    #[must_use]
    pub fn values_file(mut self, file: &Path) -> Self {
        self.values_files.push(file.to_owned());
        self.flag("--values", file)
    }

    /// Sets the standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(Hidden::new(bytes));
        self
    }

    /// Ends the child with us.
    #[must_use]
    pub fn guard(mut self, guard: &ProcessGuard) -> Self {
        self.guard = guard.clone();
        self
    }

    /// The arguments with their secrets, to start the program.
    pub fn reveal_args(&self) -> impl Iterator<Item = &OsStr> {
        self.args.iter().map(|arg| match arg {
            Arg::Plain(text) => text.as_os_str(),
            Arg::Secret(text) => text.reveal().as_os_str(),
        })
    }

    /// The command as an operator types it, secrets masked.
    #[must_use]
    pub fn masked_words(&self) -> Vec<String> {
        let args = self.args.iter().map(|arg| match arg {
            Arg::Plain(text) => text.to_string_lossy().into_owned(),
            Arg::Secret(_) => MASK.to_owned(),
        });
        std::iter::once(self.name.clone()).chain(args).collect()
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked_words().iter().map(|word| shell_quote(word)).collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_shows_itself_without_its_secrets() {
        let call = Call::new("helm", "/usr/bin/helm-4.3.1", Duration::from_secs(1))
            .args(["upgrade", "mural"])
            .flag("--description", "two words")
            .arg("--set")
            .secret("a=canary");
        assert_eq!(call.to_string(), "helm upgrade mural --description 'two words' --set '***'");
        assert!(!format!("{call:?}").contains("canary"));
        assert!(call.reveal_args().any(|arg| arg == "a=canary"));
    }
}
