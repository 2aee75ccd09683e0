//! The ServiceAccount of a pod, written as a private kubeconfig.
//!
//! Input: the variables and files that Kubernetes gives every pod. Output: a kubeconfig in a temporary folder, which the
//! client, helm and kubectl then use as if `--kubeconfig` named it: one identity for all three. It refers to the token's file,
//! so a rotated token is read again, and it holds no secret itself. When it applies is client-go's rule: no kubeconfig exists,
//! and the pod has a token.
//! <https://github.com/kubernetes/client-go/blob/v0.37.2/tools/clientcmd/client_config.go>

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::env_text;
use crate::ask::{ClusterAccess, IdentitySource};
use crate::problem::{Explain, Problem};
use crate::tools::private_files::{create_private_dir, write_private_file};

/// Where the kubelet mounts the ServiceAccount's files:
/// <https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api>
const SERVICE_ACCOUNT_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The name of the context, cluster and user.
const CONTEXT: &str = "in-cluster";

/// The API server and the ServiceAccount's files, as a pod sees them.
#[derive(Debug, PartialEq, Eq)]
struct PodIdentity {
    host: String,
    port: String,
    folder: PathBuf,
}

impl PodIdentity {
    /// `None` outside a pod, or in a pod without a token.
    fn find(variable: impl Fn(&str) -> Option<String>, folder: &Path) -> Option<Self> {
        let host = variable("KUBERNETES_SERVICE_HOST")?;
        let port = variable("KUBERNETES_SERVICE_PORT")?;
        folder.join("token").is_file().then(|| Self { host, port, folder: folder.to_owned() })
    }

    /// The kubeconfig. Without a namespace file the namespace is `default`, as for kubectl.
    fn to_kubeconfig(&self) -> Value {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let mut cluster = json!({"server": format!("https://{host}:{}", self.port)});
        if self.folder.join("ca.crt").is_file() {
            cluster["certificate-authority"] = json!(file("ca.crt"));
        }
        let mut context = json!({"cluster": CONTEXT, "user": CONTEXT});
        if let Ok(namespace) = std::fs::read_to_string(self.folder.join("namespace")) {
            context["namespace"] = json!(namespace.trim());
        }
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "clusters": [{"name": CONTEXT, "cluster": cluster}],
            "users": [{"name": CONTEXT, "user": {"tokenFile": file("token")}}],
            "contexts": [{"name": CONTEXT, "context": context}],
        })
    }
}

/// The kubeconfig for the pod cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the kubeconfig of this pod's ServiceAccount, {}", .file.display())]
struct InClusterError {
    file: PathBuf,
    #[source]
    source: io::Error,
}

impl Explain for InClusterError {
    fn hints(&self) -> Vec<String> {
        vec!["mount an emptyDir volume at /tmp, or set TMPDIR to a folder that the pod may write".to_owned()]
    }
}

/// Lets the access use the pod's ServiceAccount if no kubeconfig exists.
///
/// # Errors
/// The kubeconfig cannot be written, for example on a read-only file system without a temporary folder.
pub fn use_service_account(access: ClusterAccess) -> Result<ClusterAccess, Problem> {
    let has_kubeconfig =
        access.kubeconfig.is_some() || access.variables.kubeconfig_files.iter().any(|file| file.exists());
    match PodIdentity::find(env_text, Path::new(SERVICE_ACCOUNT_DIR)) {
        Some(identity) if !has_kubeconfig => write_kubeconfig(access, &identity),
        _ => Ok(access),
    }
}

/// Writes the kubeconfig. Its folder is removed with the last copy of the access.
fn write_kubeconfig(access: ClusterAccess, identity: &PodIdentity) -> Result<ClusterAccess, Problem> {
    let folder = create_private_dir()?;
    let file = folder.path().join("kubeconfig");
    write_private_file(&file, identity.to_kubeconfig().to_string())
        .map_err(|source| InClusterError { file: file.clone(), source })?;
    Ok(ClusterAccess { kubeconfig: Some(file), identity: IdentitySource::ServiceAccount(Arc::new(folder)), ..access })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::private_files::create_private_dir;

    fn pod(host: &'static str) -> impl Fn(&str) -> Option<String> {
        move |name| match name {
            "KUBERNETES_SERVICE_HOST" => Some(host.to_owned()),
            "KUBERNETES_SERVICE_PORT" => Some("443".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn a_workstation_and_a_pod_without_token_have_no_identity() {
        let folder = create_private_dir().unwrap();
        assert_eq!(PodIdentity::find(pod("10.0.0.1"), folder.path()), None);
        write_private_file(&folder.path().join("token"), "t").unwrap();
        assert_eq!(PodIdentity::find(|_| None, folder.path()), None);
        assert!(PodIdentity::find(pod("10.0.0.1"), folder.path()).is_some());
    }

    #[test]
    fn the_kubeconfig_names_files_and_holds_no_token() {
        let folder = create_private_dir().unwrap();
        for (name, content) in [("token", "canary"), ("ca.crt", "-----"), ("namespace", "mural-system\n")] {
            write_private_file(&folder.path().join(name), content).unwrap();
        }
        let identity = PodIdentity::find(pod("fd00::1"), folder.path()).unwrap();
        let access = write_kubeconfig(ClusterAccess::default(), &identity).unwrap();
        let file = access.kubeconfig.clone().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("canary"), "{text}");
        let kubeconfig: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(kubeconfig["clusters"][0]["cluster"]["server"], "https://[fd00::1]:443");
        assert_eq!(kubeconfig["contexts"][0]["context"]["namespace"], "mural-system");
        assert_eq!(kubeconfig["users"][0]["user"]["tokenFile"], json!(folder.path().join("token")));
        drop(access);
        assert!(!file.exists());
    }
}
