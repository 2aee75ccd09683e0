//! Runs a case in a work folder of its own. The case stops at the first statement that does not hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use mural_tests::audit::{self, AuditLog};
use mural_tests::plugins;
use mural_tests::run_program::{program_path, run_with_input};
use mural_tests::sandbox::{Paused, Sandbox, User};

use crate::script::{Expected, Line, Script, Statement, Stream};

/// The base charts: two versions of a CRD chart and of an application.
const BASE: &str = "cases/base";
/// Stands for the API group in the base charts.
const GROUP: &str = "GROUP";
/// Exit code of a refusal.
const REFUSED: Expected = Expected::Code(5);
/// What `base` defines.
const COMMANDS: [(&str, &str); 3] = [
    ("PLAN", "kubectl mural upgrade plan --chart ./app-2 --crds-chart ./crds-2 -n hub"),
    ("UPGRADE", "kubectl mural upgrade --chart ./app-2 --crds-chart ./crds-2 -n hub --yes --timeout 90s"),
    ("VALIDATE", "kubectl mural validate -n hub"),
];
/// What `install` runs, followed by its flags.
const INSTALL: [&str; 2] =
    ["helm install mural-crds ./crds-1 -n hub --create-namespace", "helm install mural ./app-1 -n hub"];

/// A case that runs.
pub struct Run<'a> {
    script: &'a Script,
    /// The cluster; none for a case that needs none.
    sandbox: Option<&'a Sandbox>,
    folder: &'a Path,
    variables: BTreeMap<String, Vec<String>>,
    stdin: Option<PathBuf>,
    /// Programs of the sandbox that go on when the case ends.
    paused: Vec<Paused>,
    /// Command line and output of the last program.
    last: Option<(String, String, String)>,
}

impl<'a> Run<'a> {
    /// # Errors
    /// The plugins cannot be built, or a file cannot be written.
    pub fn new(script: &'a Script, sandbox: Option<&'a Sandbox>, folder: &'a Path) -> Result<Self> {
        let mut variables = BTreeMap::new();
        if let Some(sandbox) = sandbox {
            variables.insert("REGISTRY".to_owned(), vec![sandbox.registry()]);
            plugins::link_helm_plugin(sandbox, &plugins::folder()?)?;
        }
        for (path, text) in &script.files {
            write(&folder.join(path), text)?;
        }
        Ok(Self { script, sandbox, folder, variables, stdin: None, paused: Vec::new(), last: None })
    }

    /// Runs all statements that are for this helm.
    ///
    /// # Errors
    /// A statement does not hold. The error has the line, the command and its whole output.
    pub fn run(mut self, helm: Option<&str>) -> Result<()> {
        let major = helm.and_then(|version| version.chars().next());
        for Line { number, helm, statement } in &self.script.lines {
            if helm.is_none_or(|helm| Some(helm) == major) {
                self.step(statement).with_context(|| format!("line {number}"))?;
            }
        }
        Ok(())
    }

