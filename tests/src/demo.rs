//! `cargo sandbox demo`: the whole story, told on a real control plane.

use anyhow::{Result, ensure};

use crate::message::print_message;
use crate::sandbox::{Options, Sandbox, User};
use crate::{charts, install, plugins};

/// What `cargo sandbox demo` takes besides `--name`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The helm inside: 3, 4, 3.17 or a full version.
    #[arg(long, value_name = "VERSION")]
    pub helm: Option<String>,
    /// On the Flux path: installed by the page's four manifests, upgraded through their sources.
    #[arg(long)]
    pub flux: bool,
}

/// Up, the older pair anew, the upgrade, validate; the sandbox stays.
///
/// # Errors
/// A step fails; what it said is on the terminal.
pub fn run(name: &str, args: &Args) -> Result<()> {
    print_message("1  a control plane of its own");
    let programs = plugins::folder()?;
    // Anew: a fresh control plane is quicker than taking an installation away.
    Sandbox::down_by_name(name)?;
    let sandbox = Sandbox::up(&Options { helm: args.helm.clone(), flux: args.flux, ..Options::with_name(name) })?;
    plugins::link_helm_plugin(&sandbox, &programs)?;
    let (crds, app) = charts::PAIRS[0];
    print_message(format_args!("\n2  the older installation: mural-crds {crds}, mural {app}"));
    install::install(&sandbox, &install::Args { flux: args.flux, ..install::Args::default() })?;
    let upgrade = if args.flux { flux_line() } else { upgrade_line(&sandbox)? };
    print_message(format_args!("\n3  the upgrade\n$ kubectl {}\n", format_command_line(&upgrade)));
    kubectl(&sandbox, &upgrade)?;
    let validate = ["mural", "validate"].map(str::to_owned);
    print_message("\n4  is it healthy?\n$ kubectl mural validate\n");
    kubectl(&sandbox, &validate)?;
    print_next_commands(name, &upgrade);
    Ok(())
}

/// The upgrade's words after `kubectl`, for the sandbox's registry and the sample operator's values.
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

/// The same on the Flux path: charts and values are the sources' and the HelmReleases' own.
#[must_use]
pub fn flux_line() -> Vec<String> {
    let (crds, app) = charts::PAIRS[1];
    ["mural", "upgrade", "--to", app, "--crds", crds, "--yes"].map(str::to_owned).to_vec()
}

/// The line without what only the sandbox needs: a certificate is long and says nothing.
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
        "kubectl {} ended with {status}",
        words.iter().take(2).cloned().collect::<Vec<_>>().join(" ")
    );
    Ok(())
}

fn print_next_commands(name: &str, upgrade: &[String]) {
    let name_flag = if name == "demo" { String::new() } else { format!("--name {name} ") };
    print_message(format_args!("\nThe sandbox stays up. Try next:"));
    print_message(format_args!("  cargo sandbox run {name_flag}-- helm list --namespace mural-system"));
    print_message(format_args!(
        "  cargo sandbox run {name_flag}-- kubectl {}     (a second time: nothing to do)",
        format_command_line(upgrade)
    ));
    print_message(format_args!("  cargo sandbox run {name_flag}-- helm mural crds"));
    print_message(format_args!("  cargo sandbox shell {name_flag}"));
    print_message(format_args!(
        "  cargo sandbox down {name_flag}                        stops it and leaves nothing behind"
    ));
}
