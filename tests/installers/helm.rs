//! Each helm installs, verifies and uninstalls the plugin: from a URL, from a folder, and with helm 4 from a file and a registry.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mural_release::archive::Packing;
use mural_release::dist::{ReleaseKeys, write_release_files};
use mural_release::helm_plugin::archive_name;
use mural_tests::parts::{find_or_build, helm, helms, part_named};
use mural_tests::trial_release::TrialRelease;
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};

use crate::copy_of_trial;
use crate::file_server::serve_folder;
use crate::home::{Home, text};

const SIGNER: &str = "Mural Test <test@mural.example>";
const ARTIFACT_TYPE: &str = "application/vnd.helm.plugin.v1+json";
/// Time limit for the registry to answer.
const REGISTRY_START_LIMIT: Duration = Duration::from_secs(20);

/// A release that a throw-away key has signed, and its public key ring.
struct SignedRelease {
    release: TrialRelease,
    keyring: PathBuf,
}

impl SignedRelease {
    fn plugin(&self) -> PathBuf {
        self.release.folder.join(archive_name(&self.release.info))
    }
}

fn signed_release() -> &'static SignedRelease {
    static RELEASE: OnceLock<SignedRelease> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let release = copy_of_trial(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("helm"));
        // The path of gpg's socket must be short.
        let gpg_home = tempfile::tempdir().expect("a temporary folder");
        fs::set_permissions(gpg_home.path(), fs::Permissions::from_mode(0o700)).expect("its mode");
        gpg(gpg_home.path(), &["--passphrase", "", "--quick-generate-key", SIGNER, "rsa2048", "sign", "never"]);
        let keyring = release.folder.join("pubring.gpg");
        fs::remove_file(&keyring).ok();
        gpg(gpg_home.path(), &["--output", keyring.to_str().expect("UTF-8"), "--export"]);
        let keys = ReleaseKeys {
            helm_user_id: Some(SIGNER.to_owned()),
            gpg_home: Some(gpg_home.path().to_owned()),
            ..ReleaseKeys::default()
        };
        write_release_files(&release.info, &release.folder, &keys, Packing::Quick).expect("a signed plugin");
        Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", gpg_home.path()).status().ok();
        SignedRelease { release, keyring }
    })
}

fn gpg(home: &Path, args: &[&str]) {
    let output = Command::new("gpg").env("GNUPGHOME", home).args(["--batch", "--quiet"]).args(args).output();
    let output = output.expect("gpg starts");
    assert!(output.status.success(), "{}", text(&output));
}

/// A home with one version of helm.
fn home_with(version: &str) -> Home {
    let home = Home::new(&[]);
    home.link_part(&helm(Some(version)).expect("a version of the table"));
    home
}

fn is_helm_4(version: &str) -> bool {
    version.starts_with("4.")
}

fn plugin_answers_and_goes(home: &Home, version: &str) {
    let list = home.run("helm", &["plugin", "list"]);
    assert!(list.contains("mural") && list.contains("0.1.0"), "helm {version}: {list}");
    assert!(home.run("helm", &["mural", "crds", "--help"]).contains("Usage: helm mural crds"), "helm {version}");
    let offers = home.run("helm", &["__complete", "mural", "crds", "di"]);
    assert!(offers.contains("diff"), "helm {version}: {offers}");
    home.run("helm", &["plugin", "uninstall", "mural"]);
    let left = home.files(".local/share/helm/plugins");
    assert!(left.is_empty(), "helm {version} left {left:?}");
}

#[test]
fn every_helm_installs_the_same_archive_from_a_url() {
    let signed = signed_release();
    let url = format!("{}/{}", serve_folder(&signed.release.folder), archive_name(&signed.release.info));
    for version in helms() {
        let home = home_with(version);
        let keyring = signed.keyring.to_str().expect("UTF-8");
        let mut args = vec!["plugin", "install", url.as_str()];
        if is_helm_4(version) {
            args.extend(["--keyring", keyring]);
        }
        home.run("helm", &args);
        plugin_answers_and_goes(&home, version);
    }
}

#[test]
fn every_helm_installs_an_unpacked_archive() {
    let signed = signed_release();
    for version in helms() {
        let home = home_with(version);
        let folder = home.path().join("mural");
        fs::create_dir(&folder).expect("a folder");
        let folder = folder.to_str().expect("UTF-8");
        home.run("tar", &["-xzf", signed.release.archive.to_str().expect("UTF-8"), "-C", folder]);
        home.run("helm", &["plugin", "install", folder]);
        plugin_answers_and_goes(&home, version);
    }
}

