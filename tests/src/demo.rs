//! `cargo sandbox demo`: start a sandbox, install the older charts, upgrade and validate.
//!
//! The commands are the operator's own, on a real control plane. The sandbox stays up for further commands.

use anyhow::{Result, ensure};

use crate::message::print_message;
use crate::sandbox::{Options, Sandbox, User};
use crate::{charts, install, plugins};

/// Flags of `cargo sandbox demo`, besides `--name`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Version of helm: 3, 4, 3.17 or a full version.
    #[arg(long, value_name = "VERSION")]
    pub helm: Option<String>,
    /// Install with Flux, by the manifests of the vendor's guide, and upgrade through their sources.
    #[arg(long)]
    pub flux: bool,
}

/// Runs the demo. An existing sandbox of this name is replaced.
///
/// # Errors
/// A step fails. Its output is on the terminal.
pub fn run(name: &str, args: &Args) -> Result<()> {
    print_message("1  start a control plane");
    let programs = plugins::folder()?;
    // A new control plane is quicker than removing an installation.
    Sandbox::down_by_name(name)?;
    let sandbox = Sandbox::up(&Options { helm: args.helm.clone(), flux: args.flux, ..Options::with_name(name) })?;
    plugins::link_helm_plugin(&sandbox, &programs)?;
    let (crds, app) = charts::PAIRS[0];
    print_message(format_args!("\n2  install the older charts: mural-crds {crds}, mural {app}"));
    install::install(&sandbox, &install::Args { flux: args.flux, ..install::Args::default() })?;
    let upgrade = if args.flux { flux_line() } else { upgrade_line(&sandbox)? };
    print_message(format_args!("\n3  upgrade\n$ kubectl {}\n", format_command_line(&upgrade)));
    kubectl(&sandbox, &upgrade)?;
    let validate = ["mural", "validate"].map(str::to_owned);
    print_message("\n4  validate\n$ kubectl mural validate\n");
    kubectl(&sandbox, &validate)?;
    print_next_commands(name, &upgrade);
    Ok(())
}

/// The arguments of `kubectl` that upgrade a Helm installation, with the sandbox's registry and the sample values.
///
/// # Errors
/// The sandbox's certificate authority cannot be read.
pub fn upgrade_line(sandbox: &Sandbox) -> Result<Vec<String>> {
    let (crds, app) = charts::PAIRS[1];
    let registry = sandbox.registry();
    let mut line: Vec<String> = ["mural", "upgrade", "--to", app, "--crds", crds].map(str::to_owned).to_vec();
    line.extend(["--chart".to_owned(), format!("oci://{registry}/mural/mural")]);
    line.extend(["--crds-chart".to_owned(), format!("oci://{registry}/mural/mural-crds"), "--plain-http".to_owned()]);
    line.extend(["--values".to_owned(), charts::values_file().display().to_string()]);
    line.extend(install::webhook_values(sandbox)?.into_iter().flat_map(|value| ["--set".to_owned(), value]));
    line.push("--yes".to_owned());
    Ok(line)
}

/// The arguments of `kubectl` that upgrade a Flux installation: charts and values come from its sources and
/// HelmReleases.
#[must_use]
pub fn flux_line() -> Vec<String> {
    let (crds, app) = charts::PAIRS[1];
    ["mural", "upgrade", "--to", app, "--crds", crds, "--yes"].map(str::to_owned).to_vec()
}

/// The command line without `--set`: its values are long certificates.
fn format_command_line(line: &[String]) -> String {
    let mut words = line.iter();
    let mut out = Vec::new();
    while let Some(word) = words.next() {
        if word == "--set" {
            words.next();
        } else {
            out.push(word.as_str());
        }
    }
    out.join(" ")
}

fn kubectl(sandbox: &Sandbox, words: &[String]) -> Result<()> {
    let status = sandbox.command(User::Operator, "kubectl").args(words).status()?;
    ensure!(
        status.success(),
        "kubectl {} failed: {status}",
        words.iter().take(2).cloned().collect::<Vec<_>>().join(" ")
    );
    Ok(())
}

fn print_next_commands(name: &str, upgrade: &[String]) {
    let name_flag = if name == "demo" { String::new() } else { format!("--name {name} ") };
    print_message(format_args!("\nThe sandbox is still running. Try:"));
    print_message(format_args!("  cargo sandbox run {name_flag}-- helm list --namespace mural-system"));
    print_message(format_args!(
        "  cargo sandbox run {name_flag}-- kubectl {}     (nothing to do the second time)",
        format_command_line(upgrade)
    ));
    print_message(format_args!("  cargo sandbox run {name_flag}-- helm mural crds"));
    print_message(format_args!("  cargo sandbox shell {name_flag}"));
    print_message(format_args!(
        "  cargo sandbox down {name_flag}                        stop it and remove its folder"
    ));
}
