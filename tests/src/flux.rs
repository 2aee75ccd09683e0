//! Installs by Flux in a sandbox: the CRDs of Flux, the four manifests of the vendor's guide, and waiting for them.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use mural::model::yaml::{self, ErrorDetail};
use serde_json::{Value, json};

use crate::charts;
use crate::install::{NAMESPACE, output, webhook_values};
use crate::sandbox::{Sandbox, User};

/// Versions of both charts, and the application's values.
#[derive(Debug)]
pub struct Pair<'a> {
    /// Version of the CRD chart.
    pub crds: &'a str,
    /// Version of the application.
    pub app: &'a str,
    /// `spec.values` of the application's HelmRelease.
    pub values: &'a Value,
}

/// Applies the CRDs of Flux, as `flux install` does, and waits until they are Established.
///
/// # Errors
/// The CRDs cannot be read or applied.
pub fn crds(sandbox: &Sandbox) -> Result<()> {
    let all = charts::public_crds(charts::PAIRS[0].0)?;
    let flux: Vec<&str> =
        all.iter().filter(|(name, _)| name.ends_with("toolkit.fluxcd.io")).map(|(_, text)| text.as_str()).collect();
    ensure!(flux.len() >= 6, "found only {} CRDs of Flux", flux.len());
    apply(sandbox, &flux.join("\n---\n"))?;
    let names = ["helmreleases.helm.toolkit.fluxcd.io", "ocirepositories.source.toolkit.fluxcd.io"];
    let wait = ["wait", "--for=condition=Established", "crd", names[0], names[1], "--timeout=60s"];
    output(sandbox, "kubectl", &wait).map(drop)
}

/// The four manifests of the vendor's guide, for the sandbox's registry.
#[must_use]
pub fn manifests(sandbox: &Sandbox, pair: &Pair<'_>) -> String {
    let source = |name: &str, version: &str| {
        json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"interval": "10m", "ref": {"semver": version}, "url": format!("oci://{}/mural/{name}", sandbox.registry()), "insecure": true}})
    };
    let release = |name: &str, more: Value| {
        let mut object = json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"interval": "10m", "chartRef": {"kind": "OCIRepository", "name": name, "namespace": NAMESPACE}}});
        for (key, value) in more.as_object().into_iter().flatten() {
            object["spec"][key] = value.clone();
        }
        object
    };
    let policy = json!({"install": {"crds": "Create"}, "upgrade": {"crds": "CreateReplace"}});
    let all = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        source("mural-crds", pair.crds),
        source("mural", pair.app),
        release("mural-crds", policy),
        release("mural", json!({"dependsOn": [{"name": "mural-crds"}], "values": pair.values})),
    ];
    all.map(|object| object.to_string()).join("\n---\n")
}

/// The sample operator's values, with the address of the sandbox's webhook.
///
/// # Errors
/// The values file cannot be read.
pub fn sample_values(sandbox: &Sandbox) -> Result<Value> {
    let text = std::fs::read_to_string(charts::values_file())?;
    let mut values = yaml::parse_document(&text, ErrorDetail::LocationOnly).context("the sample values")?;
    for line in webhook_values(sandbox)? {
        let (place, value) = line.split_once('=').context("key=value")?;
        let mut here = &mut values;
        for key in place.split('.') {
            here = &mut here[key];
        }
        *here = value.into();
    }
    Ok(values)
}

/// Runs `kubectl apply --server-side` on these documents as the operator.
///
/// # Errors
/// kubectl fails. The message contains its output.
pub fn apply(sandbox: &Sandbox, documents: &str) -> Result<()> {
    let mut child = sandbox
        .command(User::Operator, "kubectl")
        .args(["apply", "--server-side", "--force-conflicts", "--filename", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("could not start kubectl")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(documents.as_bytes()).context("kubectl's standard input")?;
    }
    let ended = child.wait_with_output().context("kubectl")?;
    if !ended.status.success() {
        bail!("kubectl apply: {}", String::from_utf8_lossy(&ended.stderr).trim());
    }
    Ok(())
}

/// Waits until a HelmRelease is Ready.
///
/// # Errors
/// It is not Ready within 120 seconds. The message contains its conditions.
pub fn ready(sandbox: &Sandbox, name: &str) -> Result<()> {
    let place = format!("helmrelease/{name}");
    let wait = ["wait", "--for=condition=Ready", &place, "--namespace", NAMESPACE, "--timeout=120s"];
    output(sandbox, "kubectl", &wait).map(drop).with_context(|| {
        let path = "jsonpath={.status.conditions}";
        output(sandbox, "kubectl", &["get", &place, "--namespace", NAMESPACE, "--output", path]).unwrap_or_default()
    })
}
