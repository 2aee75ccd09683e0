//! An empty home folder for one test: nothing of this machine's user is on `PATH` or in the environment.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use mural_tests::parts::{Part, find_or_build};
use tempfile::TempDir;

/// The folder and the folders on `PATH`.
pub(crate) struct Home {
    folder: TempDir,
    path: Vec<PathBuf>,
}

impl Home {
    /// A home with these folders on `PATH`, relative to it; `bin` is among them.
    pub(crate) fn new(on_path: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path: Vec<PathBuf> = on_path.iter().chain(&["bin"]).map(|name| folder.path().join(name)).collect();
        fs::create_dir(folder.path().join("bin")).expect("a folder");
        fs::create_dir(folder.path().join("tools")).expect("a folder");
        Self { folder, path }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a program of the sandbox on `PATH`.
    pub(crate) fn link_part(&self, part: &Part) {
        let found = find_or_build(part).expect("the program is there, or its Go module builds");
        let link = self.path().join("tools").join(part.name);
        fs::remove_file(&link).ok();
        symlink(found.path, link).expect("a link");
    }

    /// Runs a program of `PATH` with nothing in its environment but `HOME`, `PATH` and these variables.
    pub(crate) fn run_with(&self, program: &str, args: &[&str], variables: &[(&str, &str)]) -> Output {
        let system = ["/usr/bin", "/bin"].map(PathBuf::from);
        let folders: Vec<PathBuf> =
            self.path.iter().cloned().chain([self.path().join("tools")]).chain(system).collect();
        let file = folders.iter().map(|folder| folder.join(program)).find(|file| file.exists());
        let mut command = Command::new(file.unwrap_or_else(|| panic!("{program} is on PATH")));
        command.env_clear().env("HOME", self.path()).env("PATH", env::join_paths(&folders).expect("a PATH"));
        command.envs(variables.iter().copied()).args(args).current_dir(self.path());
        command.output().unwrap_or_else(|error| panic!("{program}: {error}"))
    }

    /// As [`Home::run_with`], without further variables. The program must succeed.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> String {
        let output = self.run_with(program, args, &[]);
        assert!(output.status.success(), "{program} {args:?}: {}\n{}", output.status, text(&output));
        text(&output)
    }

    /// The files and links below a folder of the home, without those of kubectl's cache.
    pub(crate) fn files(&self, folder: &str) -> BTreeSet<String> {
        let mut files = BTreeSet::new();
        list(&self.path().join(folder), self.path(), &mut files);
        files
    }
}

/// Standard output and standard error.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn list(folder: &Path, home: &Path, files: &mut BTreeSet<String>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.is_symlink() {
            list(&path, home, files);
        } else {
            files.insert(path.strip_prefix(home).expect("a path below the home").display().to_string());
        }
    }
}
