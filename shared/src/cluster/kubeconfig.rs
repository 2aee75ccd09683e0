//! The kubeconfig: which files count, how they merge, and the client configuration of one context.
//!
//! The rules are client-go's (`tools/clientcmd/loader.go`), so that we reach the cluster that kubectl and helm reach:
//! <https://github.com/kubernetes/client-go/blob/v0.37.2/tools/clientcmd/loader.go>. kube-rs differs in two places, which this
//! module replaces: it fails on a missing file of a list, and it compares `NO_PROXY` with the proxy instead of the server.
//! A kubeconfig holds credentials: no error here quotes it.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{
    AuthInfo, Cluster as ClusterEntry, Context, Kubeconfig, KubeconfigError as KubeError, LoadDataError,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::login::{Login, LoginError};
use crate::ask::ClusterAccess;
use crate::model::proxy::{Destination, ProxySettings};
use crate::problem::Explain;

/// Proxy protocols that kubectl accepts and kube-rs has a connector for. Both resolve names at the proxy.
const PROXY_SCHEMES: [&str; 3] = ["http", "https", "socks5"];
/// kube-rs would connect to port 80.
const DEFAULT_SOCKS_PORT: u16 = 1080;

/// Why the kubeconfig gives no connection.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// None of the places holds a file.
    #[error("there is no kubeconfig file{}", list_files(.looked_for))]
    NotFound {
        /// Where kubectl looks too.
        looked_for: Vec<PathBuf>,
    },
    /// The file of `--kubeconfig`, or one of `KUBECONFIG`, cannot be read.
    #[error("cannot read the kubeconfig {}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The file is not YAML, or not a kubeconfig.
    #[error("{} is not a valid kubeconfig{}", .file.display(), format_location(*.location))]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Line and column, if the parser knows them.
        location: Option<(u64, u64)>,
    },
    /// Neither `--context` nor a file names a context.
    #[error("the kubeconfig has no current context")]
    NoCurrentContext {
        /// The contexts that exist.
        contexts: Vec<String>,
    },
    /// No file has this context.
    #[error("the kubeconfig has no context {name:?}")]
    UnknownContext {
        /// The context.
        name: String,
        /// The contexts that exist.
        contexts: Vec<String>,
    },
    /// The context has no usable cluster, certificate or proxy.
    #[error("cannot use the kubeconfig context {context}: {fault}")]
    Context {
        /// The context.
        context: String,
        /// The fault of the entry.
        fault: ContextFault,
    },
    /// The context's credentials cannot be used.
    #[error("cannot log in with the kubeconfig context {context}")]
    Login {
        /// The context.
        context: String,
        /// Why.
        #[source]
        source: LoginError,
    },
}

/// The faults of entries that a context refers to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextFault {
    /// The cluster entry is missing.
    #[error("it refers to the cluster {0:?}, which no file has")]
    NoCluster(String),
    /// The cluster entry has no server, or one that is not a URL.
    #[error("the cluster {0:?} has no valid server URL")]
    Server(String),
    /// The certificate authority cannot be read.
    #[error("the certificate authority of the cluster {0:?} is not readable: {1}")]
    CertificateAuthority(String, String),
    /// The proxy URL has a scheme or form that kubectl does not take either. Its text may hold a password.
    #[error("the proxy URL is not http://, https:// or socks5:// with a host")]
    ProxyUrl,
    /// The TLS client or the HTTP client refuses the configuration.
    #[error("{0}")]
    Client(String),
}

impl KubeconfigError {
    /// What the operator can do.
    #[must_use]
    pub fn hint(&self) -> String {
        let choose = |known: &[String]| match known {
            [] => {
                "add a context to the kubeconfig, then choose it with --context; kubectl config get-contexts lists them"
                    .to_owned()
            }
            known => format!("choose one with --context: {}", known.join(", ")),
        };
        match self {
            Self::NotFound { .. } | Self::Unreadable { .. } => {
                "set KUBECONFIG to the hub cluster's kubeconfig file, or name it with --kubeconfig".to_owned()
            }
            Self::Invalid { .. } => {
                "correct the file, or name another one with --kubeconfig; kubectl config view shows what kubectl reads"
                    .to_owned()
            }
            Self::NoCurrentContext { contexts } | Self::UnknownContext { contexts, .. } => choose(contexts),
            Self::Context { fault: ContextFault::ProxyUrl, .. } => {
                "check proxy-url in the kubeconfig, HTTPS_PROXY and NO_PROXY".to_owned()
            }
            Self::Context { context, .. } => {
                format!("kubectl --context {context} version shows whether kubectl can use it")
            }
            Self::Login { source, .. } => source.hint(),
        }
    }

    /// The refusal of the client that is built from the configuration.
    pub(super) fn from_client(context: &str, login: &Login, error: &kube::Error) -> Self {
        let context = context.to_owned();
        match login.find_failure(error) {
            Some(source) => Self::Login { context, source },
            None => Self::Context { context, fault: ContextFault::Client(describe_client_error(error)) },
        }
    }

