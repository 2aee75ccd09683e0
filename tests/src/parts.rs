//! The programs of the sandbox: the table of names, versions and Go modules.
//!
//! `find` looks for a fitting program in `KUBEBUILDER_ASSETS`, the cache and `PATH`; `build` builds a missing one.

mod build;
mod find;

pub(crate) use find::cache_dir;
pub use find::{Found, Source, find, find_or_build, look};

use anyhow::{Context as _, Result, bail};
use semver::Version;

/// Version of the API server, the controllers, the scheduler and kubectl.
pub const KUBERNETES: &str = "1.37.2";

/// The default version of helm in a sandbox.
pub const HELM: &str = "4.3.1";

/// Environment variable that selects the version of helm-controller: 1.4 contains helm 3, 1.6 contains helm 4.
pub const HELM_CONTROLLER: &str = "MURAL_HELM_CONTROLLER";

/// Which other versions a part accepts, if found on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Only the version of the table.
    Exact,
    /// Any patch of the same minor version.
    SameMinor,
    /// One minor version older or newer: the skew that kubectl supports.
    NextMinor,
    /// This major and minor version, or newer.
    AtLeast(u64, u64),
}

/// One program: its name, its version, and the Go module that builds it.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// File name of the program, such as `helm`.
    pub name: &'static str,
    /// The version that a build produces.
    pub version: &'static str,
    /// Which other versions are accepted.
    pub fit: Fit,
    /// Folder of the Go module below `tests/tools/`.
    pub module: &'static str,
    /// The Go package to build.
    pub package: &'static str,
    /// Duration of a cold build on two cores with downloads, in seconds. Printed before the build starts.
    pub build_seconds: u64,
}

const fn part(
    name: &'static str,
    version: &'static str,
    module: &'static str,
    package: &'static str,
    build_seconds: u64,
) -> Part {
    Part { name, version, fit: Fit::SameMinor, module, package, build_seconds }
}

/// The table of all parts.
#[rustfmt::skip]
pub static PARTS: [Part; 16] = [
    part("etcd", "3.7.3", "etcd", "go.etcd.io/etcd/server/v3", 60),
    part("kube-apiserver", KUBERNETES, "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", 540),
    part("kube-controller-manager", KUBERNETES, "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", 150),
    part("kube-scheduler", KUBERNETES, "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", 20),
    Part { fit: Fit::NextMinor, ..part("kubectl", KUBERNETES, "kubernetes", "k8s.io/kubernetes/cmd/kubectl", 35) },
    part("kwok", "0.8.0", "kwok", "sigs.k8s.io/kwok/cmd/kwok", 120),
    part("registry", "3.1.2", "registry", "github.com/distribution/distribution/v3/cmd/registry", 100),
    Part { fit: Fit::Exact, ..part("helm", "3.17.2", "helm-3.17.2", "helm.sh/helm/v3/cmd/helm", 160) },
    Part { fit: Fit::Exact, ..part("helm", "3.22.0", "helm-3.22.0", "helm.sh/helm/v3/cmd/helm", 110) },
    Part { fit: Fit::Exact, ..part("helm", "4.2.3", "helm-4.2.3", "helm.sh/helm/v4/cmd/helm", 100) },
    Part { fit: Fit::Exact, ..part("helm", HELM, "helm-4.3.1", "helm.sh/helm/v4/cmd/helm", 190) },
    part("source-controller", "1.9.1", "source-controller", "github.com/fluxcd/source-controller", 300),
    part("helm-controller", "1.6.4", "helm-controller", "github.com/fluxcd/helm-controller", 180),
    Part { fit: Fit::Exact, ..part("helm-controller", "1.4.3", "helm-controller-1.4.3", "github.com/fluxcd/helm-controller", 220) },
    Part { fit: Fit::Exact, ..part("krew", "0.5.0", "krew", "sigs.k8s.io/krew/cmd/krew", 40) },
    Part { fit: Fit::Exact, ..part("actionlint", "1.7.12", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint", 25) },
];

/// Finds a part by name; for helm, use [`helm`].
///
/// # Errors
/// When the table has no such part.
pub fn part_named(name: &str) -> Result<Part> {
    PARTS.iter().find(|part| part.name == name).copied().with_context(|| format!("the sandbox has no part `{name}`"))
}

/// The newest helm of the table that matches `3`, `4`, `3.17` or a full version. Without a version: [`HELM`], or any
/// helm from 3.17.
///
/// # Errors
/// When the table has no such helm.
pub fn helm(wanted: Option<&str>) -> Result<Part> {
    let Some(wanted) = wanted else {
        return Ok(Part { fit: Fit::AtLeast(3, 17), ..helm(Some(HELM))? });
    };
    let wanted = wanted.trim_start_matches('v');
    let newest = PARTS.iter().rfind(|part| {
        part.name == "helm" && (part.version == wanted || part.version.starts_with(&format!("{wanted}.")))
    });
    match newest {
        Some(part) => Ok(*part),
        None => bail!("helm {wanted} is not available; versions: {}", helms().join(", ")),
    }
}

/// The helm-controller of this version; without a version, the default one.
///
/// # Errors
/// When the table has no such helm-controller.
pub fn helm_controller(wanted: Option<&str>) -> Result<Part> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return part_named("helm-controller") };
    let all = || PARTS.iter().filter(|part| part.name == "helm-controller");
    let is = |part: &&Part| part.version == wanted || part.version.starts_with(&format!("{wanted}."));
    let known = || all().map(|part| part.version).collect::<Vec<_>>().join(", ");
    all().find(is).copied().with_context(|| format!("helm-controller {wanted} is not available; versions: {}", known()))
}

