//! Every real program of the sandbox, with its version and where it is found or built.

mod build;
mod find;

pub(crate) use find::cache_dir;
pub use find::{Found, Source, find, find_or_build, look};

use anyhow::{Context as _, Result, bail};
use semver::Version;

/// Kubernetes' version: API server, controllers, scheduler and kubectl move together.
pub const KUBERNETES: &str = "1.37.2";

/// The helm that a sandbox has when nobody asks for another.
pub const HELM: &str = "4.3.1";

/// The variable that asks for another helm-controller: 1.4 has helm 3 inside, 1.6 helm 4.
pub const HELM_CONTROLLER: &str = "MURAL_HELM_CONTROLLER";

/// Which version found elsewhere may stand in for ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Only this very version.
    Exact,
    /// Any patch of the same minor version.
    SameMinor,
    /// One minor version up or down, as kubectl promises towards a server.
    NextMinor,
    /// This major and minor version or anything newer.
    AtLeast(u64, u64),
}

/// One real program: what it is called, which version we mean, and the Go module that builds it.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The program's plain name.
    pub name: &'static str,
    /// The version we build.
    pub version: &'static str,
    /// What may replace it.
    pub fit: Fit,
    /// The folder under `tests/tools/`.
    pub module: &'static str,
    /// The Go package to build.
    pub package: &'static str,
    /// A cold build on two cores with downloads, in seconds: said beforehand, so that nobody thinks it hangs.
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

/// The table. Everything else asks it.
#[rustfmt::skip]
pub static PARTS: [Part; 14] = [
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
];

/// The part of this name; for helm, use [`helm`].
///
/// # Errors
/// When the table has no such part.
pub fn part_named(name: &str) -> Result<Part> {
    PARTS.iter().find(|part| part.name == name).copied().with_context(|| format!("the sandbox has no part `{name}`"))
}

/// The helm that was asked for: `3`, `4`, `3.17` or a full version; nothing asked for means ours, or any newer than 3.17.
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
        None => bail!("no helm {wanted} here: the sandbox knows {}", helms().join(", ")),
    }
}

/// The helm-controller that [`HELM_CONTROLLER`] asks for; the newest where it asks for none.
///
/// # Errors
/// When the table has no such helm-controller.
pub fn helm_controller(wanted: Option<&str>) -> Result<Part> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return part_named("helm-controller") };
    let all = || PARTS.iter().filter(|part| part.name == "helm-controller");
    let is = |part: &&Part| part.version == wanted || part.version.starts_with(&format!("{wanted}."));
    let known = || all().map(|part| part.version).collect::<Vec<_>>().join(", ");
    all().find(is).copied().with_context(|| format!("no helm-controller {wanted} here: the sandbox knows {}", known()))
}

/// Every helm version of the table, oldest first.
#[must_use]
pub fn helms() -> Vec<&'static str> {
    PARTS.iter().filter(|part| part.name == "helm").map(|part| part.version).collect()
}

impl Part {
    /// The name of the built file: several versions live side by side.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// Whether a program of that version may stand in for this part.
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

    /// The arguments that make the program say its version.
    pub(crate) fn version_args(&self) -> &'static [&'static str] {
        match self.name {
            "kubectl" => &["version", "--client"],
            "helm" => &["version", "--short"],
            _ => &["--version"],
        }
    }
}

/// The first `1.2.3` in what a program says of itself, without the build suffix.
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
    fn versions_are_read_from_what_programs_really_say() {
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
    fn helm_is_chosen_by_as_much_of_the_version_as_was_said() {
        for (asked, version) in
            [("3", "3.22.0"), ("4", "4.3.1"), ("3.17", "3.17.2"), ("v4.2.3", "4.2.3"), ("4.2", "4.2.3")]
        {
            assert_eq!(helm(Some(asked)).unwrap().version, version, "{asked}");
        }
        assert_eq!(helm(None).unwrap().version, HELM);
        assert!(helm(Some("3.1")).is_err(), "3.1 is not 3.17");
    }

    #[test]
    fn the_helm_controller_with_helm_3_inside_is_asked_for_by_name() {
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
