//! TLS of the proxy: its own certificate authority towards clients, the kubeconfig's client certificate towards the
//! server.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mural::model::yaml::{self, ErrorDetail};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What the proxy shows its clients.
pub(super) struct Identity {
    pub(super) acceptor: TlsAcceptor,
    pub(super) ca_pem: String,
}

/// Makes a certificate authority and a server certificate for loopback, valid for this proxy alone.
pub(super) fn identity() -> Result<Identity> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names)?.signed_by(&key, &ca)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())?,
        )?;
    Ok(Identity { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem: ca.pem() })
}

/// The API server, and as whom to speak to it.
pub(super) struct Target {
    host: String,
    address: String,
    connector: TlsConnector,
    user: Value,
    namespace: Value,
}

/// Reads the current context of a kubeconfig.
pub(super) fn target(file: &Path) -> Result<Target> {
    let config = yaml::parse_document(&std::fs::read_to_string(file)?, ErrorDetail::LocationOnly)?;
    let current = config["current-context"].as_str().context("no current context")?;
    let context = &find_entry(&config["contexts"], current)?["context"];
    let cluster = &find_entry(&config["clusters"], context["cluster"].as_str().unwrap_or_default())?["cluster"];
    let user = &find_entry(&config["users"], context["user"].as_str().unwrap_or_default())?["user"];
    let server = cluster["server"].as_str().context("no server")?;
    let address = server.strip_prefix("https://").context("the server does not speak TLS")?.trim_end_matches('/');
    let host = address.rsplit_once(':').context("the server's address has no port")?.0;
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(&material(cluster, "certificate-authority")?) {
        roots.add(authority?)?;
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&material(user, "client-certificate")?).collect();
    let key = PrivateKeyDer::from_pem_slice(&material(user, "client-key")?)?;
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain?, key)?;
    Ok(Target {
        host: host.to_owned(),
        address: address.to_owned(),
        connector: TlsConnector::from(Arc::new(tls)),
        user: user.clone(),
        namespace: context["namespace"].clone(),
    })
}

fn find_entry<'a>(list: &'a Value, name: &str) -> Result<&'a Value> {
    let found = list.as_array().into_iter().flatten().find(|entry| entry["name"] == name);
    found.with_context(|| format!("it has no entry {name:?}"))
}

/// A PEM that lies in the file itself (`…-data`, base64) or beside it.
fn material(holder: &Value, key: &str) -> Result<Vec<u8>> {
    if let Some(data) = holder[format!("{key}-data")].as_str() {
        return Ok(STANDARD.decode(data)?);
    }
    let Some(file) = holder[key].as_str() else { bail!("no {key}") };
    std::fs::read(file).with_context(|| file.to_owned())
}

impl Target {
    /// A kubeconfig for the same user through another address.
    pub(super) fn kubeconfig(&self, server: &str, ca_pem: &str) -> Result<String> {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy", "preferences": {},
            "clusters": [{"name": "proxy", "cluster": {
                "server": server, "certificate-authority-data": STANDARD.encode(ca_pem)}}],
            "users": [{"name": "proxy", "user": self.user}],
            "contexts": [{"name": "proxy", "context": {
                "cluster": "proxy", "user": "proxy", "namespace": self.namespace.as_str().unwrap_or_default()}}],
        });
        Ok(serde_json::to_string_pretty(&config)?)
    }

    /// A new connection to the API server.
    pub(super) async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(&self.address).await?;
        tcp.set_nodelay(true)?;
        Ok(self.connector.connect(ServerName::try_from(self.host.clone())?, tcp).await?)
    }
}