#[test]
fn helm_4_verifies_a_file_and_refuses_a_changed_one() {
    let signed = signed_release();
    let (plugin, keyring) = (signed.plugin(), signed.keyring.to_str().expect("UTF-8"));
    for version in helms().into_iter().filter(|version| is_helm_4(version)) {
        let home = home_with(version);
        let file = plugin.to_str().expect("UTF-8");
        let verified = home.run("helm", &["plugin", "verify", file, "--keyring", keyring]);
        assert!(verified.contains("Signed by"), "{verified}");
        home.run("helm", &["plugin", "install", file, "--keyring", keyring]);
        plugin_answers_and_goes(&home, version);

        let changed = home.path().join(archive_name(&signed.release.info));
        let mut bytes = fs::read(&plugin).expect("the plugin");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&changed, bytes).expect("a file");
        fs::copy(format!("{file}.prov"), format!("{}.prov", changed.display())).expect("a copy");
        let changed = changed.to_str().expect("UTF-8");
        for words in [["plugin", "verify"], ["plugin", "install"]] {
            let refused = home.run_with("helm", &[&words[..], &[changed, "--keyring", keyring]].concat(), &[]);
            assert!(!refused.status.success() && text(&refused).contains("sha256"), "{words:?}: {}", text(&refused));
        }
        assert!(home.files(".local/share/helm/plugins").is_empty());
    }
}

#[test]
fn helm_4_packages_and_signs_the_folder_of_the_plugin() {
    let signed = signed_release();
    for version in helms().into_iter().filter(|version| is_helm_4(version)) {
        let home = home_with(version);
        home.run("tar", &["-xzf", signed.plugin().to_str().expect("UTF-8"), "mural"]);
        // A socket of gpg has a short path: its key ring is in the home itself.
        let keys = home.path().join("k");
        fs::create_dir(&keys).expect("a folder");
        gpg(&keys, &["--passphrase", "", "--quick-generate-key", SIGNER, "rsa2048", "sign", "never"]);
        let (secret, public) = (keys.join("secret.gpg"), keys.join("public.gpg"));
        let (secret, public) = (secret.to_str().expect("UTF-8"), public.to_str().expect("UTF-8"));
        gpg(&keys, &["--passphrase", "", "--pinentry-mode", "loopback", "--output", secret, "--export-secret-keys"]);
        gpg(&keys, &["--output", public, "--export"]);
        home.run("helm", &["plugin", "package", "mural", "--sign", "--key", SIGNER, "--keyring", secret]);
        home.run("helm", &["plugin", "verify", "mural-0.1.0.tgz", "--keyring", public]);
    }
}

#[test]
fn helm_4_installs_the_plugin_from_a_registry() {
    let signed = signed_release();
    let registry = Registry::start();
    let reference = format!("{}/mural/mural:0.1.0", registry.address);
    push_plugin(signed, &reference);
    for version in helms().into_iter().filter(|version| is_helm_4(version)) {
        let home = home_with(version);
        let keyring = signed.keyring.to_str().expect("UTF-8");
        let url = format!("oci://{reference}");
        home.run("helm", &["plugin", "install", &url, "--plain-http", "--keyring", keyring]);
        plugin_answers_and_goes(&home, version);
    }
}

/// A registry that ends with the test.
struct Registry {
    address: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Registry {
    fn start() -> Self {
        let program = find_or_build(&part_named("registry").expect("a part")).expect("the registry").path;
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let address = format!("127.0.0.1:{}", port.port());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let storage = folder.path().join("storage");
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{address}\"}}\n",
            storage.display()
        );
        let file = folder.path().join("registry.yaml");
        fs::write(&file, config).expect("a file");
        let process = Command::new(program)
            .arg("serve")
            .arg(&file)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the registry starts");
        let began = Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(began.elapsed() < REGISTRY_START_LIMIT, "the registry does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { address, process, _folder: folder }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// As `oras push --artifact-type application/vnd.helm.plugin.v1+json` does.
fn push_plugin(signed: &SignedRelease, reference: &str) {
    let name = archive_name(&signed.release.info);
    let layer = |name: &str| {
        let title = [("org.opencontainers.image.title".to_owned(), name.to_owned())];
        let bytes = fs::read(signed.release.folder.join(name)).expect("a file");
        ImageLayer::new(bytes, "application/vnd.oci.image.layer.v1.tar".to_owned(), Some(title.into()))
    };
    let layers = [layer(&name), layer(&format!("{name}.prov"))];
    let config = Config::new(b"{}".as_slice(), "application/vnd.oci.empty.v1+json".to_owned(), None);
    let mut manifest = OciImageManifest::build(&layers, &config, None);
    manifest.artifact_type = Some(ARTIFACT_TYPE.to_owned());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() });
    let reference: Reference = reference.parse().expect("a reference");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let pushed = client.push(&reference, &layers, config, &RegistryAuth::Anonymous, Some(manifest));
    runtime.block_on(pushed).expect("the registry accepts the plugin");
}
