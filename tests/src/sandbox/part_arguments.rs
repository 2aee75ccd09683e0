//! The command line of each part, and the order in which the parts start: etcd and the registry, the API server, then
//! its clients.

use super::folder::Folder;
use super::spec::Spec;
use super::users::kubeconfig_path;
use anyhow::{Context as _, Result, bail};
use std::fs;

/// The parts of a sandbox, in the order in which they start; those after the API server wait for its `/readyz`: started
/// earlier, their own role bindings are not there yet and the controller-manager exits.
pub(crate) fn parts_before_ready() -> &'static [&'static str] {
    &["etcd", "registry", "webhook", "kube-apiserver"]
}

/// See [`parts_before_ready`].
pub(crate) fn parts_after_ready(spec: &Spec) -> &'static [&'static str] {
    if spec.nodes { &["kube-controller-manager", "kube-scheduler", "kwok"] } else { &["kube-controller-manager"] }
}

/// Flux's controllers, which start as soon as their CRDs are served, and again when they end.
pub(crate) fn parts_of_flux(spec: &Spec) -> &'static [&'static str] {
    if spec.flux { &["source-controller", "helm-controller"] } else { &[] }
}

/// What a part reads from its environment.
pub(crate) fn environment(part: &str, folder: &Folder) -> Vec<(&'static str, String)> {
    if !part.ends_with("-controller") || part.starts_with("kube-") {
        return Vec::new();
    }
    let kubeconfig = kubeconfig_path(folder, part).display().to_string();
    vec![("KUBECONFIG", kubeconfig), ("RUNTIME_NAMESPACE", "flux-system".to_owned())]
}

/// The arguments of one part.
pub(crate) fn arguments(part: &str, folder: &Folder, spec: &Spec) -> Result<Vec<String>> {
    Ok(match part {
        "etcd" => etcd(folder, spec),
        "registry" => vec!["serve".to_owned(), path(folder, "registry.yaml")],
        "webhook" => vec!["__webhook".to_owned(), spec.ports.webhook.to_string(), path(folder, "pki")],
        "kube-apiserver" => api_server(folder, spec),
        "kube-controller-manager" => controllers(folder, spec),
        "kube-scheduler" => client_of_api("kube-scheduler", spec.ports.scheduler, folder),
        "kwok" => kwok(folder),
        "source-controller" => source_controller(folder, spec),
        "helm-controller" => {
            // Thirty seconds by default: too long to wait for in a test.
            [flux_controller(), vec!["--requeue-dependency=5s".to_owned()]].concat()
        }
        _ => bail!("no part `{part}` in a sandbox"),
    })
}

/// The files that the parts read.
pub(crate) fn write_files(folder: &Folder, spec: &Spec) -> Result<()> {
    let registry = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: '{}'}}\n  delete: {{enabled: true}}\n\
         http:\n  addr: 127.0.0.1:{}\n  secret: not-a-secret-on-loopback\n",
        path(folder, "registry"),
        spec.ports.registry
    );
    let stages = [
        include_str!("../kwok/node.yaml"),
        include_str!("../kwok/pod.yaml"),
        include_str!("../kwok/pod-failures.yaml"),
        include_str!("../kwok/volume.yaml"),
    ]
    .join("---\n");
    for (file, text) in [
        ("registry.yaml", registry.as_str()),
        ("stages.yaml", &stages),
        ("audit-policy.yaml", include_str!("audit-policy.yaml")),
    ] {
        let path = folder.path(file);
        fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(())
}

fn path(folder: &Folder, inside: &str) -> String {
    folder.path(inside).display().to_string()
}

fn etcd(folder: &Folder, spec: &Spec) -> Vec<String> {
    let (client, peer) =
        (format!("http://127.0.0.1:{}", spec.ports.etcd), format!("http://127.0.0.1:{}", spec.ports.etcd_peer));
    vec![
        format!("--data-dir={}", path(folder, "etcd")),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // A sandbox may lose its last second in a power cut; it may not be slow.
        "--unsafe-no-fsync".to_owned(),
    ]
}

fn api_server(folder: &Folder, spec: &Spec) -> Vec<String> {
    let pki = |file: &str| path(folder, &format!("pki/{file}"));
    vec![
        format!("--etcd-servers=http://127.0.0.1:{}", spec.ports.etcd),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", spec.ports.api),
        format!("--tls-cert-file={}", pki("server.crt")),
        format!("--tls-private-key-file={}", pki("server.key")),
        format!("--client-ca-file={}", pki("ca.crt")),
        format!("--service-account-key-file={}", pki("service-accounts.pub")),
        format!("--service-account-signing-key-file={}", pki("service-accounts.key")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--api-audiences=https://kubernetes.default.svc".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--allow-privileged".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--proxy-client-cert-file={}", pki("front-proxy.crt")),
        format!("--proxy-client-key-file={}", pki("front-proxy.key")),
        format!("--requestheader-client-ca-file={}", pki("ca.crt")),
        "--requestheader-allowed-names=front-proxy".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--audit-policy-file={}", path(folder, "audit-policy.yaml")),
        format!("--audit-log-path={}", path(folder, "audit/audit.log")),
    ]
}

fn client_of_api(part: &str, port: u16, folder: &Folder) -> Vec<String> {
    let kubeconfig = kubeconfig_path(folder, part).display().to_string();
    vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        "--leader-elect=false".to_owned(),
    ]
}

fn controllers(folder: &Folder, spec: &Spec) -> Vec<String> {
    let mut arguments = client_of_api("kube-controller-manager", spec.ports.controllers, folder);
    arguments.extend([
        format!("--service-account-private-key-file={}", path(folder, "pki/service-accounts.key")),
        format!("--root-ca-file={}", path(folder, "pki/ca.crt")),
        "--use-service-account-credentials".to_owned(),
        // A fresh cluster makes an account for each controller, one after another; the usual limit stretches that to seconds.
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        // A laptop that slept for an hour finds its pods where they were.
        "--node-monitor-grace-period=24h".to_owned(),
    ]);
    arguments
}

/// Without node leases: after a restore, kwok would wait for the old one to run out.
fn kwok(folder: &Folder) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig_path(folder, "kwok").display()),
        "--manage-all-nodes".to_owned(),
        format!("--config={}", path(folder, "stages.yaml")),
        // Pods and services must not share a range.
        "--cidr=10.64.0.0/16".to_owned(),
    ]
}

/// Arguments of both Flux controllers, without metrics and health endpoints, which would need ports.
fn flux_controller() -> Vec<String> {
    ["--metrics-addr=0", "--health-addr=0", "--events-addr=", "--watch-all-namespaces", "--log-encoding=console"]
        .map(str::to_owned)
        .to_vec()
}

fn source_controller(folder: &Folder, spec: &Spec) -> Vec<String> {
    let mut arguments = flux_controller();
    let address = format!("127.0.0.1:{}", spec.ports.artifacts);
    arguments.extend([
        format!("--storage-path={}", path(folder, "artifacts")),
        format!("--storage-addr={address}"),
        format!("--storage-adv-addr={address}"),
    ]);
    arguments
}
