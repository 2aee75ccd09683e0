//! `cargo sandbox install`: the older installation, by helm, with an operator's own objects in it.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::message::print_message;
use crate::sandbox::{Sandbox, User};
use crate::{charts, flux};

/// Where the installation lives.
pub const NAMESPACE: &str = "mural-system";

/// What `cargo sandbox install` takes besides `--name`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Version of the CRD chart.
    #[arg(long, default_value = charts::PAIRS[0].0)]
    pub crds: String,
    /// Version of the application.
    #[arg(long, default_value = charts::PAIRS[0].1)]
    pub app: String,
    /// By Flux, with the page's four manifests, instead of helm. The sandbox must have been started with --flux.
    #[arg(long)]
    pub flux: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self { crds: charts::PAIRS[0].0.to_owned(), app: charts::PAIRS[0].1.to_owned(), flux: false }
    }
}

/// Installs anew: what is there is taken away first.
///
/// # Errors
/// helm or kubectl fail; their words are in the message.
pub fn run(name: &str, args: &Args) -> Result<()> {
    install(&Sandbox::open(name)?, args)
}

/// As [`run`], in a sandbox at hand.
///
/// # Errors
/// As there.
pub fn install(sandbox: &Sandbox, args: &Args) -> Result<()> {
    let crds = chart("mural-crds", &args.crds)?;
    let app = chart("mural", &args.app)?;
    run_step("charts in the registry", || charts::push(sandbox))?;
    run_step("nothing left of an older installation", || remove(sandbox))?;
    if args.flux {
        return install_with_flux(sandbox, args);
    }
    let (crds, app) = (crds.to_string_lossy().into_owned(), app.to_string_lossy().into_owned());
    let (values, hook) = (charts::values_file().to_string_lossy().into_owned(), webhook_values(sandbox)?);
    run_step(&format!("helm install mural-crds {}", args.crds), || {
        helm(sandbox, &["install", "mural-crds", &crds, "--namespace", NAMESPACE, "--create-namespace"])
    })?;
    run_step("its CRDs are established", || {
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
    run_step("an operator's own objects", || kubectl(sandbox, &["apply", "--server-side", "--filename", &objects]))
}

/// As the page's Flux path does it; Flux's own CRDs come first, as with `flux install`.
fn install_with_flux(sandbox: &Sandbox, args: &Args) -> Result<()> {
    ensure!(sandbox.spec().flux, "the sandbox `{0}` has no Flux: cargo sandbox up --flux --name {0}", sandbox.name());
    run_step("Flux's own CRDs", || flux::crds(sandbox))?;
    let values = flux::sample_values(sandbox)?;
    let pair = flux::Pair { crds: &args.crds, app: &args.app, values: &values };
    run_step("the page's four manifests", || flux::apply(sandbox, &flux::manifests(sandbox, &pair)))?;
    run_step(&format!("mural-crds {} is Ready", args.crds), || flux::ready(sandbox, "mural-crds"))?;
    run_step(&format!("mural {} is Ready", args.app), || flux::ready(sandbox, "mural"))?;
    objects(sandbox)
}

/// Where the sandbox's webhook answers, as values of the application's chart.
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
        .with_context(|| format!("no sample chart {name} {version}: there are {}", known()))
}

/// Takes away what an earlier installation left: webhooks first, so that nothing stands in the way of the rest.
///
/// # Errors
/// kubectl fails; its words are in the message.
pub fn remove(sandbox: &Sandbox) -> Result<()> {
    let ignore = "--ignore-not-found";
    kubectl(sandbox, &["delete", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "--all", ignore])?;
    let crds = output(sandbox, "kubectl", &["get", "crd", "--output", "name"])?;
    let ours = crds.lines().filter(|name| {
        ["spectrocloud.com", "fluxcd.io", "open-cluster-management.io"].iter().any(|group| name.ends_with(group))
    });
    // In one call, so that the API server takes them away side by side.
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

/// Runs helm or kubectl as the operator and gives what it wrote.
///
/// # Errors
/// It fails; its words are in the message.
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
