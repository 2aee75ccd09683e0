//! The operator's kubectl: typed operations in, values out.
//!
//! It owns kubectl's command lines. Minimum 1.31: the oldest supported cluster, within kubectl's version skew.
//! `spawn.rs` starts the commands; `run/act.rs` decides when CRDs are applied or annotated.

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

/// kubectl with its cluster.
#[derive(Debug, Clone)]
pub struct Kubectl {
    /// The program's path.
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

    /// Reads kubectl's version.
    ///
    /// # Errors
    /// kubectl does not run, or prints no version.
    pub async fn read_version(&self) -> Result<Version, ToolError> {
        let call = self.build_local_call(COMMAND_TIMEOUT).args(["version", "--client", "--output", "json"]);
        let command = call.to_string();
        parse_version(&spawn::run(call).await?).map_err(|source| ToolError::Unreadable {
            command,
            expected: "a version",
            source,
        })
    }

    /// Reads the uid of `kube-system` through kubectl: it identifies kubectl's cluster.
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

    /// The `kubectl apply --server-side` command with kubectl's default field manager, as in the vendor's upgrade guide.
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

    /// Renders the kustomization in a folder.
    ///
    /// # Errors
    /// kustomize rejects the folder.
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

    /// The command that adds the keep annotation. The field manager `kubectl-annotate` is its only owner, so no apply removes it.
    #[must_use]
    pub fn build_annotate_keep_call(&self, names: &[String], deadline: Duration) -> Call {
        let call = self.build_call(deadline).args(["annotate", "--overwrite", "customresourcedefinitions"]);
        names.iter().fold(call, Call::arg).arg(crate::model::release::KEEP_ANNOTATION)
    }

    /// Adds the annotation `helm.sh/resource-policy: keep` to CRDs.
    ///
    /// # Errors
    /// A CRD does not exist, or the API server rejects the change.
    pub async fn annotate_keep(&self, names: &[String], deadline: Duration, stop: StopSignal) -> Result<(), ToolError> {
        spawn::run_until(self.build_annotate_keep_call(names, deadline), stop).await.map(drop)
    }

    /// The command that removes the keep annotation.
    #[must_use]
    pub fn build_remove_keep_call(&self, names: &[String], deadline: Duration) -> Call {
        let call = self.build_call(deadline).args(["annotate", "customresourcedefinitions"]);
        names.iter().fold(call, Call::arg).arg(format!("{}-", crate::model::release::RESOURCE_POLICY_ANNOTATION))
    }

    /// Removes the keep annotation from CRDs.
    ///
    /// # Errors
    /// A CRD does not exist, or the API server rejects the change.
    pub async fn remove_keep_annotation(
        &self,
        names: &[String],
        deadline: Duration,
        stop: StopSignal,
    ) -> Result<(), ToolError> {
        spawn::run_until(self.build_remove_keep_call(names, deadline), stop).await.map(drop)
    }

    /// Applies objects in their order with one process. Returns how many kubectl applied.
    ///
    /// # Errors
    /// The API server rejects an object (kubectl continues with the others), or the time limit is reached.
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
        // `--output name` prints one line per object.
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
