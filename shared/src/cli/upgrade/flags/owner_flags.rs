//! Flags of the installations that somebody else keeps: Flux, Git, an appliance.

use std::path::PathBuf;

use clap::Args;

use super::UpgradeFlags;

/// Where somebody else keeps the releases at their versions.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Where Flux, Git, Argo CD or an appliance own the releases")]
pub struct OwnerFlags {
    /// Write what to commit into this folder, numbered in the order to merge it.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub write: Option<PathBuf>,
    /// Insist on the OCIRepository (or HelmChart) that the application's chart comes from; another one found is refused.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// The same for the CRD chart.
    #[arg(long, value_name = "NAME")]
    pub crds_source: Option<String>,
    /// Watch the roll-out of what was committed, and prove it as if we had patched. Nothing is written.
    #[arg(long)]
    pub follow: bool,
    /// The appliance.
    #[command(flatten)]
    pub appliance: ApplianceFlags,
}

/// Whose signature the charts bear.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Signatures, before anything is written")]
pub struct SignatureFlags {
    /// Check helm's provenance file of each chart.
    #[arg(long)]
    pub verify: bool,
    /// The public keys that helm trusts; helm's own keyring without it.
    #[arg(long, value_name = "FILE", requires = "verify", value_hint = clap::ValueHint::FilePath)]
    pub keyring: Option<PathBuf>,
    /// Have cosign check each chart of a registry by this key; cosign must be installed.
    #[arg(long, value_name = "KEY")]
    pub cosign_key: Option<String>,
}

/// What is told of an appliance.
#[derive(Debug, Default, Args)]
pub struct ApplianceFlags {
    /// Where the appliance's own registry is reachable from here, as with kubectl port-forward: http://127.0.0.1:5000.
    #[arg(long, value_name = "URL")]
    pub registry_url: Option<String>,
    /// The content bundle: whether it is whole and holds both charts.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub bundle: Option<PathBuf>,
}

/// `flux-manifests`
#[derive(Debug, Args)]
pub struct FluxManifestsFlags {
    /// Apply them: what helm installed before is handed over to Flux as it is, CRDs first.
    #[arg(long, help_heading = "Manifests")]
    pub apply: bool,
    /// Put the digest beside the version: a tag that is pushed anew changes nothing then.
    #[arg(long, help_heading = "Manifests")]
    pub pin_digest: bool,
    /// The Secret with the registry's login.
    #[arg(long, value_name = "NAME", help_heading = "Manifests")]
    pub secret_ref: Option<String>,
    /// The Secret with the registry's certificate authority.
    #[arg(long, value_name = "NAME", help_heading = "Manifests")]
    pub cert_secret_ref: Option<String>,
    /// Whose signature source-controller asks for: cosign or notation.
    #[arg(long, value_name = "PROVIDER", value_parser = ["cosign", "notation"], help_heading = "Manifests")]
    pub verify_provider: Option<String>,
    /// The Secret with the keys of the signature.
    #[arg(long, value_name = "NAME", requires = "verify_provider", help_heading = "Manifests")]
    pub verify_secret: Option<String>,
    /// The upgrade.
    #[command(flatten)]
    pub upgrade: UpgradeFlags,
}
