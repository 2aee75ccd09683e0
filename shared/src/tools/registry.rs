//! A registry client for what helm reports only in prose: which digest a tag has, and which tags exist.
//!
//! Charts are pulled by helm, not here. Credentials come from helm's registry configuration; a credential helper is not run.
//! Errors never quote URLs, tokens or answers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::Value;

use super::tls;
use crate::ask::RegistryAccess;
use crate::model::chart_version::ChartVersion;
use crate::model::transport_fault::TransportFault;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Tags per answer. A registry may return fewer.
const TAG_PAGE_SIZE: usize = 1000;

/// Why a version has no digest.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The tag or the repository does not exist.
    #[error("{repository} has no version {version}")]
    NoSuchVersion {
        /// `host/path`
        repository: String,
        /// The requested version or digest.
        version: String,
    },
    /// The text is not an OCI reference.
    #[error("{0} is not an OCI reference")]
    InvalidReference(String),
    /// The certificate file of `--ca-file` is not readable.
    #[error("cannot read the certificate {0}")]
    CaFile(PathBuf, #[source] std::io::Error),
    /// The registry requires a login. helm may have one from a credential helper.
    #[error("{0} requires a login")]
    LoginRequired(String, #[source] RegistryFailure),
    /// The registry does not answer, or not as the OCI distribution specification defines.
    #[error("{0} does not answer")]
    Unreachable(String, #[source] RegistryFailure),
}

/// What a registry or the connection to it said, without URLs, tokens and answers: a signed URL is a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct RegistryFailure {
    text: String,
    /// The fault of the connection, if it is a known one.
    pub fault: Option<TransportFault>,
}

impl RegistryFailure {
    fn new(error: OciDistributionError) -> Self {
        let text = match error {
            OciDistributionError::RequestError(error) => innermost_cause(&error.without_url()),
            OciDistributionError::IoError(error) => error.to_string(),
            OciDistributionError::ServerError { code, .. } => format!("it answers with HTTP status {code}"),
            OciDistributionError::UnauthorizedError { .. } => "it answers with HTTP status 401".to_owned(),
            OciDistributionError::AuthenticationFailure(_) => "it rejects the credentials".to_owned(),
            OciDistributionError::RegistryTokenDecodeError(_) => "its token service gives no token".to_owned(),
            OciDistributionError::RegistryError { envelope, .. } => {
                let codes: Vec<String> = envelope.errors.iter().map(|one| format!("{:?}", one.code)).collect();
                format!("it answers with {}", codes.join(", "))
            }
            // The others quote the answer.
            _ => "its answer does not follow the OCI distribution specification".to_owned(),
        };
        let fault = TransportFault::read(&text);
        let text = fault.map_or_else(|| text.clone(), |fault| format!("{} ({text})", fault.describe()));
        Self { text, fault }
    }
}

/// "Connection refused", not "error sending request".
fn innermost_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The client for one repository.
pub struct Registry {
    client: Client,
    auth: RegistryAuth,
    repository: String,
}

impl Registry {
    /// Prepares the client for `host/path`. Sends nothing yet.
    ///
    /// `helm_config` is helm's registry configuration (`HELM_REGISTRY_CONFIG`), the source of a static login.
    ///
    /// # Errors
    /// The certificate file is not readable.
    pub fn new(repository: &str, access: &RegistryAccess, helm_config: Option<&Path>) -> Result<Self, RegistryError> {
        tls::install_provider();
        let mut config = ClientConfig {
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            ..Default::default()
        };
        if access.plain_http {
            config.protocol = ClientProtocol::Http;
        }
        if let Some(file) = &access.ca_file {
            let data = std::fs::read(file).map_err(|error| RegistryError::CaFile(file.clone(), error))?;
            config.extra_root_certificates = vec![Certificate { encoding: CertificateEncoding::Pem, data }];
        }
        let host = repository.split('/').next().unwrap_or_default();
        let auth = access.config.as_deref().or(helm_config).and_then(|file| read_login(file, host));
        Ok(Self {
            client: Client::new(config),
            auth: auth.unwrap_or(RegistryAuth::Anonymous),
            repository: repository.to_owned(),
        })
    }

    fn build_reference(&self, tag: &str) -> Result<Reference, RegistryError> {
        let text = format!("{}:{tag}", self.repository);
        text.parse().map_err(|_| RegistryError::InvalidReference(text))
    }

    /// Resolves the manifest digest of a version, `sha256:…`. helm writes the `+` of a version as `_` in the tag.
    ///
    /// # Errors
    /// The version does not exist, the registry requires a login, or it does not answer.
    pub async fn resolve_digest(&self, version: &ChartVersion) -> Result<String, RegistryError> {
        match self.resolve_tag(version.as_str(), version).await {
            // `v1.1.0` and `1.1.0` are one version: the tag has the spelling of the chart.
            Err(error @ RegistryError::NoSuchVersion { .. }) => {
                let text = version.as_str();
                let other = text.strip_prefix('v').map_or_else(|| format!("v{text}"), str::to_owned);
                self.resolve_tag(&other, version).await.map_err(|_| error)
            }
            answer => answer,
        }
    }

    async fn resolve_tag(&self, text: &str, version: &ChartVersion) -> Result<String, RegistryError> {
        let reference = self.build_reference(&text.replace('+', "_"))?;
        let answer = self.client.fetch_manifest_digest(&reference, &self.auth).await;
        answer.map_err(|error| self.to_registry_error(error, version.as_str()))
    }

    /// Verifies that a manifest with this digest exists, `sha256:…`.
    ///
    /// # Errors
    /// As [`Registry::resolve_digest`].
    pub async fn verify_digest(&self, digest: &str) -> Result<(), RegistryError> {
        let text = format!("{}@{digest}", self.repository);
        let reference: Reference = text.parse().map_err(|_| RegistryError::InvalidReference(text))?;
        let found = self.client.fetch_manifest_digest(&reference, &self.auth).await;
        found.map(drop).map_err(|error| self.to_registry_error(error, digest))
    }

    /// Resolves the manifest digest of an image, by tag or digest.
    ///
    /// # Errors
    /// As [`Registry::resolve_digest`].
    pub async fn resolve_image(&self, reference: &Reference) -> Result<String, RegistryError> {
        let found = self.client.fetch_manifest_digest(reference, &self.auth).await;
        found.map_err(|error| self.to_registry_error(error, reference.tag().unwrap_or_default()))
    }

    /// Lists the tags that are versions, newest first.
    ///
    /// # Errors
    /// As [`Registry::resolve_digest`].
    pub async fn list_versions(&self) -> Result<Vec<ChartVersion>, RegistryError> {
        let reference = self.build_reference("latest")?;
        let answer = self.client.list_tags(&reference, &self.auth, Some(TAG_PAGE_SIZE), None).await;
        let tags = answer.map_err(|error| self.to_registry_error(error, ""))?.tags;
        let mut versions: Vec<ChartVersion> = tags.iter().filter_map(|tag| read_version_tag(tag)).collect();
        versions.sort_by(|a, b| b.cmp(a));
        Ok(versions)
    }

    fn to_registry_error(&self, error: OciDistributionError, version: &str) -> RegistryError {
        let host = self.repository.split('/').next().unwrap_or_default().to_owned();
        let missing = RegistryError::NoSuchVersion { repository: self.repository.clone(), version: version.to_owned() };
        let not_found = [OciErrorCode::ManifestUnknown, OciErrorCode::NameUnknown, OciErrorCode::NotFound];
        match error {
            OciDistributionError::ImageManifestNotFoundError(_) => missing,
            OciDistributionError::ServerError { code: 404, .. } => missing,
            OciDistributionError::RegistryError { ref envelope, .. }
                if envelope.errors.iter().any(|one| not_found.contains(&one.code)) =>
            {
                missing
            }
            OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
                RegistryError::LoginRequired(host, RegistryFailure::new(error))
            }
            other => RegistryError::Unreachable(host, RegistryFailure::new(other)),
        }
    }
}

