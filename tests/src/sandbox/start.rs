//! `up`: from nothing, from a stopped folder, or from one that already runs.

use super::folder::Folder;
use super::spec::{Phase, Ports, Spec, State};
use super::{Options, Sandbox, User, part_arguments, running, users};
use crate::message::print_message;
use crate::parts::{self, Source};
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

pub(crate) fn up(options: &Options) -> Result<Sandbox> {
    let began = Instant::now();
    let folder = Folder::of(&options.name)?;
    let _held = folder.lock()?;
    let old = if folder.exists() { Some(Spec::read(&folder)?) } else { None };
    if let Some(spec) = old.clone().filter(|_| folder.is_supervised()) {
        return join(folder, spec, options);
    }
    running::stop(&folder)?;
    let spec = prepare(&folder, old.as_ref(), options)?;
    print_message(format_args!("starting the sandbox `{}`: {}", spec.name, started(&spec)));
    running::start(&folder)?;
    let sandbox = Sandbox { folder, spec };
    furnish(&sandbox)?;
    print_message(format_args!("  ready after {:.1} s", began.elapsed().as_secs_f64()));
    Ok(sandbox)
}

/// One that runs is taken as it is; only its helm can be exchanged meanwhile.
fn join(folder: Folder, mut spec: Spec, options: &Options) -> Result<Sandbox> {
    ensure!(options.from.is_none(), "the sandbox `{0}` runs already: `cargo sandbox down --name {0}` first", spec.name);
    ensure!(
        options.nodes == spec.nodes && (spec.flux || !options.flux),
        "the sandbox `{0}` runs with other parts: `cargo sandbox down --name {0}` first",
        spec.name
    );
    let state = State::read(&folder);
    if state.phase == Phase::Starting {
        running::wait_ready(&folder, state.supervisor)?;
    }
    if options.helm.is_some() {
        let (version, path) = helm(options)?;
        spec.programs.insert("helm".to_owned(), path);
        spec.helm = version;
        spec.write(&folder)?;
        link_programs(&folder, &spec)?;
    }
    print_message(format_args!("the sandbox `{}` is already running (helm {})", spec.name, spec.helm));
    let sandbox = Sandbox { folder, spec };
    furnish(&sandbox)?;
    Ok(sandbox)
}

fn prepare(folder: &Folder, old: Option<&Spec>, options: &Options) -> Result<Spec> {
    let (helm, programs) = programs(options, old)?;
    let choosing = folder.lock_ports()?;
    let ports = match old.filter(|spec| spec.ports.are_free()) {
        Some(spec) => spec.ports.clone(),
        None => Ports::choose()?,
    };
    let spec = Spec { name: folder.name().to_owned(), helm, nodes: options.nodes, flux: options.flux, ports, programs };
    folder.create()?;
    spec.write(folder)?;
    drop(choosing);
    if let Some(snapshot) = &options.from {
        snapshot.copy_into(folder)?;
    }
    if !users::has_certificates(folder) {
        users::make_certificates(folder)?;
    }
    users::write_kubeconfigs(folder, &spec)?;
    part_arguments::write_files(folder, &spec)?;
    link_programs(folder, &spec)?;
    Ok(spec)
}

/// Every part but helm, of which there are several.
const ALL: [&str; 9] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kwok",
    "registry",
    "source-controller",
    "helm-controller",
];

/// Finds or builds every part, and says only what is not plainly in the cache.
fn programs(options: &Options, old: Option<&Spec>) -> Result<(String, BTreeMap<String, PathBuf>)> {
    let mut programs = BTreeMap::new();
    for name in ALL {
        let wanted = match name {
            "kube-scheduler" | "kwok" => options.nodes,
            "source-controller" | "helm-controller" => options.flux,
            _ => true,
        };
        if !wanted {
            continue;
        }
        let part = match name {
            "helm-controller" => parts::helm_controller(std::env::var(parts::HELM_CONTROLLER).ok().as_deref())?,
            name => parts::part_named(name)?,
        };
        let found = parts::find_or_build(&part)?;
        if found.source != Source::Cache {
            print_message(format_args!("  {name} {} from {}", found.version, found.path.display()));
        }
        programs.insert(name.to_owned(), found.path);
    }
    programs.insert("webhook".to_owned(), running::own_program()?);
    let kept = old
        .filter(|_| options.helm.is_none())
        .and_then(|spec| Some((spec.helm.clone(), spec.programs.get("helm")?.clone())));
    let (version, path) = match kept.filter(|(_, path)| path.is_file()) {
        Some(kept) => kept,
        None => helm(options)?,
    };
    programs.insert("helm".to_owned(), path);
    Ok((version, programs))
}

fn helm(options: &Options) -> Result<(String, PathBuf)> {
    let found = parts::find_or_build(&parts::helm(options.helm.as_deref())?)?;
    Ok((found.version, found.path))
}

fn link_programs(folder: &Folder, spec: &Spec) -> Result<()> {
    for name in ["helm", "kubectl"] {
        let link = folder.path("bin").join(name);
        fs::remove_file(&link).ok();
        std::os::unix::fs::symlink(spec.program(name)?, &link)
            .with_context(|| format!("could not link {}", link.display()))?;
    }
    Ok(())
}

fn started(spec: &Spec) -> String {
    let nodes = if spec.nodes { "scheduler, kwok, " } else { "" };
    let flux = if spec.flux { "source-controller, helm-controller, " } else { "" };
    format!(
        "etcd, API server {}, controllers, {nodes}{flux}registry on 127.0.0.1:{}, helm {}",
        parts::KUBERNETES,
        spec.ports.registry,
        spec.helm
    )
}

/// Users' rights, a storage class, a node; then waits until controllers and node do their work.
fn furnish(sandbox: &Sandbox) -> Result<()> {
    let mark = sandbox.folder.path("furnished");
    if mark.is_file() {
        return Ok(());
    }
    let mut objects = include_str!("fixtures.yaml").to_owned();
    if sandbox.spec.nodes {
        objects.push_str("---\n");
        objects.push_str(include_str!("node.yaml"));
    }
    kubectl(sandbox, &["apply", "--server-side", "--force-conflicts", "-f", "-"], &objects)?;
    if sandbox.spec.nodes {
        kubectl(sandbox, &["wait", "--for=condition=Ready", "node/node-1", "--timeout=60s"], "")?;
    }
    // Pods need it, and its presence proves that the controllers work.
    kubectl(sandbox, &["wait", "--for=create", "serviceaccount/default", "--namespace=default", "--timeout=60s"], "")?;
    mark_file(&mark)
}

fn mark_file(mark: &Path) -> Result<()> {
    fs::write(mark, "").with_context(|| format!("could not write {}", mark.display()))
}

fn kubectl(sandbox: &Sandbox, arguments: &[&str], input: &str) -> Result<()> {
    let mut child = sandbox
        .command(User::Admin, sandbox.spec.program("kubectl")?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("could not start kubectl")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).context("kubectl's standard input")?;
    }
    let output = child.wait_with_output().context("kubectl")?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "kubectl {} failed ({}): {}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    )
}