/// Every helm version of the table, oldest first.
#[must_use]
pub fn helms() -> Vec<&'static str> {
    PARTS.iter().filter(|part| part.name == "helm").map(|part| part.version).collect()
}

impl Part {
    /// File name in the cache, with the version: `helm-4.3.1`.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// Whether a program of this version can be used for the part.
    #[must_use]
    pub fn fits(&self, found: &Version) -> bool {
        let Ok(ours) = Version::parse(self.version) else { return false };
        match self.fit {
            Fit::Exact => *found == ours,
            Fit::SameMinor => (found.major, found.minor) == (ours.major, ours.minor),
            Fit::NextMinor => found.major == ours.major && found.minor.abs_diff(ours.minor) <= 1,
            Fit::AtLeast(major, minor) => (found.major, found.minor) >= (major, minor),
        }
    }

    /// The arguments that print the program's version.
    pub(crate) fn version_args(&self) -> &'static [&'static str] {
        match self.name {
            "kubectl" => &["version", "--client"],
            "helm" => &["version", "--short"],
            _ => &["--version"],
        }
    }
}

/// The first version `1.2.3` in a program's output, without the build suffix.
pub(crate) fn read_version(output: &str) -> Option<Version> {
    output.split(|c: char| c.is_whitespace() || c == '"' || c == ',').find_map(|word| {
        let version = Version::parse(word.trim_start_matches('v')).ok()?;
        Some(Version::new(version.major, version.minor, version.patch))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_real_output() {
        for (said, version) in [
            ("etcd Version: 3.7.3\nGit SHA: Not provided", "3.7.3"),
            ("kwok version v0.8.0 go1.26.8 (linux/amd64)", "0.8.0"),
            ("registry github.com/distribution/distribution/v3 v3.1.2+unknown", "3.1.2"),
            ("Client Version: v1.37.2\nKustomize Version: v5.8.1", "1.37.2"),
            ("Kubernetes v1.37.2", "1.37.2"),
            ("v3.17.2+gcc0bbbd", "3.17.2"),
        ] {
            assert_eq!(read_version(said), Version::parse(version).ok(), "{said}");
        }
        assert_eq!(read_version("unknown flag: --version"), None);
    }

    #[test]
    fn helm_is_selected_by_a_partial_version() {
        for (asked, version) in
            [("3", "3.22.0"), ("4", "4.3.1"), ("3.17", "3.17.2"), ("v4.2.3", "4.2.3"), ("4.2", "4.2.3")]
        {
            assert_eq!(helm(Some(asked)).unwrap().version, version, "{asked}");
        }
        assert_eq!(helm(None).unwrap().version, HELM);
        assert!(helm(Some("3.1")).is_err(), "3.1 is not 3.17");
    }

    #[test]
    fn a_helm_controller_with_helm_3_can_be_selected() {
        let version = |asked| helm_controller(asked).map(|part| part.version);
        assert_eq!((version(None).unwrap(), version(Some("1.4")).unwrap()), ("1.6.4", "1.4.3"));
        assert!(version(Some("1.5")).is_err());
    }

    #[test]
    fn a_program_found_elsewhere_must_fit() {
        let kubectl = part_named("kubectl").unwrap();
        assert!(
            kubectl.fits(&Version::new(1, 36, 9))
                && kubectl.fits(&Version::new(1, 38, 0))
                && !kubectl.fits(&Version::new(1, 35, 0))
        );
        let etcd = part_named("etcd").unwrap();
        assert!(etcd.fits(&Version::new(3, 7, 0)) && !etcd.fits(&Version::new(3, 6, 0)));
        assert!(
            helm(None).unwrap().fits(&Version::new(3, 19, 0)) && !helm(Some("4")).unwrap().fits(&Version::new(4, 3, 0))
        );
    }
}