/// The version that a tag stands for. A tag with one or two numbers alone is a moving alias, not a chart that helm pushed.
fn read_version_tag(tag: &str) -> Option<ChartVersion> {
    let version: ChartVersion = tag.replace('_', "+").parse().ok()?;
    (tag.trim_start_matches('v').split(['-', '_']).next()?.split('.').count() == 3).then_some(version)
}

/// Reads a static login from a Docker configuration file: `auths.HOST.auth`.
fn read_login(file: &Path, host: &str) -> Option<RegistryAuth> {
    let config: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let auths = config["auths"].as_object()?;
    let entry = auths.get(host).or_else(|| auths.get(&format!("https://{host}")))?;
    let decoded = String::from_utf8(STANDARD.decode(entry["auth"].as_str()?).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(RegistryAuth::Basic(user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_quotes_no_url_and_no_answer() {
        let (url, message) = ("https://a.example/v2/?token=canary".to_owned(), "canary".to_owned());
        let failures = [
            OciDistributionError::ServerError { code: 502, url: url.clone(), message: message.clone() },
            OciDistributionError::UnauthorizedError { url },
            OciDistributionError::AuthenticationFailure(message.clone()),
            OciDistributionError::RegistryTokenDecodeError(message.clone()),
            OciDistributionError::ManifestParsingError(message),
        ];
        for failure in failures.map(RegistryFailure::new) {
            assert!(!format!("{failure} {failure:?}").contains("canary"), "{failure}");
        }
    }

    #[test]
    fn a_static_login_is_found_by_host() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(
            &file,
            format!(r#"{{"auths": {{"a.example:5000": {{"auth": "{}"}}}}}}"#, STANDARD.encode("u:p")),
        )
        .unwrap();
        assert_eq!(read_login(&file, "a.example:5000"), Some(RegistryAuth::Basic("u".into(), "p".into())));
        assert_eq!(read_login(&file, "b.example"), None);
    }
}
