//! A source with `spec.verify` still verifies signatures after the upgrade: source-controller's own cosign does it,
//! with a key.
//!
//! `cosign sign --key` writes an image with the tag `sha256-….sig` to the registry: a payload with the digest, and its
//! signature as an annotation (sigstore/cosign `specs/SIGNATURE_SPEC.md`).

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mural_tests::flux as flux_install;
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};

use super::controller_failures::fails;
use super::{copy_chart_as, crds_are_new, deployed_version, install_older, newer_flags, patch, upgrade, wait_within};
use crate::crd_backup::apply;
use crate::small::{self, NAMESPACE};
use crate::test_cluster::TestCluster;

/// Annotation of a layer that contains the signature.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

pub fn by_cosign(test_cluster: &TestCluster) -> Result<()> {
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    install_older(test_cluster)?;
    let (vendor, registry) = (KeyPair::generate()?, test_cluster.sandbox()?.registry());
    for version in ["0.7.1", "0.7.4"] {
        sign(&vendor, &format!("{registry}/mural/mural-crds:{version}"))?;
    }
    let keys = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vendor-keys", "namespace": NAMESPACE},
        "data": {"vendor.pub": STANDARD.encode(vendor.public_key_pem())}});
    apply(test_cluster, &[keys])?;
    let verify = json!({"spec": {"verify": {"provider": "cosign", "secretRef": {"name": "vendor-keys"}}}});
    patch(test_cluster, "ocirepository", "mural-crds", &verify.to_string())?;
    wait_within(60, "the older chart's signature is verified", || {
        let source = test_cluster.get(&["ocirepository", "mural-crds", "--namespace", NAMESPACE])?;
        let all = source["status"]["conditions"].as_array().cloned().unwrap_or_default();
        Ok(all.iter().any(|one| one["type"] == "SourceVerified" && one["status"] == "True"))
    })?;
    flux_install::ready(test_cluster.sandbox()?, "mural-crds")?;
    unsigned(test_cluster)?;
    let done = upgrade(test_cluster, &[], &newer_flags(&["--yes"]))?.expect_code(0).context("signed")?;
    for told in ["signed (cosign verifies)", ", its signature verified by cosign"] {
        ensure!(done.all_text().contains(told), "does not tell {told:?}:\n{}", done.all_text());
    }
    let source: Value = test_cluster.get(&["ocirepository", "mural-crds", "--namespace", NAMESPACE])?;
    ensure!(source["spec"]["verify"]["provider"] == "cosign", "no longer asks for a signature: {}", source["spec"]);
    ensure!(
        deployed_version(test_cluster, "mural")?.starts_with("1.1.0-rc.3") && crds_are_new(test_cluster)?,
        "{}",
        done.all_text()
    );
    Ok(())
}

/// An unsigned version of the newer chart: the source reports it in time, and nothing is upgraded.
fn unsigned(test_cluster: &TestCluster) -> Result<()> {
    let chart = copy_chart_as(test_cluster, &small::crds(test_cluster, "0.7.4")?, "mural-crds", "0.7.7")?;
    small::push(test_cluster, &chart)?;
    let flags = ["--to", "1.1.0-rc.3", "--crds", "0.7.7", "--yes", "--failure-grace", "4s"];
    fails(test_cluster, &flags, &["OCIRepository mural-system/mural-crds: ", "VerificationError"])?;
    ensure!(
        deployed_version(test_cluster, "mural")?.starts_with("1.1.0-rc.0") && !crds_are_new(test_cluster)?,
        "something moved"
    );
    Ok(())
}

/// Signs the artifact of a tag.
fn sign(key: &KeyPair, image: &str) -> Result<()> {
    // The client needs a crypto provider even over plain HTTP. A second installation fails, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() });
    let image: Reference = image.parse()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let digest = runtime.block_on(client.fetch_manifest_digest(&image, &RegistryAuth::Anonymous))?;
    let repository = format!("{}/{}", image.registry(), image.repository());
    let payload = json!({"critical": {"identity": {"docker-reference": repository},
        "image": {"docker-manifest-digest": digest}, "type": "cosign container image signature"}, "optional": null});
    let payload = payload.to_string().into_bytes();
    let note = BTreeMap::from([(SIGNATURE.to_owned(), STANDARD.encode(key.sign(&payload)?))]);
    let layer = ImageLayer::new(payload, PAYLOAD.to_owned(), Some(note));
    let config = json!({"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer.sha256_digest()]}});
    let config = Config::new(config.to_string(), "application/vnd.oci.image.config.v1+json".to_owned(), None);
    let beside: Reference = format!("{repository}:{}.sig", digest.replace(':', "-")).parse()?;
    runtime.block_on(client.push(&beside, &[layer], config, &RegistryAuth::Anonymous, None))?;
    Ok(())
}
