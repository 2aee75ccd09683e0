//! The software bill of materials of the programs: CycloneDX 1.5, JSON (<https://cyclonedx.org/docs/1.5/json/>).

use serde_json::{Value, json};

use anyhow::Result;

use crate::checksums::sha256;
use crate::dependencies::Package;
use crate::release_info::ReleaseInfo;
use crate::target::Target;

/// Renders the bill of materials of one target. The serial number depends on the content only.
///
/// # Errors
/// The time of the release is no date.
pub fn render_sbom(release: &ReleaseInfo, target: Target, packages: &[Package]) -> Result<String> {
    let root = format!("pkg:generic/mural@{}?target={}", release.version, target.triple());
    let components: Vec<Value> = packages.iter().map(to_component).collect();
    let mut dependencies: Vec<Value> = packages
        .iter()
        .map(|package| {
            let uses: Vec<String> = package.uses.iter().map(|(name, version)| to_purl(name, version)).collect();
            json!({"ref": to_purl(&package.name, &package.version), "dependsOn": uses})
        })
        .collect();
    let programs = packages.iter().filter(|package| package.checksum.is_none() && package.name != "mural");
    let programs: Vec<String> = programs.map(|package| to_purl(&package.name, &package.version)).collect();
    dependencies.insert(0, json!({"ref": root, "dependsOn": programs}));
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": release.timestamp()?.to_string(),
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": "mural",
                "version": release.version,
                "licenses": [{"expression": "Apache-2.0"}],
                "externalReferences": [{"type": "vcs", "url": release.repository}]
            }
        },
        "components": components,
        "dependencies": dependencies
    });
    document["serialNumber"] = to_serial_number(&document.to_string()).into();
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn to_component(package: &Package) -> Value {
    let purl = to_purl(&package.name, &package.version);
    let mut component = json!({
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "scope": "required",
        // SPDX has no slash; old manifests use it for OR.
        "licenses": [{"expression": package.licence.replace('/', " OR ").replace("  ", " ")}],
    });
    if let Some(checksum) = &package.checksum {
        component["purl"] = purl.into();
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if let Some(repository) = &package.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    component
}

fn to_purl(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// A UUID of version 8 (RFC 9562): from a hash of the content, so that the same content has the same number.
fn to_serial_number(content: &str) -> String {
    let hash = sha256(content.as_bytes());
    format!("urn:uuid:{}-{}-8{}-8{}-{}", &hash[..8], &hash[8..12], &hash[13..16], &hash[17..20], &hash[20..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_has_the_form_of_a_uuid() {
        let number = to_serial_number("content");
        assert_eq!(number, to_serial_number("content"));
        let parts: Vec<usize> = number.trim_start_matches("urn:uuid:").split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(to_purl("kube", "5.0.0+k8s"), "pkg:cargo/kube@5.0.0%2Bk8s");
    }
}
