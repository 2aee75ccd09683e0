//! The operator's kubectl. At least 1.31: the oldest cluster that the product runs on, within kubectl's own skew.

use std::path::{Path, PathBuf};
use std::time::Duration;

use semver::Version;
use serde_json::{Value, json};

use super::KUBE_CACHE_ENV;
use super::error::ToolError;
use super::helm_output;
use super::spawn::{self, StopSignal};
use crate::ask::ClusterAccess;
use crate::model::command::{Call, ProcessGuard};

const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// kubectl, with the cluster that it is to use.
#[derive(Debug, Clone)]
pub struct Kubectl {
    /// Where it is.
    pub program: PathBuf,
    /// How it reaches the cluster.
    pub cluster: ClusterAccess,
}

impl Kubectl {
    /// Preferences (kuberc, on by default from 1.34) may turn a plain `apply` into a dry run or change its field manager:
    /// <https://kubernetes.io/docs/reference/kubectl/kuberc/>
    fn build_local_call(&self, deadline: Duration) -> Call {
        let mut call = Call::new("kubectl", &self.program, deadline);
        call.env.push(("KUBERC".into(), "off".into()));
        call
    }

    fn build_call(&self, deadline: Duration) -> Call {
        let mut call = self.build_local_call(deadline);
        if let Some(folder) = &self.cluster.kube_cache {
            call.env.push((KUBE_CACHE_ENV.into(), folder.into()));
        }
        if let Some(file) = &self.cluster.kubeconfig {
            call = call.flag("--kubeconfig", file);
        }
        if let Some(context) = &self.cluster.context {
            call = call.flag("--context", context);
        }
        if let Some(user) = &self.cluster.impersonate {
            call = call.flag("--as", user);
        }
        call = self.cluster.impersonate_groups.iter().fold(call, |call, group| call.flag("--as-group", group));
        match self.cluster.request_timeout {
            Some(limit) => call.flag("--request-timeout", format!("{}s", limit.as_secs())),
            None => call,
        }
    }

    /// Its version.
    ///
    /// # Errors
    /// It does not run, or prints no version.
    pub async fn read_version(&self) -> Result<Version, ToolError> {
        let call = self.build_local_call(COMMAND_TIMEOUT).args(["version", "--client", "--output", "json"]);
        let command = call.to_string();
        parse_version(&spawn::run(call).await?).map_err(|source| ToolError::Unreadable {
            command,
            expected: "a version",
            source,
        })
    }

    /// The uid of `kube-system` as kubectl sees it.
    ///
    /// # Errors
    /// kubectl cannot reach the API server, or may not read that namespace.
    pub async fn read_cluster_uid(&self) -> Result<String, ToolError> {
        let call = self.build_call(COMMAND_TIMEOUT).args(["get", "--raw", "/api/v1/namespaces/kube-system"]);
        let command = call.to_string();
        let unreadable = |source| ToolError::Unreadable { command, expected: "a namespace", source };
        let bytes = spawn::run(call).await?;
        let namespace: Value = match serde_json::from_slice(&bytes) {
            Ok(namespace) => namespace,
            Err(error) => return Err(unreadable(error.into())),
        };
        namespace["metadata"]["uid"].as_str().map(str::to_owned).ok_or_else(|| unreadable("no uid in it".into()))
    }

    /// The command that applies objects server-side with kubectl's own field manager, as the vendor's page does.
    #[must_use]
    pub fn build_apply_call(&self, deadline: Duration) -> Call {
        self.build_call(deadline).args([
            "apply",
            "--server-side",
            "--force-conflicts",
            "--output",
            "name",
            "--filename",
            "-",
        ])
    }

    /// What the kustomization in a folder makes.
    ///
    /// # Errors
    /// kustomize refuses it.
    pub async fn kustomize(&self, folder: &Path) -> Result<Vec<Value>, ToolError> {
        let call = self.build_local_call(COMMAND_TIMEOUT).arg("kustomize").arg(folder);
        let command = call.to_string();
        let bytes = spawn::run(call).await?;
        helm_output::parse_manifest(&bytes).map_err(|source| ToolError::Unreadable {
            command,
            expected: "YAML",
            source,
        })
    }

