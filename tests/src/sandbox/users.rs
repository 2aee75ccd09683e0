//! Who acts in a sandbox: certificates and kubeconfigs, one for each actor, since a user agent is no evidence in an
//! audit log.

use super::folder::Folder;
use super::spec::Spec;
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::fmt;
use std::fs;
use std::path::PathBuf;

/// Who a command acts as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum User {
    /// In `system:masters`: whatever prepares or inspects a test.
    Admin,
    /// The person at the keyboard: cluster-admin through a binding, with a name of their own in the audit log.
    #[default]
    Operator,
    /// May look at namespaces, pods and CRDs; no secrets, no writes.
    Viewer,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        })
    }
}

/// File name, common name, organisation.
const CLIENTS: [(&str, &str, Option<&str>); 9] = [
    ("admin", "admin", Some("system:masters")),
    ("operator", "operator", None),
    ("viewer", "viewer", None),
    ("kube-controller-manager", "system:kube-controller-manager", None),
    ("kube-scheduler", "system:kube-scheduler", None),
    ("kwok", "kwok", Some("system:masters")),
    ("front-proxy", "front-proxy", None),
    // Each with a name of its own: who wrote first is read from the audit log.
    ("source-controller", "source-controller", Some("system:masters")),
    ("helm-controller", "helm-controller", Some("system:masters")),
];

/// What is written last.
const LAST_WRITTEN_FILE: &str = "service-accounts.pub";

/// The name of a sandbox's contexts; cluster tests refuse any other.
#[must_use]
pub fn context_name(sandbox: &str) -> String {
    format!("mural-sandbox-{sandbox}")
}

/// Where a user's kubeconfig lies.
pub(crate) fn kubeconfig_path(folder: &Folder, user: &str) -> PathBuf {
    folder.path("kubeconfig").join(format!("{user}.yaml"))
}

/// One CA, the server's certificate, one certificate for each client, and the pair that signs service account tokens.
pub(crate) fn make_certificates(folder: &Folder) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut params = certificate_params("mural-sandbox-ca", None);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    write(folder, "ca.crt", &params.self_signed(&key)?.pem())?;
    let ca = Issuer::new(params, key);

    let hosts = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", "10.0.0.1"];
    let mut server = CertificateParams::new(hosts.map(str::to_owned))?;
    server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    issue(folder, "server", server, ExtendedKeyUsagePurpose::ServerAuth, &ca)?;
    for (file, name, organisation) in CLIENTS {
        issue(folder, file, certificate_params(name, organisation), ExtendedKeyUsagePurpose::ClientAuth, &ca)?;
    }
    // An elliptic key: the API server takes it for tokens as well as RSA, and it is made in no time.
    let tokens = KeyPair::generate()?;
    write(folder, "service-accounts.key", &tokens.serialize_pem())?;
    write(folder, LAST_WRITTEN_FILE, &tokens.public_key_pem())
}

/// Whether all of them are there: none, where an earlier `up` was cut off.
pub(crate) fn has_certificates(folder: &Folder) -> bool {
    folder.path("pki").join(LAST_WRITTEN_FILE).is_file()
}

fn certificate_params(name: &str, organisation: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(organisation) = organisation {
        params.distinguished_name.push(DnType::OrganizationName, organisation);
    }
    params
}

fn issue(
    folder: &Folder,
    file: &str,
    mut params: CertificateParams,
    usage: ExtendedKeyUsagePurpose,
    ca: &Issuer<'_, KeyPair>,
) -> Result<()> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    write(folder, &format!("{file}.crt"), &params.signed_by(&key, ca)?.pem())?;
    write(folder, &format!("{file}.key"), &key.serialize_pem())
}

fn write(folder: &Folder, file: &str, pem: &str) -> Result<()> {
    let path = folder.path("pki").join(file);
    fs::write(&path, pem).with_context(|| format!("could not write {}", path.display()))
}

/// One self-contained kubeconfig for each client.
pub(crate) fn write_kubeconfigs(folder: &Folder, spec: &Spec) -> Result<()> {
    let pem = |file: String| -> Result<String> {
        let path = folder.path("pki").join(file);
        Ok(STANDARD.encode(fs::read(&path).with_context(|| format!("could not read {}", path.display()))?))
    };
    let ca = pem("ca.crt".to_owned())?;
    let (context, port) = (context_name(folder.name()), spec.ports.api);
    for (user, ..) in CLIENTS {
        let (certificate, key) = (pem(format!("{user}.crt"))?, pem(format!("{user}.key"))?);
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {context}\n\
             clusters:\n- name: {context}\n  cluster:\n    server: https://127.0.0.1:{port}\n    certificate-authority-data: {ca}\n\
             users:\n- name: {user}\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: {key}\n\
             contexts:\n- name: {context}\n  context:\n    cluster: {context}\n    user: {user}\n"
        );
        let path = kubeconfig_path(folder, user);
        fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
        // helm warns of kubeconfigs that others may read.
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    Ok(())
}
