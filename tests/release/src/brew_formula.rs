//! The Homebrew formula `mural`, for a tap (<https://docs.brew.sh/Formula-Cookbook>).

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use crate::release_info::ReleaseInfo;
use crate::target::Target;
use crate::target_archive::archive_name;

/// The name of the formula's file.
pub const FILE_NAME: &str = "mural.rb";
/// One line, at most 80 characters, no article in front and no full stop behind: `brew style` requires it.
const DESCRIPTION: &str = "Kubectl and helm plugins that upgrade PaletteAI and its CRDs";

/// Renders the formula. Each URL has the checksum of its archive; the version is part of the URL.
///
/// # Errors
/// A target has no archive: Homebrew needs all of them.
pub fn render_formula(release: &ReleaseInfo, archives: &[(Target, String)]) -> Result<String> {
    ensure!(Target::ALL.iter().all(|target| archives.iter().any(|(one, _)| one == target)), "an archive is missing");
    let mut text = format!(
        "class Mural < Formula
  desc \"{DESCRIPTION}\"
  homepage \"{}\"
  license \"Apache-2.0\"
",
        release.repository
    );
    for (system, arm, intel) in
        [("on_macos", Target::DarwinArm64, Target::DarwinAmd64), ("on_linux", Target::LinuxArm64, Target::LinuxAmd64)]
    {
        write!(text, "\n  {system} do\n")?;
        for (processor, target) in [("on_arm", arm), ("on_intel", intel)] {
            let checksum =
                archives.iter().find(|(one, _)| *one == target).map_or("", |(_, checksum)| checksum.as_str());
            let url = release.download_url(&archive_name(release, target));
            write!(text, "    {processor} do\n      url \"{url}\"\n      sha256 \"{checksum}\"\n    end\n")?;
        }
        text.push_str("  end\n");
    }
    text.push_str(INSTALL);
    Ok(text)
}

const INSTALL: &str = r##"
  def install
    bin.install Dir["bin/*"]
    %w[upgrade validate].each do |name|
      bin.install_symlink bin/"kubectl-mural" => "kubectl_complete-mural-#{name}"
    end
    bin.install_symlink bin/"kubectl-mural" => "kubectl_complete-mural"
    man1.install Dir["man/man1/*.1"]
    pkgshare.install "plugin.yaml", "plugin.complete", "THIRD-PARTY-LICENSES.txt"
    (pkgshare/"bin").install_symlink bin/"helm-mural"
  end

  def caveats
    <<~EOS
      To use `helm mural`, register the plugin once:
        helm plugin install #{opt_pkgshare}
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/kubectl-mural-upgrade --version")
    assert_match "validate", shell_output("#{bin}/kubectl-mural --help")
  end
end
"##;
