//! helm's own flags, which go to helm as they are.

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// helm's flags besides values: passed on where this helm knows them, refused by name where it does not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HelmOptions {
    /// `--post-renderer`: a program for helm 3, a plugin's name for helm 4. Only the application goes through it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_renderer: Option<String>,
    /// `--post-renderer-args`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_renderer_args: Vec<String>,
    /// `--no-hooks`
    pub no_hooks: bool,
    /// `--history-max`: revisions kept of each release; 0 keeps all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_max: Option<u32>,
    /// `--server-side`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side: Option<ServerSide>,
    /// `--force-conflicts`
    pub force_conflicts: bool,
}

/// `--server-side`: whether the API server merges what helm writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServerSide {
    /// As the release's last revision did.
    Auto,
    /// It does.
    True,
    /// helm does.
    False,
}

impl ServerSide {
    /// helm's own word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::True => "true",
            Self::False => "false",
        }
    }
}

impl HelmOptions {
    /// Refuses what this helm does not know (helm `cmd/helm/upgrade.go` of both lines).
    ///
    /// # Errors
    /// A usage problem that names the flag and the helm that knows it.
    pub fn check_supported_by(&self, helm: &Version) -> Result<(), Problem> {
        let newer = [("--server-side", self.server_side.is_some()), ("--force-conflicts", self.force_conflicts)];
        match newer.into_iter().find(|(_, is_set)| *is_set && helm.major < 4) {
            Some((flag, _)) => Err(Problem::usage(format!("helm {helm} does not know {flag}"))
                .with_hint("helm 4 does: put it first on PATH, or leave the flag out")),
            None => Ok(()),
        }
    }

    /// As words of a helm command, for both charts.
    #[must_use]
    pub fn to_args(&self) -> Vec<String> {
        let flag = |is_set: bool, flag: &str| is_set.then(|| vec![flag.to_owned()]);
        let all = [
            flag(self.no_hooks, "--no-hooks"),
            self.history_max.map(|most| vec!["--history-max".to_owned(), most.to_string()]),
            // helm takes the value only behind an equals sign: the flag also stands alone.
            self.server_side.map(|how| vec![format!("--server-side={}", how.as_str())]),
            flag(self.force_conflicts, "--force-conflicts"),
        ];
        all.into_iter().flatten().flatten().collect()
    }

    /// The post-renderer, as words of a helm command.
    #[must_use]
    pub fn to_post_renderer_args(&self) -> Vec<String> {
        let Some(program) = &self.post_renderer else { return Vec::new() };
        let flag_args = ["--post-renderer".to_owned(), program.clone()];
        // An argument may begin with a dash.
        flag_args
            .into_iter()
            .chain(self.post_renderer_args.iter().map(|argument| format!("--post-renderer-args={argument}")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_helm_does_not_know_is_refused_by_name() {
        let newer = HelmOptions { server_side: Some(ServerSide::True), ..HelmOptions::default() };
        let refused = newer.check_supported_by(&Version::new(3, 22, 0)).unwrap_err();
        assert!(refused.message.contains("--server-side") && refused.message.contains("3.22.0"), "{refused:?}");
        assert!(newer.check_supported_by(&Version::new(4, 1, 0)).is_ok());
        let old = HelmOptions { no_hooks: true, history_max: Some(0), ..HelmOptions::default() };
        assert!(old.check_supported_by(&Version::new(3, 17, 0)).is_ok());
        assert_eq!(old.to_args(), ["--no-hooks", "--history-max", "0"]);
    }
}
