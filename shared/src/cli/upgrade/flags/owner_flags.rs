//! Flags for installations that Flux, Git, Argo CD or an appliance owns, and for the signatures of the charts.

use std::path::PathBuf;

use clap::Args;

use super::UpgradeFlags;

/// Options for releases that Flux, Git, Argo CD or an appliance owns.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Flux, Git, Argo CD and appliances")]
pub struct OwnerFlags {
    /// Write manifests for Git into this folder. Merge them in the order of their file names.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub write: Option<PathBuf>,
    /// Refuse unless this OCIRepository or HelmChart has the application chart.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Refuse unless this OCIRepository or HelmChart has the CRD chart.
    #[arg(long, value_name = "NAME")]
    pub crds_source: Option<String>,
    /// Watch the rollout of the committed manifests and verify it. Write nothing.
    #[arg(long)]
    pub follow: bool,
    /// The registry and the content bundle of an appliance.
    #[command(flatten)]
    pub appliance: ApplianceFlags,
}

/// The required signatures of the charts.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Signatures (verified before the first write)")]
pub struct SignatureFlags {
    /// Verify the helm provenance file (.prov) of each chart.
    #[arg(long)]
    pub verify: bool,
    /// Keyring with the trusted public keys. Default: helm's keyring.
    #[arg(long, value_name = "FILE", requires = "verify", value_hint = clap::ValueHint::FilePath)]
    pub keyring: Option<PathBuf>,
    /// Verify each registry chart with cosign and this key. Requires cosign on PATH.
    #[arg(long, value_name = "KEY")]
    pub cosign_key: Option<String>,
}

/// The registry and the content bundle of an appliance.
#[derive(Debug, Default, Args)]
pub struct ApplianceFlags {
    /// Address of the appliance's registry as this machine reaches it, for example http://127.0.0.1:5000 with kubectl port-forward.
    #[arg(long, value_name = "URL")]
    pub registry_url: Option<String>,
    /// Content bundle to check: it must be complete and contain both charts.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub bundle: Option<PathBuf>,
}

/// The flags of `flux-manifests`.
#[derive(Debug, Args)]
pub struct FluxManifestsFlags {
    /// Apply the manifests: hand over to Flux the releases that helm installed, CRDs first.
    #[arg(long, help_heading = "Manifests")]
    pub apply: bool,
    /// Pin the chart digest next to the version, so that a moved tag has no effect.
    #[arg(long, help_heading = "Manifests")]
    pub pin_digest: bool,
    /// Secret with the registry credentials (spec.secretRef).
    #[arg(long, value_name = "NAME", help_heading = "Manifests")]
    pub secret_ref: Option<String>,
    /// Secret with the CA certificate of the registry (spec.certSecretRef).
    #[arg(long, value_name = "NAME", help_heading = "Manifests")]
    pub cert_secret_ref: Option<String>,
    /// Provider that source-controller uses to verify signatures (spec.verify.provider).
    #[arg(long, value_name = "PROVIDER", value_parser = ["cosign", "notation"], help_heading = "Manifests")]
    pub verify_provider: Option<String>,
    /// Secret with the public keys of the signatures (spec.verify.secretRef).
    #[arg(long, value_name = "NAME", requires = "verify_provider", help_heading = "Manifests")]
    pub verify_secret: Option<String>,
    /// The charts, values and options of the upgrade.
    #[command(flatten)]
    pub upgrade: UpgradeFlags,
}