    fn from_kube(file: &Path, error: KubeError) -> Self {
        let file = file.to_owned();
        match error {
            KubeError::ReadConfig(source, _) => Self::Unreadable { file, source },
            // Its text shows the lines around the fault: tokens and keys.
            KubeError::Parse(error) => {
                Self::Invalid { file, location: error.location().map(|at| (at.line(), at.column())) }
            }
            _ => Self::Invalid { file, location: None },
        }
    }

    fn is_missing_file(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl Explain for KubeconfigError {
    fn hints(&self) -> Vec<String> {
        vec![self.hint()]
    }
}

/// Names the entry and the file, never its content.
fn describe_client_error(error: &kube::Error) -> String {
    let (entry, data) = match error {
        kube::Error::InferKubeconfig(KubeError::LoadClientCertificate(data)) => ("the client certificate", data),
        kube::Error::InferKubeconfig(KubeError::LoadClientKey(data)) => ("the client key", data),
        kube::Error::InferKubeconfig(KubeError::LoadCertificateAuthority(data)) => ("the certificate authority", data),
        kube::Error::RustlsTls(_) => return "its certificates or its client key are not valid".to_owned(),
        _ => return "the client refuses its entries".to_owned(),
    };
    match data {
        LoadDataError::ReadFile(error, file) => format!("cannot read {entry} {}: {error}", file.display()),
        LoadDataError::DecodeBase64(_) => format!("{entry} is not base64"),
        LoadDataError::NoBase64DataOrFile => format!("{entry} is missing"),
    }
}

fn list_files(files: &[PathBuf]) -> String {
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    if files.is_empty() { String::new() } else { format!(": {}", files.join(", ")) }
}

fn format_location(location: Option<(u64, u64)>) -> String {
    location.map(|(line, column)| format!(": see line {line}, column {column}")).unwrap_or_default()
}

/// Reads and merges the files that kubectl would read.
///
/// # Errors
/// No file exists, or one cannot be read. A missing file of `KUBECONFIG` is not an error while another one exists.
pub(super) fn read(access: &ClusterAccess) -> Result<Kubeconfig, KubeconfigError> {
    if let Some(file) = &access.kubeconfig {
        return read_file(file);
    }
    let files = &access.variables.kubeconfig_files;
    let mut existing = Vec::new();
    for file in files {
        match read_file(file) {
            Err(error) if error.is_missing_file() => {}
            read => existing.push(read?),
        }
    }
    if existing.is_empty() {
        return Err(KubeconfigError::NotFound { looked_for: files.clone() });
    }
    Ok(existing.into_iter().fold(Kubeconfig::default(), merge))
}

/// Relative paths in it are relative to its own folder.
fn read_file(file: &Path) -> Result<Kubeconfig, KubeconfigError> {
    let mut kubeconfig = Kubeconfig::read_from(file).map_err(|error| KubeconfigError::from_kube(file, error))?;
    kubeconfig.current_context = kubeconfig.current_context.filter(|context| !context.is_empty());
    Ok(kubeconfig)
}

/// The first file wins, per name of a map and per scalar. An empty scalar counts as unset.
fn merge(mut merged: Kubeconfig, next: Kubeconfig) -> Kubeconfig {
    let new = |known: &[String], name: &String| !known.contains(name);
    let clusters: Vec<String> = merged.clusters.iter().map(|entry| entry.name.clone()).collect();
    merged.clusters.extend(next.clusters.into_iter().filter(|entry| new(&clusters, &entry.name)));
    let users: Vec<String> = merged.auth_infos.iter().map(|entry| entry.name.clone()).collect();
    merged.auth_infos.extend(next.auth_infos.into_iter().filter(|entry| new(&users, &entry.name)));
    let contexts = list_contexts(&merged);
    merged.contexts.extend(next.contexts.into_iter().filter(|entry| new(&contexts, &entry.name)));
    merged.current_context = merged.current_context.or(next.current_context);
    merged
}

/// The names of the contexts, in the order of the files.
pub(super) fn list_contexts(kubeconfig: &Kubeconfig) -> Vec<String> {
    kubeconfig.contexts.iter().map(|context| context.name.clone()).collect()
}

/// The context to use: `--context`, else the current one.
///
/// # Errors
/// Neither is set, or no file has it.
pub(super) fn choose_context(kubeconfig: &Kubeconfig, wanted: Option<&str>) -> Result<String, KubeconfigError> {
    let contexts = list_contexts(kubeconfig);
    match wanted.or(kubeconfig.current_context.as_deref()) {
        None | Some("") => Err(KubeconfigError::NoCurrentContext { contexts }),
        Some(name) if contexts.iter().any(|context| context == name) => Ok(name.to_owned()),
        Some(name) => Err(KubeconfigError::UnknownContext { name: name.to_owned(), contexts }),
    }
}

/// The client configuration of a context.
///
/// # Errors
/// An entry that the context refers to is missing or unusable.
pub(super) fn build_config(
    kubeconfig: &Kubeconfig,
    context: &str,
    proxies: &ProxySettings,
) -> Result<kube::Config, KubeconfigError> {
    let entry = kubeconfig.contexts.iter().find(|entry| entry.name == context);
    let entry = entry.and_then(|entry| entry.context.clone()).unwrap_or_default();
    build_context_config(kubeconfig, &entry, proxies)
        .map_err(|fault| KubeconfigError::Context { context: context.to_owned(), fault })
}

fn build_context_config(
    kubeconfig: &Kubeconfig,
    context: &Context,
    proxies: &ProxySettings,
) -> Result<kube::Config, ContextFault> {
    let name = &context.cluster;
    let cluster = kubeconfig.clusters.iter().find(|entry| entry.name == *name);
    let cluster =
        cluster.and_then(|entry| entry.cluster.as_ref()).ok_or_else(|| ContextFault::NoCluster(name.clone()))?;
    let server = || ContextFault::Server(name.clone());
    let url: http::Uri = cluster.server.as_deref().and_then(|url| url.parse().ok()).ok_or_else(server)?;
    if url.host().is_none() || url.scheme().is_none() {
        return Err(server());
    }
    let mut config = kube::Config::new(url);
    if let Some(namespace) = context.namespace.as_ref().filter(|namespace| !namespace.is_empty()) {
        config.default_namespace.clone_from(namespace);
    }
    config.root_cert =
        read_authority(cluster).map_err(|reason| ContextFault::CertificateAuthority(name.clone(), reason))?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    config.proxy_url = find_proxy(cluster, &config.cluster_url, proxies)?;
    config.auth_info = find_user(kubeconfig, context, cluster)?;
    Ok(config)
}

/// An unknown user is an anonymous one, as for client-go.
fn find_user(kubeconfig: &Kubeconfig, context: &Context, cluster: &ClusterEntry) -> Result<AuthInfo, ContextFault> {
    let user = kubeconfig.auth_infos.iter().find(|entry| Some(&entry.name) == context.user.as_ref());
    let mut user = user.and_then(|entry| entry.auth_info.clone()).unwrap_or_default();
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        let unreadable = |_| ContextFault::CertificateAuthority(context.cluster.clone(), "for the plugin".to_owned());
        exec.cluster = Some(cluster.try_into().map_err(unreadable)?);
    }
    Ok(user)
}

/// The certificates in DER. `certificate-authority-data` wins over `certificate-authority`.
fn read_authority(cluster: &ClusterEntry) -> Result<Option<Vec<Vec<u8>>>, String> {
    let data = cluster.certificate_authority_data.as_ref().filter(|data| !data.is_empty());
    let file = cluster.certificate_authority.as_ref().filter(|file| !file.is_empty());
    let pem = match (data, file) {
        (Some(data), _) => STANDARD.decode(data).map_err(|_| "certificate-authority-data is not base64".to_owned())?,
        (None, Some(file)) => std::fs::read(file).map_err(|error| format!("{file}: {error}"))?,
        (None, None) => return Ok(None),
    };
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&pem).map(|certificate| certificate.map(|der| der.to_vec())).collect();
    certificates.map(Some).map_err(|_| "it is not PEM".to_owned())
}

