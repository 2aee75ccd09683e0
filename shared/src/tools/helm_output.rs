//! Reads what helm prints. Pure.
//!
//! The tests use recorded output of each supported helm. Manifests may contain Secrets, so no error quotes them.

use semver::Version;
use serde_json::Value;

use crate::model::chart::ValuesSchemaError;
use crate::model::manifest;
use crate::model::yaml::ErrorDetail;

/// The version in `helm version --template '{{.Version}}'`.
///
/// # Errors
/// The text is not a semantic version.
pub fn parse_version(bytes: &[u8]) -> Result<Version, Box<dyn std::error::Error + Send + Sync>> {
    let text = std::str::from_utf8(bytes)?.trim();
    Ok(Version::parse(text.trim_start_matches('v'))?)
}

/// The objects of a rendered manifest, in its order.
///
/// # Errors
/// The text is not YAML.
pub fn parse_manifest(bytes: &[u8]) -> Result<Vec<Value>, Box<dyn std::error::Error + Send + Sync>> {
    let text = std::str::from_utf8(bytes)?;
    // The text may contain rendered Secrets: an error must not quote it.
    Ok(manifest::parse_manifest(text, ErrorDetail::LocationOnly)?)
}

/// The errors of a `values.schema.json`. Empty for any other failure (helm `pkg/chart/util/jsonschema.go`).
///
/// The form depends on the version: up to 3.17 `- dex.replicas: reason`, later `- at '/dex/replicas': reason`.
#[must_use]
pub fn parse_values_schema_errors(stderr: &str) -> Vec<ValuesSchemaError> {
    let Some((_, details)) = stderr.split_once("values don't meet the specifications of the schema(s)") else {
        return Vec::new();
    };
    let (mut chart, mut found) = (String::new(), Vec::new());
    for line in details.lines().skip(1) {
        if let Some(refusal) = line.trim_start().strip_prefix("- ") {
            let (place, words) = refusal.split_once(": ").unwrap_or(("", refusal));
            let place = place.strip_prefix("at '").map_or_else(
                || place.trim_start_matches("(root)").to_owned(),
                |pointer| pointer.trim_end_matches('\'').trim_start_matches('/').replace('/', "."),
            );
            found.push(ValuesSchemaError { chart: chart.clone(), path: place, message: words.to_owned() });
        } else if let Some(name) = line.trim().strip_suffix(':') {
            name.clone_into(&mut chart);
        }
    }
    found
}

/// Why helm could not render a chart with the answers of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerRenderFailure {
    /// A kind of the chart is not served yet.
    UnservedKind,
    /// The user may not read what the chart looks up.
    Forbidden,
    /// Anything else, for example a `fail` of the chart.
    Other,
}

/// Reads the reason of a failed `helm template --dry-run=server`.
#[must_use]
pub fn read_server_render_failure(stderr: &str) -> ServerRenderFailure {
    if stderr.contains("no matches for kind") {
        ServerRenderFailure::UnservedKind
    } else if stderr.contains("is forbidden: User ") {
        ServerRenderFailure::Forbidden
    } else {
        ServerRenderFailure::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_each_helm_are_read() {
        assert_eq!(parse_version(b"v3.17.2\n").unwrap(), Version::new(3, 17, 2));
        assert_eq!(parse_version(b"v4.3.1").unwrap(), Version::new(4, 3, 1));
        assert!(parse_version(b"").is_err());
    }

    #[test]
    fn each_helms_refusal_of_values_is_read() {
        let head = "Error: values don't meet the specifications of the schema(s) in the following chart(s):\n";
        let old = format!(
            "{head}mural:\n- (root): zz is required\n- dex.n: Invalid type. Expected: integer, given: string\n"
        );
        let new = format!(
            "{head}mural:\n- at '': missing property 'zz'\n- at '/dex/n': got string, want integer\ndex:\n- at '/m': x\n"
        );
        let places = |text: &str| -> Vec<(String, String)> {
            parse_values_schema_errors(text).into_iter().map(|one| (one.chart, one.path)).collect()
        };
        let at = |chart: &str, place: &str| (chart.to_owned(), place.to_owned());
        assert_eq!(places(&old), [at("mural", ""), at("mural", "dex.n")]);
        assert_eq!(places(&new), [at("mural", ""), at("mural", "dex.n"), at("dex", "m")]);
        assert_eq!(parse_values_schema_errors(&new)[1].message, "got string, want integer");
        assert!(parse_values_schema_errors("Error: template: x").is_empty());
    }

    #[test]
    fn the_reason_of_a_server_side_rendering_is_read() {
        let cases = [
            (
                "Error: unable to build kubernetes objects from release manifest: resource mapping not found for name: \"a\" \
                 namespace: \"\" from \"\": no matches for kind \"Gadget\" in version \"a.b/v1\"",
                ServerRenderFailure::UnservedKind,
            ),
            (
                "Error: template: m/templates/a.yaml:1:12: executing \"m/templates/a.yaml\" at <lookup \"v1\" \"Secret\">: error calling \
                 lookup: secrets \"ca\" is forbidden: User \"bob\" cannot get resource \"secrets\"",
                ServerRenderFailure::Forbidden,
            ),
            (
                "Error: execution error at (m/templates/a.yaml:3:4): the Secret ca is missing",
                ServerRenderFailure::Other,
            ),
        ];
        for (stderr, reason) in cases {
            assert_eq!(read_server_render_failure(stderr), reason, "{stderr}");
        }
    }

    #[test]
    fn an_unreadable_manifest_shows_nothing_of_itself() {
        let error = parse_manifest(b"stringData:\n  password: canary\n bad: :\n").unwrap_err().to_string();
        assert!(!error.contains("canary"), "{error}");
    }
}
