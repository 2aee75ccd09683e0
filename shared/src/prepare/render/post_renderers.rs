//! Applies a HelmRelease's `spec.postRenderers` with kubectl's kustomize, as helm-controller does (`internal/postrender`,
//! `Kustomize`).

use std::path::Path;

use serde_json::{Value, json};

use crate::model::chart::Chart;
use crate::tools::error::ToolError;
use crate::tools::kubectl::Kubectl;
use crate::tools::private_files::{create_private_dir_in, write_private_file};

/// Changes the rendered objects. The chart's `crds/` folder does not change: helm writes it beside the release.
///
/// # Errors
/// Why they are not in the forecast.
pub(crate) async fn run_post_renderers(
    kubectl: &Kubectl,
    renderers: &[Value],
    chart: &Chart,
    private: &Path,
    objects: &mut Vec<Value>,
) -> Result<(), String> {
    let (aside, mut changed): (Vec<Value>, Vec<Value>) =
        objects.drain(..).partition(|document| chart.is_folder_crd(document));
    let mut result = Ok(());
    for renderer in renderers {
        match run_kustomize(kubectl, renderer, private, &changed).await {
            Ok(next) => changed = next,
            Err(reason) => result = Err(reason),
        }
    }
    objects.extend(aside.into_iter().chain(changed));
    result
}

async fn run_kustomize(
    kubectl: &Kubectl,
    renderer: &Value,
    private: &Path,
    objects: &[Value],
) -> Result<Vec<Value>, String> {
    let io = |error: std::io::Error| format!("cannot write a private file: {error}");
    let folder = create_private_dir_in(private, "kustomize-").map_err(io)?;
    let all: Vec<String> = objects.iter().map(Value::to_string).collect();
    write_private_file(&folder.path().join("all.yaml"), all.join("\n---\n")).map_err(io)?;
    let kustomization = json!({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": ["all.yaml"],
        "patches": patches(renderer), "images": renderer["images"].as_array().cloned().unwrap_or_default()});
    write_private_file(&folder.path().join("kustomization.yaml"), kustomization.to_string()).map_err(io)?;
    kubectl.kustomize(folder.path()).await.map_err(|error| kustomize_reason(&error))
}

fn patches(renderer: &Value) -> Vec<Value> {
    renderer["patches"].as_array().cloned().unwrap_or_default()
}

/// The last line of kustomize's output has the reason; the private folder's name is removed.
fn kustomize_reason(error: &ToolError) -> String {
    let line = error.stderr().lines().rev().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(|| error.to_string(), str::to_owned)
}