    fn step(&mut self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::Base { group } => self.write_base(group),
            Statement::Install { flags } => INSTALL.iter().try_for_each(|command| {
                let words: Vec<String> = command.split(' ').map(str::to_owned).chain(flags.iter().cloned()).collect();
                self.exec(Expected::Code(0), &words)
            }),
            Statement::Let { name, words } => {
                let words = self.expand(words)?;
                self.variables.insert(name.clone(), words);
                Ok(())
            }
            Statement::Pause { part } => {
                let sandbox = self.sandbox.context("`pause` needs a `helm` line")?;
                self.paused.push(sandbox.pause(part)?);
                Ok(())
            }
            Statement::Stdin { file } => {
                self.stdin = Some(self.folder.join(file));
                Ok(())
            }
            Statement::Exec { expected, words } => {
                let words = self.expand(words)?;
                self.exec(*expected, &words)
            }
            Statement::Contains { stream, text, negated } => {
                let text = self.expand(std::slice::from_ref(text))?.join(" ");
                self.contains(*stream, &text, *negated)
            }
        }
    }

    /// The files of the case are there already, and stay.
    fn write_base(&mut self, group: &str) -> Result<()> {
        for (name, command) in COMMANDS {
            self.variables.insert(name.to_owned(), command.split(' ').map(str::to_owned).collect());
        }
        copy_base(&Path::new(env!("CARGO_MANIFEST_DIR")).join(BASE), self.folder, group)
    }

    /// `$NAME` alone becomes the words of the variable; inside a word, its text.
    fn expand(&self, words: &[String]) -> Result<Vec<String>> {
        let mut expanded = Vec::new();
        for word in words {
            match word.strip_prefix('$').and_then(|name| self.variables.get(name)) {
                Some(words) => expanded.extend(words.iter().cloned()),
                None => expanded.push(self.expand_inside(word)),
            }
        }
        Ok(expanded)
    }

    fn expand_inside(&self, word: &str) -> String {
        let replace = |text: String, (name, words): (&String, &Vec<String>)| {
            text.replace(&format!("${{{name}}}"), &words.join(" "))
        };
        self.variables.iter().fold(word.to_owned(), replace)
    }

    fn exec(&mut self, expected: Expected, words: &[String]) -> Result<()> {
        let [program, arguments @ ..] = words else { bail!("no program") };
        let audit = self.sandbox.filter(|_| expected == REFUSED).map(|sandbox| AuditLog::new(sandbox.audit_log()));
        let mark = audit.as_ref().map(AuditLog::mark).transpose()?;
        let mut command = self.command(program)?;
        command.args(arguments).current_dir(self.folder).env("NO_COLOR", "1").env("COLUMNS", "200");
        let input = self.stdin.take().map(std::fs::read).transpose().context("stdin")?.unwrap_or_default();
        let output = run_with_input(&mut command, &input)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let holds = match expected {
            Expected::Code(code) => output.status.code() == Some(code),
            Expected::AnyFailure => !output.status.success(),
        };
        let typed = words.join(" ");
        ensure!(!stderr.contains("panicked at"), "$ {typed}\n{stderr}");
        ensure!(holds, "{} instead of {expected:?}\n$ {typed}\n{stdout}{stderr}", output.status);
        if let (Some(audit), Some(mark)) = (audit, mark) {
            let (entries, user) = (audit.entries_since(mark)?, User::Operator.to_string());
            let writes = audit::writes_by(&entries, &user);
            ensure!(writes.is_empty(), "a refusal wrote {writes:?}\n$ {typed}\n{stdout}{stderr}");
        }
        self.last = Some((typed, stdout, stderr));
        Ok(())
    }

    /// Our plugins by their full path; helm and kubectl as linked in the sandbox; anything else from `PATH`.
    fn command(&self, program: &str) -> Result<Command> {
        let is_plugin = plugins::PROGRAMS.contains(&program);
        let Some(sandbox) = self.sandbox else {
            let path = if is_plugin { plugins::folder()?.join(program) } else { PathBuf::from(program) };
            let mut command = Command::new(path);
            command.env("KUBECONFIG", "/dev/null");
            return Ok(command);
        };
        let path = program_path(sandbox, program)?;
        Ok(sandbox.command(User::Operator, if is_plugin || path.exists() { path } else { PathBuf::from(program) }))
    }

    fn contains(&self, stream: Stream, text: &str, negated: bool) -> Result<()> {
        let (typed, stdout, stderr) = self.last.as_ref().context("no program ran before")?;
        let printed = match stream {
            Stream::Stdout => stdout.clone(),
            Stream::Stderr => stderr.clone(),
            Stream::Both => format!("{stdout}\n{stderr}"),
        };
        let holds = one_line(&printed).contains(&one_line(text)) != negated;
        let not = if negated { "contains" } else { "does not contain" };
        ensure!(holds, "{stream:?} {not} {text:?}\n$ {typed}\n{printed}");
        Ok(())
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn write(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().context("a file lies in a folder")?;
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(file, text))
        .with_context(|| file.display().to_string())
}

/// Adds the files of the base. A file of the case replaces one of the base; an empty one removes it.
fn copy_base(from: &Path, to: &Path, group: &str) -> Result<()> {
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_base(&entry.path(), &target, group)?;
        } else if !target.exists() {
            write(&target, &std::fs::read_to_string(entry.path())?.replace(GROUP, group))?;
        } else if target.metadata()?.len() == 0 {
            std::fs::remove_file(target)?;
        }
    }
    Ok(())
}
