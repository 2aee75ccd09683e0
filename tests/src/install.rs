//! `cargo sandbox install`: install the sample charts with helm or Flux, and create an operator's objects.
//!
//! Tests use the same functions. An existing installation is removed first.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::message::print_message;
use crate::sandbox::{Sandbox, User};
use crate::{charts, flux};

/// Namespace of the installation.
pub const NAMESPACE: &str = "mural-system";

/// Flags of `cargo sandbox install`, besides `--name`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Version of the CRD chart.
    #[arg(long, default_value = charts::PAIRS[0].0)]
    pub crds: String,
    /// Version of the application.
    #[arg(long, default_value = charts::PAIRS[0].1)]
    pub app: String,
    /// Install with Flux, by the manifests of the vendor's guide, instead of helm. Needs a sandbox that was started
    /// with --flux.
    #[arg(long)]
    pub flux: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self { crds: charts::PAIRS[0].0.to_owned(), app: charts::PAIRS[0].1.to_owned(), flux: false }
    }
}

/// Installs the sample charts into the sandbox of this name.
///
/// # Errors
/// The sandbox does not run, or helm or kubectl fails. The message contains their output.
pub fn run(name: &str, args: &Args) -> Result<()> {
    install(&Sandbox::open(name)?, args)
}

/// Installs the sample charts. An existing installation is removed first.
///
/// # Errors
/// helm or kubectl fails. The message contains its output.
pub fn install(sandbox: &Sandbox, args: &Args) -> Result<()> {
    let crds = chart("mural-crds", &args.crds)?;
    let app = chart("mural", &args.app)?;
    run_step("push the charts to the registry", || charts::push(sandbox))?;
    run_step("remove the previous installation", || remove(sandbox))?;
    if args.flux {
        return install_with_flux(sandbox, args);
    }
    let (crds, app) = (crds.to_string_lossy().into_owned(), app.to_string_lossy().into_owned());
    let (values, hook) = (charts::values_file().to_string_lossy().into_owned(), webhook_values(sandbox)?);
    run_step(&format!("helm install mural-crds {}", args.crds), || {
        helm(sandbox, &["install", "mural-crds", &crds, "--namespace", NAMESPACE, "--create-namespace"])
    })?;
    run_step("wait until the CRDs are Established", || {
        kubectl(sandbox, &["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])
    })?;
    run_step(&format!("helm install mural {} --wait", args.app), || {
        let hooks: Vec<&str> = hook.iter().flat_map(|value| ["--set", value.as_str()]).collect();
        let line =
            ["install", "mural", &app, "--namespace", NAMESPACE, "--values", &values, "--wait", "--timeout=120s"];
        helm(sandbox, &[&line[..], &hooks[..]].concat())
    })?;
    objects(sandbox)
}

fn objects(sandbox: &Sandbox) -> Result<()> {
    let objects = charts::objects().to_string_lossy().into_owned();
    run_step("create the operator's objects", || kubectl(sandbox, &["apply", "--server-side", "--filename", &objects]))
}

/// Installs by the Flux manifests of the vendor's guide. The CRDs of Flux come first, as with `flux install`.
fn install_with_flux(sandbox: &Sandbox, args: &Args) -> Result<()> {
    ensure!(
        sandbox.spec().flux,
        "the sandbox `{0}` has no Flux; start one with `cargo sandbox up --flux --name {0}`",
        sandbox.name()
    );
    run_step("install the CRDs of Flux", || flux::crds(sandbox))?;
    let values = flux::sample_values(sandbox)?;
    let pair = flux::Pair { crds: &args.crds, app: &args.app, values: &values };
    run_step("apply the guide's four manifests", || flux::apply(sandbox, &flux::manifests(sandbox, &pair)))?;
    run_step(&format!("wait until mural-crds {} is Ready", args.crds), || flux::ready(sandbox, "mural-crds"))?;
    run_step(&format!("wait until mural {} is Ready", args.app), || flux::ready(sandbox, "mural"))?;
    objects(sandbox)
}

/// Values of the application's chart that set the URL and CA bundle of the sandbox's webhook, as `KEY=VALUE` for
/// `--set`.
///
/// # Errors
/// The sandbox's certificate authority cannot be read.
pub fn webhook_values(sandbox: &Sandbox) -> Result<Vec<String>> {
    let authority = std::fs::read(sandbox.dir().join("pki/ca.crt")).context("the sandbox's certificate authority")?;
    let (bundle, url) = (STANDARD.encode(authority), sandbox.webhook());
    let of = |place: &str| [format!("{place}.url={url}"), format!("{place}.caBundle={bundle}")];
    Ok([of("hue.admission"), of("fleetConfig.admissionWebhooks")].concat())
}

fn chart(name: &str, version: &str) -> Result<PathBuf> {
    let all = charts::assemble()?;
    let known = || all.keys().filter_map(|key| key.strip_prefix(&format!("{name}-"))).collect::<Vec<_>>().join(", ");
    all.get(&format!("{name}-{version}"))
        .cloned()
        .with_context(|| format!("there is no sample chart {name} {version}; versions: {}", known()))
}

/// Removes an installation. Webhooks go first, because they could reject the other deletions.
///
/// # Errors
/// kubectl fails. The message contains its output.
pub fn remove(sandbox: &Sandbox) -> Result<()> {
    let ignore = "--ignore-not-found";
    kubectl(sandbox, &["delete", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "--all", ignore])?;
    let crds = output(sandbox, "kubectl", &["get", "crd", "--output", "name"])?;
    let ours = crds.lines().filter(|name| {
        ["spectrocloud.com", "fluxcd.io", "open-cluster-management.io"].iter().any(|group| name.ends_with(group))
    });
    // One call deletes in parallel.
    let namespace = format!("namespace/{NAMESPACE}");
    let all: Vec<&str> = ours.chain([namespace.as_str()]).collect();
    kubectl(sandbox, &[&["delete", ignore, "--wait=true", "--timeout=120s"], &all[..]].concat())
}

fn run_step(what: &str, act: impl FnOnce() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    act().with_context(|| what.to_owned())?;
    print_message(format_args!("  {what:<48} {:>5.1} s", began.elapsed().as_secs_f64()));
    Ok(())
}

fn helm(sandbox: &Sandbox, args: &[&str]) -> Result<()> {
    output(sandbox, "helm", args).map(drop)
}

fn kubectl(sandbox: &Sandbox, args: &[&str]) -> Result<()> {
    output(sandbox, "kubectl", args).map(drop)
}

/// Runs helm or kubectl as the operator and returns its standard output.
///
/// # Errors
/// It fails. The message contains its standard error.
pub fn output(sandbox: &Sandbox, program: &str, args: &[&str]) -> Result<String> {
    ensure!(["helm", "kubectl"].contains(&program), "only helm and kubectl");
    let output = sandbox
        .command(User::Operator, program)
        .args(args)
        .output()
        .with_context(|| format!("could not start {program}"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", args.first().unwrap_or(&""), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
