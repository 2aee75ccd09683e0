//! Options that helm gets unchanged.

use semver::Version;
use serde::{Deserialize, Serialize};

use super::usage_error::UsageError;

/// helm's flags other than values. A flag that the installed helm does not support is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HelmOptions {
    /// `--post-renderer`: an executable (helm 3) or the name of a plugin (helm 4). It applies to the application only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_renderer: Option<String>,
    /// `--post-renderer-args`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_renderer_args: Vec<String>,
    /// `--no-hooks`
    pub no_hooks: bool,
    /// `--history-max`: maximum number of revisions of each release; 0 means no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_max: Option<u32>,
    /// `--server-side`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side: Option<ServerSide>,
    /// `--force-conflicts`
    pub force_conflicts: bool,
}

/// `--server-side`: whether helm uses server-side apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServerSide {
    /// As the previous revision of the release.
    Auto,
    /// Server-side apply.
    True,
    /// Client-side apply.
    False,
}

impl ServerSide {
    /// The value of helm's flag.
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
    /// Refuses a flag that this helm version does not support (helm `cmd/helm/upgrade.go`, helm 3 and 4).
    ///
    /// # Errors
    /// A usage error with the flag and the helm version that supports it.
    pub fn check_supported_by(&self, helm: &Version) -> Result<(), UsageError> {
        let newer = [("--server-side", self.server_side.is_some()), ("--force-conflicts", self.force_conflicts)];
        match newer.into_iter().find(|(_, is_set)| *is_set && helm.major < 4) {
            Some((flag, _)) => Err(UsageError::HelmFlag { helm: helm.clone(), flag }),
            None => Ok(()),
        }
    }

    /// The arguments for helm commands on both charts.
    #[must_use]
    pub fn to_args(&self) -> Vec<String> {
        let flag = |is_set: bool, flag: &str| is_set.then(|| vec![flag.to_owned()]);
        let all = [
            flag(self.no_hooks, "--no-hooks"),
            self.history_max.map(|most| vec!["--history-max".to_owned(), most.to_string()]),
            // helm accepts the value only after `=`, because the flag also works without a value.
            self.server_side.map(|how| vec![format!("--server-side={}", how.as_str())]),
            flag(self.force_conflicts, "--force-conflicts"),
        ];
        all.into_iter().flatten().flatten().collect()
    }

    /// The arguments of the post-renderer for helm commands on the application chart.
    #[must_use]
    pub fn to_post_renderer_args(&self) -> Vec<String> {
        let Some(program) = &self.post_renderer else { return Vec::new() };
        let flag_args = ["--post-renderer".to_owned(), program.clone()];
        // `=` because an argument may start with a dash.
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
    fn an_unsupported_flag_is_refused() {
        let newer = HelmOptions { server_side: Some(ServerSide::True), ..HelmOptions::default() };
        let refused = newer.check_supported_by(&Version::new(3, 22, 0)).unwrap_err();
        assert!(refused.to_string().contains("--server-side") && refused.to_string().contains("3.22.0"), "{refused:?}");
        assert!(newer.check_supported_by(&Version::new(4, 1, 0)).is_ok());
        let old = HelmOptions { no_hooks: true, history_max: Some(0), ..HelmOptions::default() };
        assert!(old.check_supported_by(&Version::new(3, 17, 0)).is_ok());
        assert_eq!(old.to_args(), ["--no-hooks", "--history-max", "0"]);
    }
}
