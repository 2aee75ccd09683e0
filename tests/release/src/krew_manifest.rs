//! The manifest of the krew plugin `mural` (<https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/>).
//!
//! One plugin, because krew links one program per plugin and turns `mural-upgrade` into `kubectl mural-upgrade`.

use crate::release_info::ReleaseInfo;
use crate::target::Target;
use crate::target_archive::archive_name;

/// The name of the manifest. krew requires the plugin's name.
pub const FILE_NAME: &str = "mural.yaml";

/// Where the archives of a manifest are.
#[derive(Debug, Clone, Copy)]
pub enum ArchiveLocation<'a> {
    /// The published release.
    Release,
    /// Below this URL, for tests.
    Url(&'a str),
}

const DESCRIPTION: &str = "  shortDescription: Upgrade and validate PaletteAI, its CRDs first
  description: |
    Plans, guards, runs and verifies the upgrade of PaletteAI (\"Mural\") on a hub cluster:
    the charts mural-crds and mural, owned by Helm, Flux or an appliance.

      kubectl mural upgrade     plan, confirm, apply and verify an upgrade
      kubectl mural validate    report whether an installation is healthy
      kubectl mural crds        show, compare, check and apply the CRDs of a chart
  caveats: |
    You need helm 3.17 or newer on PATH.
    To complete commands with Tab: kubectl mural completion install
    Before you uninstall the plugin: kubectl mural completion uninstall
";

/// Renders the manifest for the targets that have an archive, each with its SHA-256.
#[must_use]
pub fn render_manifest(release: &ReleaseInfo, archives: &[(Target, String)], location: ArchiveLocation<'_>) -> String {
    let (version, homepage) = (release.tag(), &release.repository);
    let head =
        "apiVersion: krew.googlecontainertools.github.com/v1alpha2\nkind: Plugin\nmetadata:\n  name: mural\nspec:\n";
    let platforms = archives.iter().map(|(target, sha256)| render_platform(release, *target, sha256, location));
    format!(
        "{head}  version: {version}\n  homepage: {homepage}\n{DESCRIPTION}  platforms:\n{}",
        platforms.collect::<String>()
    )
}

fn render_platform(release: &ReleaseInfo, target: Target, sha256: &str, location: ArchiveLocation<'_>) -> String {
    let name = archive_name(release, target);
    let uri = match location {
        ArchiveLocation::Release => release.download_url(&name),
        ArchiveLocation::Url(base) => format!("{base}/{name}"),
    };
    let (os, arch) = (target.os(), target.arch());
    format!(
        "  - selector:
      matchLabels:
        os: {os}
        arch: {arch}
    uri: {uri}
    sha256: \"{sha256}\"
    bin: bin/kubectl-mural
"
    )
}
