//! The command line of `cargo sandbox`: flags, and the functions that run each command.
//!
//! Answers go to standard output, progress and errors to standard error. The sandbox itself is in [`crate::sandbox`].

use crate::message::print_message;
use crate::parts::{self, PARTS, Source};
use crate::sandbox::{
    Folder, Options, Phase, Sandbox, Spec, State, User, exec_with_parent, last_lines, names, supervise,
};
use crate::{demo, install, svg, webhook};
use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

/// Run a real Kubernetes control plane, registry, helm and kubectl on this machine, to try Mural and to test it.
#[derive(Debug, Parser)]
#[command(name = "cargo sandbox", bin_name = "cargo sandbox", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: SandboxCommand,
}

#[derive(Debug, clap::Args)]
struct SandboxName {
    /// Name of the sandbox. Several can run at the same time.
    #[arg(long, default_value = "demo", env = "MURAL_SANDBOX")]
    name: String,
}

#[derive(Debug, Subcommand)]
enum SandboxCommand {
    /// Start a sandbox, or join a running one. Missing programs are built first, once per machine.
    Up {
        #[command(flatten)]
        sandbox: SandboxName,
        /// Version of helm: 3, 4, 3.17 or a full version. On a running sandbox, exchange the linked helm.
        #[arg(long, value_name = "VERSION")]
        helm: Option<String>,
        /// Start without nodes. Pods stay Pending; the sandbox needs less memory.
        #[arg(long)]
        without_nodes: bool,
        /// Add source-controller and helm-controller of Flux. They start when their CRDs are installed.
        #[arg(long)]
        flux: bool,
    },
    /// Run a command with the sandbox's kubeconfig, helm, kubectl and the plugins on PATH.
    Run {
        #[command(flatten)]
        sandbox: SandboxName,
        /// The user that runs it.
        #[arg(long = "as", value_enum, default_value_t)]
        user: User,
        /// The command and its arguments.
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Open a shell with the sandbox's kubeconfig, helm, kubectl and the plugins on PATH.
    Shell {
        #[command(flatten)]
        sandbox: SandboxName,
        /// The user that runs it.
        #[arg(long = "as", value_enum, default_value_t)]
        user: User,
    },
    /// List the sandboxes, their ports and their processes.
    Status,
    /// Print the log of a part.
    Logs {
        #[command(flatten)]
        sandbox: SandboxName,
        /// etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok, registry, source-controller,
        /// helm-controller, supervisor or audit.
        part: String,
    },
    /// Stop a sandbox and remove its folder.
    Down {
        #[command(flatten)]
        sandbox: SandboxName,
        /// Stop every sandbox of this machine, also those of running tests.
        #[arg(long)]
        all: bool,
    },
    /// Show which programs are found, where, and which would be built.
    Doctor,
    /// Install the sample charts. They replace what is installed.
    Install {
        #[command(flatten)]
        sandbox: SandboxName,
        #[command(flatten)]
        args: install::Args,
    },
    /// Start a new sandbox, install the older charts, upgrade and validate.
    Demo {
        #[command(flatten)]
        sandbox: SandboxName,
        #[command(flatten)]
        args: demo::Args,
    },
    #[command(name = "__supervise", hide = true)]
    Supervise { name: String },
    #[command(name = "__webhook", hide = true)]
    Webhook { port: u16, pki: std::path::PathBuf },
    /// Convert a terminal capture on standard input to an SVG on standard output, for the README.
    #[command(name = "__picture", hide = true)]
    Picture { title: String },
    #[command(name = "__exec", hide = true)]
    Exec {
        parent: u32,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
}

/// Parses the command line, runs the command and returns the exit code: 0, 1 on failure, or 2 on a usage error.
#[must_use]
pub fn main() -> ExitCode {
    match run_command(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_message(format_args!("sandbox: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run_command(act: SandboxCommand) -> Result<()> {
    match act {
        SandboxCommand::Up { sandbox, helm, without_nodes, flux } => {
            up(&Options { helm, nodes: !without_nodes, flux, ..Options::with_name(&sandbox.name) })
        }
        SandboxCommand::Run { sandbox, user, command } => run(&Sandbox::open(&sandbox.name)?, user, &command),
        SandboxCommand::Shell { sandbox, user } => shell(&Sandbox::open(&sandbox.name)?, user),
        SandboxCommand::Status => status(),
        SandboxCommand::Logs { sandbox, part } => logs(&sandbox.name, &part),
        SandboxCommand::Down { all: true, .. } => names()?.iter().try_for_each(|name| down(name)),
        SandboxCommand::Down { sandbox, all: false } => down(&sandbox.name),
        SandboxCommand::Doctor => doctor(),
        SandboxCommand::Install { sandbox, args } => install::run(&sandbox.name, &args),
        SandboxCommand::Demo { sandbox, args } => demo::run(&sandbox.name, &args),
        SandboxCommand::Supervise { name } => supervise(&name),
        SandboxCommand::Webhook { port, pki } => webhook::serve(port, &pki),
        SandboxCommand::Picture { title } => picture(&title),
        SandboxCommand::Exec { parent, command } => exec_with_parent(parent, &command).map(|never| match never {}),
    }
}

fn up(options: &Options) -> Result<()> {
    let sandbox = Sandbox::up(options)?;
    let name = if options.name == "demo" { String::new() } else { format!("--name {} ", options.name) };
    print_message(format_args!("  context {}, folder {}", sandbox.context(), sandbox.dir().display()));
    print_message(format_args!("  try: cargo sandbox run {name}-- kubectl get nodes"));
    Ok(())
}

/// Replaces this process with the command, so that exit code, signals and terminal are the command's own.
fn run(sandbox: &Sandbox, user: User, command: &[OsString]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let error = sandbox.command(user, program).args(arguments).exec();
    Err(error).with_context(|| format!("could not start {}", program.display()))
}

fn shell(sandbox: &Sandbox, user: User) -> Result<()> {
    print_message(format_args!("opening a shell in the sandbox `{}` as {user}; leave it with `exit`", sandbox.name()));
    run(sandbox, user, &[env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into())])
}

fn status() -> Result<()> {
    let names = names()?;
    if names.is_empty() {
        print_message("no sandbox exists; start one with `cargo sandbox up`");
    }
    for name in names {
        let folder = Folder::of(&name)?;
        let Ok(spec) = Spec::read(&folder) else { continue };
        let state = State::read(&folder);
        let phase = match (folder.is_supervised(), state.phase) {
            (true, Phase::Ready) => "is running",
            (true, _) => "is starting",
            (false, _) => "is stopped",
        };
        print(&format!(
            "{name} {phase}: API server 127.0.0.1:{}, registry 127.0.0.1:{}, helm {}, {}",
            spec.ports.api,
            spec.ports.registry,
            spec.helm,
            folder.dir().display()
        ))?;
        if let (Some(part), Some(message)) = (&state.failed, &state.message) {
            print(&format!("  {part}: {message}"))?;
        }
        for (part, pid) in state.children.iter().filter(|_| folder.is_supervised()) {
            print(&format!("  {part} (process {pid})"))?;
        }
    }
    Ok(())
}

fn logs(name: &str, part: &str) -> Result<()> {
    let folder = Folder::of(name)?;
    let path = if part == "audit" { folder.path("audit/audit.log") } else { folder.log(part) };
    ensure!(path.is_file(), "the sandbox `{name}` has no log of `{part}`: {}", last_lines(&path, 0));
    std::io::stdout().write_all(&fs::read(&path)?)?;
    Ok(())
}

fn down(name: &str) -> Result<()> {
    Sandbox::down_by_name(name)?;
    print_message(format_args!("removed the sandbox `{name}`"));
    Ok(())
}

fn doctor() -> Result<()> {
    let mut missing = 0;
    for part in &PARTS {
        let places = parts::look(part)?;
        let found = places.iter().find_map(|(source, path, version)| Some((source, path, version.as_ref()?)));
        let line = match found {
            Some((source, path, version)) => format!("{} ({})  {}", version, origin(*source), path.display()),
            None => {
                missing += part.build_seconds;
                format!("{} is missing; a build takes about {} s", part.version, part.build_seconds)
            }
        };
        print(&format!("{:<24} {line}", part.name))?;
        for (_, path, _) in places
            .iter()
            .filter(|(source, path, version)| *source != Source::Cache && version.is_none() && path.exists())
        {
            print(&format!("{:<24} not used: {} (other version)", "", path.display()))?;
        }
    }
    if missing > 0 {
        print(&format!(
            "building all missing programs takes about {} minutes, once; `cargo sandbox up` builds only what it needs",
            missing.div_ceil(60)
        ))?;
    }
    Ok(())
}

fn origin(source: Source) -> &'static str {
    match source {
        Source::Assets => "KUBEBUILDER_ASSETS",
        Source::Cache => "cache",
        Source::Path => "PATH",
    }
}

fn picture(title: &str) -> Result<()> {
    let capture = std::io::read_to_string(std::io::stdin()).context("standard input")?;
    print(svg::render(title, &capture).trim_end())
}

/// Writes an answer to standard output. A closed pipe is an error, not a panic.
fn print(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("standard output")
}
