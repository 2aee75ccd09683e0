//! Builds a part from its pinned Go module, once per machine. A second process waits for the first.

use super::{KUBERNETES, Part};
use crate::message::print_message;
use anyhow::{Context as _, Result, bail};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Builds a part into the cache and returns its path. Waits if another process builds the same module.
pub(crate) fn build(part: &Part, cache: &Path) -> Result<PathBuf> {
    let target = cache.join(part.file_name());
    fs::create_dir_all(cache).with_context(|| format!("could not create {}", cache.display()))?;
    let _lock = lock_module(part, cache)?;
    if target.is_file() {
        return Ok(target);
    }
    require_go(part)?;
    let about = part.build_seconds;
    print_message(format_args!("  building {} {} (once; about {about} s on two cores)", part.name, part.version));
    let began = Instant::now();
    // With a temporary name, an interrupted build leaves no program in the cache.
    let unfinished = cache.join(format!(".{}.{}", part.file_name(), std::process::id()));
    let log = cache.join(format!(".{}.log", part.file_name()));
    let status = wait_with_progress(part, go_build(part, &unfinished, &log)?, began)?;
    if !status.success() {
        fs::remove_file(&unfinished).ok();
        bail!("building {} {} failed ({status}):\n{}", part.name, part.version, crate::sandbox::last_lines(&log, 15));
    }
    fs::rename(&unfinished, &target).with_context(|| format!("could not move it to {}", target.display()))?;
    fs::remove_file(&log).ok();
    print_message(format_args!("  built {} {} in {} s", part.name, part.version, began.elapsed().as_secs()));
    Ok(target)
}

fn lock_module(part: &Part, cache: &Path) -> Result<File> {
    let path = cache.join(format!(".{}.lock", part.module));
    let lock = File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
    if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
        print_message(format_args!("  waiting for another process to build {}", part.module));
        lock.lock().with_context(|| format!("could not lock {}", path.display()))?;
    }
    Ok(lock)
}

fn require_go(part: &Part) -> Result<()> {
    let there =
        Command::new("go").arg("version").stdin(Stdio::null()).output().is_ok_and(|output| output.status.success());
    if there {
        return Ok(());
    }
    bail!(
        "{} {} is missing, and Go is not installed to build it.\n\
         Install Go 1.26 or newer (https://go.dev/dl), or put a fitting {} on PATH{}.",
        part.name,
        part.version,
        part.name,
        if matches!(part.name, "etcd" | "kube-apiserver" | "kubectl") { " or in KUBEBUILDER_ASSETS" } else { "" },
    )
}

fn go_build(part: &Part, output: &Path, log: &Path) -> Result<Child> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(part.module);
    let log = File::create(log).with_context(|| format!("could not create {}", log.display()))?;
    Command::new("go")
        .args(["build", "-trimpath", "-ldflags", &link_flags(part), "-o"])
        .arg(output)
        .arg(part.package)
        .current_dir(&module)
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .with_context(|| format!("could not start go in {}", module.display()))
}

/// Linker flags with the versions that a release build contains. Without them Kubernetes reports v0.0.0-master, helm 3
/// assumes Kubernetes 1.20, and charts with a `kubeVersion` are rejected.
fn link_flags(part: &Part) -> String {
    let mut flags = vec!["-s".to_owned(), "-w".to_owned()];
    let mut set = |name: &str, value: &str| flags.extend(["-X".to_owned(), format!("{name}={value}")]);
    match part.module {
        "kubernetes" => {
            let version = "k8s.io/component-base/version";
            let minor = KUBERNETES.split('.').nth(1).unwrap_or_default();
            set(&format!("{version}.gitVersion"), &format!("v{KUBERNETES}"));
            set(&format!("{version}.gitMajor"), "1");
            set(&format!("{version}.gitMinor"), minor);
            set(&format!("{version}.gitTreeState"), "clean");
        }
        "helm-3.17.2" => helm3(&mut set, part.version, "32"),
        "helm-3.22.0" => helm3(&mut set, part.version, "37"),
        _ if part.name == "helm" => set("helm.sh/helm/v4/internal/version.version", &format!("v{}", part.version)),
        _ => {}
    }
    flags.join(" ")
}

fn helm3(set: &mut impl FnMut(&str, &str), version: &str, kubernetes_minor: &str) {
    set("helm.sh/helm/v3/internal/version.version", &format!("v{version}"));
    for package in ["chartutil", "lint/rules"] {
        set(&format!("helm.sh/helm/v3/pkg/{package}.k8sVersionMajor"), "1");
        set(&format!("helm.sh/helm/v3/pkg/{package}.k8sVersionMinor"), kubernetes_minor);
    }
}

/// Waits for the build and prints a line every 20 seconds: the API server takes minutes.
fn wait_with_progress(part: &Part, mut child: Child, began: Instant) -> Result<ExitStatus> {
    let mut next = Duration::from_secs(20);
    loop {
        if let Some(status) = child.try_wait().context("could not wait for go")? {
            return Ok(status);
        }
        if began.elapsed() > next {
            print_message(format_args!(
                "  still building {}: {} s of about {} s",
                part.name,
                began.elapsed().as_secs(),
                part.build_seconds
            ));
            next += Duration::from_secs(20);
        }
        sleep(Duration::from_millis(100));
    }
}
