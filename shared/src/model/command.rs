//! A command as a value: program, arguments, what it gets on its standard input. No shell ever stands in between. Pure.

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
    /// May be shown.
    Plain(OsString),
    /// Never shown.
    Secret(Hidden<OsString>),
}

/// What ends a program with us, and lets the next run see that it has ended. Empty: it may outlive us.
#[derive(Debug, Clone, Default)]
pub struct ProcessGuard {
    /// A program of ours that starts it so that the kernel asks it to stop when we die, even by SIGKILL.
    pub starter: Option<PathBuf>,
    /// A locked file that it holds open beside us: the lock lasts until both have ended.
    pub lock_file: Option<Arc<File>>,
}

/// A command, ready to be started or shown.
#[derive(Debug, Clone)]
pub struct Call {
    /// What a person calls the program: `helm`, `kubectl`. Its file may be called otherwise.
    pub name: String,
    /// The program's full path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// Environment on top of our own.
    pub env: Vec<(OsString, OsString)>,
    /// Bytes for its standard input; it gets nothing otherwise.
    pub stdin: Option<Hidden<Vec<u8>>>,
    /// How long it may run.
    pub deadline: Duration,
    /// Files of values among its arguments: their secrets are masked in what it says.
    pub values_files: Vec<PathBuf>,
    /// What ends it with us.
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

    /// Adds an argument that never shows.
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

    /// Hands it bytes on its standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(Hidden::new(bytes));
        self
    }

    /// Lets it not outlive us.
    #[must_use]
    pub fn guard(mut self, guard: &ProcessGuard) -> Self {
        self.guard = guard.clone();
        self
    }

    /// The arguments themselves, for starting it.
    pub fn reveal_args(&self) -> impl Iterator<Item = &OsStr> {
        self.args.iter().map(|arg| match arg {
            Arg::Plain(text) => text.as_os_str(),
            Arg::Secret(text) => text.reveal().as_os_str(),
        })
    }

    /// The words as a person would type them, the program by its name; secrets masked.
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
