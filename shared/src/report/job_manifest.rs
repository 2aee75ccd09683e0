//! An upgrade as a Kubernetes Job, for `kubectl apply`, Flux, Argo CD and Open Cluster Management.
//!
//! The input is the command line of the pod, the files that it reads and the permissions of the plan. The output is YAML: the
//! ServiceAccount, its Roles, a Secret with the files and the Job. Values can hold secrets, so they are never in a ConfigMap or in the
//! Job itself.

use serde_json::{Map, Value, json};

use super::permission_manifest::{self, Subject};
use crate::model::access_review::RequiredPermissions;
use crate::model::metadata_keys::MANAGED_BY;
use crate::model::yaml::{self, YamlError};
use crate::problem::Exit;

/// Where the pod finds the values files.
pub const VALUES_DIR: &str = "/values";
/// Where the pod finds the logins of registries.
pub const REGISTRY_DIR: &str = "/registry";
/// The file there, as in a Secret of type `kubernetes.io/dockerconfigjson`.
pub const REGISTRY_FILE: &str = ".dockerconfigjson";
/// A user that owns nothing in the image.
const USER_ID: u32 = 65532;
/// How long a pod may take to reach its next safe point.
const GRACE_SECONDS: u32 = 900;
/// How often a pod is replaced after it was killed, ran out of time, or found the lock held.
const RETRIES: u32 = 3;

/// What the Job consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobManifest {
    /// The name of the Job and of the Secret.
    pub name: String,
    /// The installation's namespace.
    pub namespace: String,
    /// The image with the plugins, helm and kubectl.
    pub image: String,
    /// The ServiceAccount.
    pub service_account: String,
    /// The arguments of the container.
    pub args: Vec<String>,
    /// The files below [`VALUES_DIR`].
    pub files: Vec<(String, String)>,
    /// The Secret with the logins of registries, of type `kubernetes.io/dockerconfigjson`.
    pub registry_secret: Option<String>,
    /// Whether the Job waits until a user sets `suspend: false`.
    pub suspended: bool,
}

impl JobManifest {
    /// The manifests as YAML, in the order in which they must be applied.
    ///
    /// # Errors
    /// The YAML cannot be written.
    pub fn render(&self, permissions: &RequiredPermissions) -> Result<String, YamlError> {
        let subject = Subject::ServiceAccount { namespace: &self.namespace, name: &self.service_account };
        let mut text = permission_manifest::render(permissions, subject)?;
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": self.metadata(&self.service_account)});
        for document in [Some(account), self.build_secret(), Some(self.build_job())].into_iter().flatten() {
            text.push_str("---\n");
            text.push_str(&yaml::write(&document)?);
        }
        Ok(text)
    }

    fn metadata(&self, name: &str) -> Value {
        json!({"name": name, "namespace": self.namespace, "labels": {"app.kubernetes.io/managed-by": MANAGED_BY}})
    }

    fn build_secret(&self) -> Option<Value> {
        let files: Map<String, Value> =
            self.files.iter().map(|(name, content)| (name.clone(), content.as_str().into())).collect();
        let is_needed = !files.is_empty();
        is_needed.then(|| {
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": self.metadata(&self.name), "stringData": files})
        })
    }

    fn build_job(&self) -> Value {
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": self.metadata(&self.name),
            "spec": {
                "suspend": self.suspended,
                "backoffLimit": RETRIES,
                // Never two pods of one run at a time.
                "podReplacementPolicy": "Failed",
                "podFailurePolicy": {"rules": [
                    // The node is drained: the next pod resumes.
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
                    // Refused, or a step failed: a person decides. Other exit codes are tried again.
                    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": list_final_exit_codes()}},
                ]},
                "template": {"spec": self.build_pod()},
            },
        })
    }

    fn build_pod(&self) -> Value {
        let mut mounts = vec![json!({"name": "tmp", "mountPath": "/tmp"})];
        let mut volumes = vec![json!({"name": "tmp", "emptyDir": {}})];
        if !self.files.is_empty() {
            mounts.push(json!({"name": "values", "mountPath": VALUES_DIR, "readOnly": true}));
            volumes.push(json!({"name": "values", "secret": {"secretName": self.name}}));
        }
        if let Some(secret) = &self.registry_secret {
            mounts.push(json!({"name": "registry", "mountPath": REGISTRY_DIR, "readOnly": true}));
            volumes.push(json!({"name": "registry", "secret": {"secretName": secret}}));
        }
        json!({
            "serviceAccountName": self.service_account,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER_ID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "upgrade",
                "image": self.image,
                "args": self.args,
                "env": [{"name": "HOME", "value": "/tmp"}],
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": mounts,
            }],
            "volumes": volumes,
        })
    }
}

/// The exit codes after which another pod would end the same way.
fn list_final_exit_codes() -> Vec<u8> {
    let is_final = |exit: &Exit| match exit {
        Exit::Failed
        | Exit::ChangesFound
        | Exit::ChecksFailed
        | Exit::OnlyWarnings
        | Exit::Refused
        | Exit::NotConfirmed
        | Exit::MissingTool
        | Exit::Usage => true,
        Exit::Success | Exit::TimedOut | Exit::Locked | Exit::Interrupted => false,
    };
    Exit::ALL.iter().filter(|exit| is_final(exit)).map(|exit| exit.code()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access_review::Permission;
    use crate::model::yaml::{ErrorDetail, parse_documents};

    fn manifest(files: &[(&str, &str)]) -> Vec<Value> {
        let job = JobManifest {
            name: "mural-upgrade-1-1-0".into(),
            namespace: "hub".into(),
            image: "registry.example.com/mural:0.1.0".into(),
            service_account: "mural-run".into(),
            args: vec!["upgrade".into(), "--to=1.1.0".into(), "--yes".into()],
            files: files.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect(),
            registry_secret: None,
            suspended: true,
        };
        let required = vec![Permission::new(Some("hub"), "", "secrets", "get")];
        let text = job.render(&RequiredPermissions { required, optional: Vec::new() }).unwrap();
        parse_documents(&text, ErrorDetail::LocationOnly).unwrap()
    }

    #[test]
    fn the_job_has_its_account_its_role_and_its_values() {
        let all = manifest(&[("0.yaml", "password: canary\n")]);
        let kinds: Vec<&str> = all.iter().map(|one| one["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["Role", "RoleBinding", "ServiceAccount", "Secret", "Job"]);
        assert_eq!(all[1]["subjects"], json!([{"kind": "ServiceAccount", "namespace": "hub", "name": "mural-run"}]));
        assert_eq!(all[3]["stringData"]["0.yaml"], "password: canary\n");
        let job = &all[4];
        assert!(!job.to_string().contains("canary"), "{job}");
        assert_eq!(job["spec"]["suspend"], true);
        assert_eq!(
            job["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"],
            json!([1, 2, 3, 4, 5, 8, 9, 64])
        );
        assert_eq!(job["spec"]["template"]["spec"]["volumes"][1]["secret"]["secretName"], "mural-upgrade-1-1-0");
    }

    #[test]
    fn without_values_files_there_is_no_secret() {
        let all = manifest(&[]);
        assert!(all.iter().all(|one| one["kind"] != "Secret"));
    }
}