    /// The command that marks CRDs so that helm leaves them where they are. The manager `kubectl-annotate` owns the mark alone: no apply takes it away.
    #[must_use]
    pub fn build_annotate_keep_call(&self, names: &[String], deadline: Duration) -> Call {
        let call = self.build_call(deadline).args(["annotate", "--overwrite", "customresourcedefinitions"]);
        names.iter().fold(call, Call::arg).arg(crate::model::release::KEEP_ANNOTATION)
    }

    /// Marks CRDs so that helm leaves them where they are.
    ///
    /// # Errors
    /// One of them is not there, or the server refuses.
    pub async fn annotate_keep(&self, names: &[String], deadline: Duration, stop: StopSignal) -> Result<(), ToolError> {
        spawn::run_until(self.build_annotate_keep_call(names, deadline), stop).await.map(drop)
    }

    /// The command that takes the mark from CRDs again.
    #[must_use]
    pub fn build_remove_keep_call(&self, names: &[String], deadline: Duration) -> Call {
        let call = self.build_call(deadline).args(["annotate", "customresourcedefinitions"]);
        names.iter().fold(call, Call::arg).arg(format!("{}-", crate::model::release::RESOURCE_POLICY_ANNOTATION))
    }

    /// Takes the mark from CRDs again.
    ///
    /// # Errors
    /// One of them is not there, or the server refuses.
    pub async fn remove_keep_annotation(
        &self,
        names: &[String],
        deadline: Duration,
        stop: StopSignal,
    ) -> Result<(), ToolError> {
        spawn::run_until(self.build_remove_keep_call(names, deadline), stop).await.map(drop)
    }

    /// Applies objects in their order, with one process. Gives how many kubectl says it applied.
    ///
    /// # Errors
    /// One of them is refused (kubectl goes on with the others), or it runs out of time.
    pub async fn apply(
        &self,
        objects: &[&Value],
        deadline: Duration,
        guard: &ProcessGuard,
        stop: StopSignal,
    ) -> Result<usize, ToolError> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let output =
            spawn::run_until(self.build_apply_call(deadline).stdin(list.into_bytes()).guard(guard), stop).await?;
        // `--output name`: one line an object.
        Ok(output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count())
    }
}

fn parse_version(bytes: &[u8]) -> Result<Version, Box<dyn std::error::Error + Send + Sync>> {
    let answer: Value = serde_json::from_slice(bytes)?;
    let text =
        answer.pointer("/clientVersion/gitVersion").and_then(Value::as_str).ok_or("no clientVersion.gitVersion")?;
    Ok(Version::parse(text.trim_start_matches('v'))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_off_in_every_call() {
        let kubectl = Kubectl { program: "/usr/bin/kubectl".into(), cluster: ClusterAccess::default() };
        let names = ["hubs.example.com".to_owned()];
        let calls = [
            kubectl.build_local_call(COMMAND_TIMEOUT),
            kubectl.build_apply_call(COMMAND_TIMEOUT),
            kubectl.build_annotate_keep_call(&names, COMMAND_TIMEOUT),
            kubectl.build_remove_keep_call(&names, COMMAND_TIMEOUT),
        ];
        assert!(calls.iter().all(|call| call.env.contains(&("KUBERC".into(), "off".into()))));
    }

    #[test]
    fn the_version_is_read_from_json() {
        let printed =
            br#"{"clientVersion": {"major": "1", "minor": "37", "gitVersion": "v1.37.2"}, "kustomizeVersion": "v5"}"#;
        assert_eq!(parse_version(printed).unwrap(), Version::new(1, 37, 2));
        assert!(parse_version(b"{}").is_err());
    }
}
