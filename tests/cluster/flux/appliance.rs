//! An appliance: a registry with a password stands for Zot, the Service `zot` says that it is the cluster's own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use mural_tests::flux as page;
use mural_tests::sandbox::User;
use serde_json::json;

use super::{at, base64, newer, older, patch, upgrade, within};
use crate::ground::Ground;
use crate::small::{self, NAMESPACE};

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
    fn start(ground: &Ground) -> Result<Self> {
        let port = (30_100..32_700).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("a port")?;
        let folder = tempfile::Builder::new().prefix("zot-").tempdir_in(ground.files())?.keep();
        std::fs::write(folder.join("htpasswd"), LOGIN)?;
        let (data, users) = (folder.join("data"), folder.join("htpasswd"));
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\nhttp: {{addr: '127.0.0.1:{port}', secret: x}}\n\
             auth: {{htpasswd: {{realm: zot, path: '{}'}}}}\n",
            data.display(),
            users.display()
        );
        std::fs::write(folder.join("config.yaml"), text)?;
        let child = Command::new(ground.sandbox()?.spec().program("registry")?)
            .args(["serve", &folder.join("config.yaml").display().to_string()])
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let (host, config) = (format!("127.0.0.1:{port}"), folder.join("login.json"));
        std::fs::write(&config, login(&host, PASSWORD))?;
        within(20, "the registry answers", || Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()))?;
        Ok(Self { child, host, config })
    }

    fn port(&self) -> u16 {
        self.host.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default()
    }

    fn push(&self, ground: &Ground, chart: &Path) -> Result<()> {
        let (file, to) = (small::pack(ground, chart)?, format!("oci://{}/mural", self.host));
        let args = ["push", &file, &to, "--plain-http"];
        ground.run_with(User::Admin, "helm", &args, "", &[("HELM_REGISTRY_CONFIG", &self.config)])?.with(0)?;
        Ok(())
    }
}

fn login(host: &str, password: &str) -> String {
    json!({"auths": {host: {"auth": base64(&format!("zot:{password}"))}}}).to_string()
}

/// The Secret that both sources name.
fn secret(ground: &Ground, zot: &Zot, password: &str) -> Result<()> {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "zot", "namespace": NAMESPACE}, "stringData": {".dockerconfigjson": login(&zot.host, password)}});
    page::apply(ground.sandbox()?, &secret.to_string())
}

/// The appliance rehearsal: each refusal, then the upgrade.
pub fn rehearsal(ground: &Ground) -> Result<()> {
    let (ground, _turn) = ground.flux();
    older(ground)?;
    let zot = Zot::start(ground)?;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "zot", "namespace": NAMESPACE},
        "spec": {"type": "NodePort", "selector": {"app": "zot"}, "ports": [{"port": 5000, "nodePort": zot.port()}]}});
    page::apply(ground.sandbox()?, &service.to_string())?;
    secret(ground, &zot, PASSWORD)?;
    zot.push(ground, &small::crds(ground, "0.7.1")?)?;
    zot.push(ground, &small::app(ground, "1.1.0-rc.0")?)?;
    for name in ["mural-crds", "mural"] {
        let spec = json!({"spec": {"url": format!("oci://{}/mural/{name}", zot.host), "secretRef": {"name": "zot"}}});
        patch(ground, "ocirepository", name, &spec.to_string())?;
    }
    within(60, "the sources are the appliance's", || {
        let source = ground.get(&["ocirepository", "mural", "--namespace", NAMESPACE])?;
        Ok(source["status"]["observedGeneration"] == source["metadata"]["generation"])
    })?;
    page::ready(ground.sandbox()?, "mural-crds")?;
    page::ready(ground.sandbox()?, "mural")?;
    refusals(ground, &zot)?;
    let done =
        upgrade(ground, &[], &newer(&["--yes", "--mode", "appliance", "--bundle", &bundle(ground)?]))?.with(0)?;
    for told in ["owner: the appliance (HelmRelease mural-system/mural", "Review Changes", "upgraded"] {
        ensure!(done.all().contains(told), "does not tell {told:?}:\n{}", done.all());
    }
    ensure!(!done.all().contains(PASSWORD) && at(ground, "mural")?.starts_with("1.1.0-rc.3"), "{}", done.all());
    let url = &ground.get(&["ocirepository", "mural", "--namespace", NAMESPACE])?["spec"]["url"];
    ensure!(*url == format!("oci://{}/mural/mural", zot.host), "the url was touched: {url}");
    Ok(())
}

fn refusals(ground: &Ground, zot: &Zot) -> Result<()> {
    let refuses = |more: &[&str], told: &str| -> Result<()> {
        let mark = ground.mark()?;
        let ended = upgrade(ground, &[], &newer(more))?.with(5).with_context(|| told.to_owned())?;
        ensure!(ended.all().contains(told), "does not tell {told:?}:\n{}", ended.all());
        ensure!(!ended.all().contains(PASSWORD), "tells the password");
        ground.nothing_written(mark)
    };
    refuses(&["--yes"], "does not hold mural-crds 0.7.4")?;
    zot.push(ground, &small::crds(ground, "0.7.4")?)?;
    zot.push(ground, &small::app(ground, "1.1.0-rc.3")?)?;
    secret(ground, zot, "another")?;
    refuses(&["--yes"], "the login of Secret mural-system/zot is not taken")?;
    secret(ground, zot, PASSWORD)?;
    let whole = std::fs::read(bundle(ground)?)?;
    let truncated = ground.files().join("truncated.tar.gz");
    std::fs::write(&truncated, &whole[..whole.len() - 30])?;
    refuses(&["--yes", "--bundle", &truncated.display().to_string()], "is no whole archive")
}

/// A content bundle with both newer charts in it.
fn bundle(ground: &Ground) -> Result<String> {
    let file = ground.files().join("content.tar.gz");
    let packed = ground.files().join("packed");
    let names = ["mural-crds-0.7.4.tgz", "mural-1.1.0-rc.3.tgz"];
    let made = Command::new("tar").arg("czf").arg(&file).arg("-C").arg(packed).args(names).status()?;
    ensure!(made.success(), "tar ended with {made}");
    Ok(file.display().to_string())
}
