//! What helm prints, read from bytes. Pure; tested on what each supported helm really printed.

use semver::Version;
use serde_json::Value;

use crate::model::yaml::{self, Quote};

/// The version in `helm version --template '{{.Version}}'`.
///
/// # Errors
/// It is no version.
pub fn version(bytes: &[u8]) -> Result<Version, Box<dyn std::error::Error + Send + Sync>> {
    let text = std::str::from_utf8(bytes)?.trim();
    Ok(Version::parse(text.trim_start_matches('v'))?)
}

/// The objects of a rendered manifest, in its own order.
///
/// # Errors
/// It is not YAML.
pub fn manifest(bytes: &[u8]) -> Result<Vec<Value>, Box<dyn std::error::Error + Send + Sync>> {
    let text = std::str::from_utf8(bytes)?;
    // Rendered Secrets may stand in it: an error quotes nothing.
    Ok(yaml::documents(text, Quote::Nothing)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_each_helm_are_read() {
        assert_eq!(version(b"v3.17.2\n").unwrap(), Version::new(3, 17, 2));
        assert_eq!(version(b"v4.3.1").unwrap(), Version::new(4, 3, 1));
        assert!(version(b"").is_err());
    }

    #[test]
    fn an_unreadable_manifest_shows_nothing_of_itself() {
        let error = manifest(b"stringData:\n  password: canary\n bad: :\n").unwrap_err().to_string();
        assert!(!error.contains("canary"), "{error}");
    }
}