/// `proxy-url` of the cluster wins over the environment.
fn find_proxy(
    cluster: &ClusterEntry,
    server: &http::Uri,
    proxies: &ProxySettings,
) -> Result<Option<http::Uri>, ContextFault> {
    if let Some(proxy) = cluster.proxy_url.as_ref().filter(|proxy| !proxy.is_empty()) {
        return parse_proxy(proxy).map(Some);
    }
    let host = server.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let to = Destination { scheme: server.scheme_str().unwrap_or_default(), host, port: server.port_u16() };
    proxies.find_proxy(to).map(|proxy| parse_proxy(&proxy)).transpose()
}

fn parse_proxy(proxy: &str) -> Result<http::Uri, ContextFault> {
    // To Go, socks5h is another name of socks5: the proxy resolves the name in both.
    let proxy = proxy.strip_prefix("socks5h://").map_or_else(|| proxy.to_owned(), |rest| format!("socks5://{rest}"));
    let uri: http::Uri = proxy.parse().map_err(|_| ContextFault::ProxyUrl)?;
    let is_supported = uri.scheme_str().is_some_and(|scheme| PROXY_SCHEMES.contains(&scheme));
    let Some(authority) = uri.authority().filter(|authority| is_supported && !authority.host().is_empty()) else {
        return Err(ContextFault::ProxyUrl);
    };
    match (uri.scheme_str(), authority.port_u16()) {
        (Some("socks5"), None) => {
            format!("socks5://{authority}:{DEFAULT_SOCKS_PORT}").parse().map_err(|_| ContextFault::ProxyUrl)
        }
        _ => Ok(uri),
    }
}

#[cfg(test)]
mod tests;
