//! The systems that a release supports.

use std::fmt;

/// A system for which a release has an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Linux on x86_64.
    LinuxAmd64,
    /// Linux on arm64.
    LinuxArm64,
    /// macOS on x86_64.
    DarwinAmd64,
    /// macOS on arm64.
    DarwinArm64,
}

/// The oldest glibc on which the Linux programs run: that of RHEL 7 and of every later distribution.
pub const GLIBC_FLOOR: (u32, u32) = (2, 17);

impl Target {
    /// All targets, in the order of the manifests.
    pub const ALL: [Self; 4] = [Self::LinuxAmd64, Self::LinuxArm64, Self::DarwinAmd64, Self::DarwinArm64];

    /// The target's name for rustc.
    #[must_use]
    pub const fn triple(self) -> &'static str {
        match self {
            Self::LinuxAmd64 => "x86_64-unknown-linux-gnu",
            Self::LinuxArm64 => "aarch64-unknown-linux-gnu",
            Self::DarwinAmd64 => "x86_64-apple-darwin",
            Self::DarwinArm64 => "aarch64-apple-darwin",
        }
    }

    /// The operating system, as Go names it: krew and helm use these names.
    #[must_use]
    pub const fn os(self) -> &'static str {
        match self {
            Self::LinuxAmd64 | Self::LinuxArm64 => "linux",
            Self::DarwinAmd64 | Self::DarwinArm64 => "darwin",
        }
    }

    /// The processor, as Go names it.
    #[must_use]
    pub const fn arch(self) -> &'static str {
        match self {
            Self::LinuxAmd64 | Self::DarwinAmd64 => "amd64",
            Self::LinuxArm64 | Self::DarwinArm64 => "arm64",
        }
    }

    /// Whether the target uses glibc, so that [`GLIBC_FLOOR`] applies.
    #[must_use]
    pub const fn has_glibc(self) -> bool {
        matches!(self, Self::LinuxAmd64 | Self::LinuxArm64)
    }

    /// The target of this machine; `None` if a release has no archive for it.
    #[must_use]
    pub fn of_this_machine() -> Option<Self> {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        Self::ALL.into_iter().find(|target| {
            let os_name = if target.os() == "darwin" { "macos" } else { target.os() };
            os == os_name && target.triple().starts_with(arch)
        })
    }

    /// The target with this name: `linux-amd64`, or the name for rustc.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.to_string() == text || target.triple() == text)
    }
}

/// `linux-amd64`: the part of a file name.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.os(), self.arch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_found_by_both_names() {
        for target in Target::ALL {
            assert_eq!(Target::parse(&target.to_string()), Some(target));
            assert_eq!(Target::parse(target.triple()), Some(target));
        }
        assert_eq!(Target::parse("windows-amd64"), None);
    }
}
