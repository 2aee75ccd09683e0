//! `cargo sandbox …`: what can be said, and what is done then.

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

/// A real Kubernetes control plane, registry, helm and kubectl, for trying Mural and for its tests.
#[derive(Debug, Parser)]
#[command(name = "cargo sandbox", bin_name = "cargo sandbox", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: SandboxCommand,
}

#[derive(Debug, clap::Args)]
struct SandboxName {
    /// Which sandbox; several can run at once.
    #[arg(long, default_value = "demo", env = "MURAL_SANDBOX")]
    name: String,
}

#[derive(Debug, Subcommand)]
enum SandboxCommand {
    /// Start a sandbox, or find it running. What is missing on this machine is built first, once.
    Up {
        #[command(flatten)]
        sandbox: SandboxName,
        /// The helm inside: 3, 4, 3.17 or a full version.
        #[arg(long, value_name = "VERSION")]
        helm: Option<String>,
        /// Without nodes: pods stay Pending, and less memory is needed.
        #[arg(long)]
        without_nodes: bool,
        /// With Flux's source-controller and helm-controller, which start as soon as their CRDs are there.
        #[arg(long)]
        flux: bool,
    },
    /// Run a command against the sandbox: its kubeconfig, its helm and kubectl, our plugins on PATH.
    Run {
        #[command(flatten)]
        sandbox: SandboxName,
        /// Who acts.
        #[arg(long = "as", value_enum, default_value_t)]
        user: User,
        /// The command.
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// A shell in the sandbox's environment.
    Shell {
        #[command(flatten)]
        sandbox: SandboxName,
        /// Who acts.
        #[arg(long = "as", value_enum, default_value_t)]
        user: User,
    },
    /// What runs, and where.
    Status,
    /// What a part has said.
    Logs {
        #[command(flatten)]
        sandbox: SandboxName,
        /// etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok, registry, source-controller, helm-controller or supervisor.
        part: String,
    },
    /// Stop a sandbox and remove all of it.
    Down {
        #[command(flatten)]
        sandbox: SandboxName,
        /// Every sandbox of this machine.
        #[arg(long)]
        all: bool,
    },
    /// What is found on this machine, where it comes from, and what would be built.
    Doctor,
    /// Install the sample charts.
    Install {
        #[command(flatten)]
        sandbox: SandboxName,
        #[command(flatten)]
        args: install::Args,
    },
    /// The whole story, on a sandbox of its own.
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
    /// The README's picture: a terminal capture on standard input becomes an SVG on standard output.
    #[command(name = "__picture", hide = true)]
    Picture { title: String },
    #[command(name = "__exec", hide = true)]
    Exec {
        parent: u32,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
}

/// The command line's way in.
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

/// Becomes the command: its exit code, its signals and its terminal are the person's own.
fn run(sandbox: &Sandbox, user: User, command: &[OsString]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let error = sandbox.command(user, program).args(arguments).exec();
    Err(error).with_context(|| format!("could not start {}", program.display()))
}

fn shell(sandbox: &Sandbox, user: User) -> Result<()> {
    print_message(format_args!("a shell in the sandbox `{}` as {user}; `exit` leaves it", sandbox.name()));
    run(sandbox, user, &[env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into())])
}

fn status() -> Result<()> {
    let names = names()?;
    if names.is_empty() {
        print_message("no sandbox; start one with `cargo sandbox up`");
    }
    for name in names {
        let folder = Folder::of(&name)?;
        let Ok(spec) = Spec::read(&folder) else { continue };
        let state = State::read(&folder);
        let phase = match (folder.is_supervised(), state.phase) {
            (true, Phase::Ready) => "runs",
            (true, _) => "is starting",
            (false, _) => "does not run",
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
    ensure!(path.is_file(), "no log of `{part}` in the sandbox `{name}`: {}", last_lines(&path, 0));
    std::io::stdout().write_all(&fs::read(&path)?)?;
    Ok(())
}

fn down(name: &str) -> Result<()> {
    Sandbox::down_by_name(name)?;
    print_message(format_args!("the sandbox `{name}` is gone"));
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
                format!("{} would be built, about {} s", part.version, part.build_seconds)
            }
        };
        print(&format!("{:<24} {line}", part.name))?;
        for (_, path, _) in places
            .iter()
            .filter(|(source, path, version)| *source != Source::Cache && version.is_none() && path.exists())
        {
            print(&format!("{:<24} not {}: another version", "", path.display()))?;
        }
    }
    if missing > 0 {
        print(&format!(
            "to build all that is missing: about {} minutes, once; `up` builds only what it needs",
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

/// The answer goes to standard output; a reader that went away is no error of ours worth a panic.
fn print(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("standard output")
}
