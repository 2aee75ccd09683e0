//! An appliance: a registry with a password stands in for Zot, and the Service `zot` marks it as the cluster's own
//! registry.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use mural_tests::flux as flux_install;
use mural_tests::sandbox::User;
use serde_json::json;

use super::{base64, deployed_version, install_older, newer_flags, patch, upgrade, wait_within};
use crate::small::{self, NAMESPACE};
use crate::test_cluster::TestCluster;

/// `zot:zot-password`, as htpasswd writes it.
const LOGIN: &str = "zot:$2b$04$wqhJ5njPXwD2r/KPVW5M7ubVGFsDR/NII9GSHXYn2Z6ve1JeENr0W\n";
const PASSWORD: &str = "zot-password";

/// A registry that ends with the test.
struct Zot {
    child: Child,
    host: String,
    config: PathBuf,
}

impl Drop for Zot {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Zot {
    /// On a port that a node of an appliance could have.
    fn start(test_cluster: &TestCluster) -> Result<Self> {
        let port = (30_100..32_700).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("a port")?;
        let folder = tempfile::Builder::new().prefix("zot-").tempdir_in(test_cluster.files())?.keep();
        std::fs::write(folder.join("htpasswd"), LOGIN)?;
        let (data, users) = (folder.join("data"), folder.join("htpasswd"));
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\nhttp: {{addr: '127.0.0.1:{port}', secret: x}}\n\
             auth: {{htpasswd: {{realm: zot, path: '{}'}}}}\n",
            data.display(),
            users.display()
        );
        std::fs::write(folder.join("config.yaml"), text)?;
        let child = Command::new(test_cluster.sandbox()?.spec().program("registry")?)
            .args(["serve", &folder.join("config.yaml").display().to_string()])
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let (host, config) = (format!("127.0.0.1:{port}"), folder.join("login.json"));
        std::fs::write(&config, login(&host, PASSWORD))?;
        wait_within(20, "the registry answers", || Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()))?;
        Ok(Self { child, host, config })
    }

    fn port(&self) -> u16 {
        self.host.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default()
    }

    fn push(&self, test_cluster: &TestCluster, chart: &Path) -> Result<()> {
        let (file, to) = (small::pack(test_cluster, chart)?, format!("oci://{}/mural", self.host));
        let args = ["push", &file, &to, "--plain-http"];
        test_cluster
            .run_with(User::Admin, "helm", &args, "", &[("HELM_REGISTRY_CONFIG", &self.config)])?
            .expect_code(0)?;
        Ok(())
    }
}

fn login(host: &str, password: &str) -> String {
    json!({"auths": {host: {"auth": base64(&format!("zot:{password}"))}}}).to_string()
}

/// The Secret that both sources name.
fn secret(test_cluster: &TestCluster, zot: &Zot, password: &str) -> Result<()> {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "zot", "namespace": NAMESPACE}, "stringData": {".dockerconfigjson": login(&zot.host, password)}});
    flux_install::apply(test_cluster.sandbox()?, &secret.to_string())
}

/// The appliance rehearsal: each refusal, then the upgrade.
pub fn rehearsal(test_cluster: &TestCluster) -> Result<()> {
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    install_older(test_cluster)?;
    let zot = Zot::start(test_cluster)?;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "zot", "namespace": NAMESPACE},
        "spec": {"type": "NodePort", "selector": {"app": "zot"}, "ports": [{"port": 5000, "nodePort": zot.port()}]}});
    flux_install::apply(test_cluster.sandbox()?, &service.to_string())?;
    secret(test_cluster, &zot, PASSWORD)?;
    zot.push(test_cluster, &small::crds(test_cluster, "0.7.1")?)?;
    zot.push(test_cluster, &small::app(test_cluster, "1.1.0-rc.0")?)?;
    for name in ["mural-crds", "mural"] {
        let spec = json!({"spec": {"url": format!("oci://{}/mural/{name}", zot.host), "secretRef": {"name": "zot"}}});
        patch(test_cluster, "ocirepository", name, &spec.to_string())?;
    }
    wait_within(60, "the sources are the appliance's", || {
        let source = test_cluster.get(&["ocirepository", "mural", "--namespace", NAMESPACE])?;
        Ok(source["status"]["observedGeneration"] == source["metadata"]["generation"])
    })?;
    flux_install::ready(test_cluster.sandbox()?, "mural-crds")?;
    flux_install::ready(test_cluster.sandbox()?, "mural")?;
    refusals(test_cluster, &zot)?;
    let done = upgrade(
        test_cluster,
        &[],
        &newer_flags(&["--yes", "--mode", "appliance", "--bundle", &bundle(test_cluster)?]),
    )?
    .expect_code(0)?;
    for told in ["owner: the appliance (HelmRelease mural-system/mural", "Review Changes", "upgraded"] {
        ensure!(done.all_text().contains(told), "does not tell {told:?}:\n{}", done.all_text());
    }
    ensure!(
        !done.all_text().contains(PASSWORD) && deployed_version(test_cluster, "mural")?.starts_with("1.1.0-rc.3"),
        "{}",
        done.all_text()
    );
    let url = &test_cluster.get(&["ocirepository", "mural", "--namespace", NAMESPACE])?["spec"]["url"];
    ensure!(*url == format!("oci://{}/mural/mural", zot.host), "the url was touched: {url}");
    Ok(())
}

fn refusals(test_cluster: &TestCluster, zot: &Zot) -> Result<()> {
    let refuses = |more: &[&str], told: &str| -> Result<()> {
        let mark = test_cluster.mark()?;
        let ended = upgrade(test_cluster, &[], &newer_flags(more))?.expect_code(5).with_context(|| told.to_owned())?;
        ensure!(ended.all_text().contains(told), "does not tell {told:?}:\n{}", ended.all_text());
        ensure!(!ended.all_text().contains(PASSWORD), "tells the password");
        test_cluster.ensure_nothing_written(mark)
    };
    refuses(&["--yes"], "does not have mural-crds 0.7.4")?;
    zot.push(test_cluster, &small::crds(test_cluster, "0.7.4")?)?;
    zot.push(test_cluster, &small::app(test_cluster, "1.1.0-rc.3")?)?;
    secret(test_cluster, zot, "another")?;
    refuses(&["--yes"], "the registry rejects the login of Secret mural-system/zot")?;
    secret(test_cluster, zot, PASSWORD)?;
    let whole = std::fs::read(bundle(test_cluster)?)?;
    let truncated = test_cluster.files().join("truncated.tar.gz");
    std::fs::write(&truncated, &whole[..whole.len() - 30])?;
    refuses(&["--yes", "--bundle", &truncated.display().to_string()], "is not a complete archive")
}

/// A content bundle with both newer charts in it.
fn bundle(test_cluster: &TestCluster) -> Result<String> {
    let file = test_cluster.files().join("content.tar.gz");
    let packed = test_cluster.files().join("packed");
    let names = ["mural-crds-0.7.4.tgz", "mural-1.1.0-rc.3.tgz"];
    let made = Command::new("tar").arg("czf").arg(&file).arg("-C").arg(packed).args(names).status()?;
    ensure!(made.success(), "tar ended with {made}");
    Ok(file.display().to_string())
}
