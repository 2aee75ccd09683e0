//! A small pair of charts in an older and a newer version: what an upgrade is made of, and nothing else.

use std::path::PathBuf;

use anyhow::{Context, Result};
use mural_tests::sandbox::User;

use crate::ground::Ground;

pub const NAMESPACE: &str = "mural-system";
/// Stands in the values of every upgrade; may be said nowhere.
pub const CANARY: &str = "canary-7f3a";
/// What an upgrade here names.
pub const NEWER: [(&str, &str); 2] = [("--to", "1.1.0-rc.3"), ("--crds", "0.7.4")];
/// The CRDs of the newer chart: one unchanged, one changed, one new.
pub const CRDS: [&str; 3] = ["gadgets.small.example.com", "pools.small.example.com", "widgets.small.example.com"];

fn crd(name: &str, fields: &str) -> String {
    let plural = format!("{}s", name.to_lowercase());
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {plural}.small.example.com\n\
         spec:\n  group: small.example.com\n  scope: Namespaced\n  names: {{kind: {name}, plural: {plural}}}\n  versions:\n\
         \x20   - name: v1\n      served: true\n      storage: true\n      schema:\n        openAPIV3Schema:\n\
         \x20         type: object\n          properties:\n            spec: {{type: object, properties: {{{fields}}}}}\n"
    )
}

const APP: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: canvas, namespace: {{ .Release.Namespace }}}
spec:
  replicas: 2
  selector: {matchLabels: {app: canvas}}
  template:
    metadata:
      labels: {app: canvas}
      annotations: {version: {{ .Chart.Version | quote }}}
    spec:
      {{- with .Values.node }}
      nodeSelector: {node: {{ . }}}
      {{- end }}
      containers: [{name: canvas, image: "example.com/canvas:{{ .Chart.Version }}"}]
---
apiVersion: v1
kind: Secret
metadata: {name: canvas, namespace: {{ .Release.Namespace }}}
stringData: {password: {{ .Values.password | quote }}}
---
apiVersion: small.example.com/v1
kind: Pool
metadata: {name: first, namespace: {{ .Release.Namespace }}}
spec: {size: 1}
"#;
const GADGET: &str = "---\napiVersion: small.example.com/v1\nkind: Gadget\nmetadata: {name: first, namespace: {{ .Release.Namespace }}}\nspec: {size: 1}\n";

/// Writes a chart's folder, once.
fn chart(ground: &Ground, name: &str, version: &str, files: &[(&str, String)]) -> Result<PathBuf> {
    let folder = ground.files().join(format!("{name}-{version}"));
    let meta = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    for (file, text) in files.iter().chain(&[("Chart.yaml", meta)]) {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(path, text)?;
    }
    Ok(folder)
}

/// The CRD chart.
pub fn crds(ground: &Ground, version: &str) -> Result<PathBuf> {
    let newer = version == "0.7.4";
    let pool = if newer { "size: {type: integer}, note: {type: string}" } else { "size: {type: integer}" };
    let mut files =
        vec![("crds/pools.yaml", crd("Pool", pool)), ("crds/widgets.yaml", crd("Widget", "size: {type: integer}"))];
    if newer {
        files.push(("crds/gadgets.yaml", crd("Gadget", "size: {type: integer}")));
    }
    chart(ground, "mural-crds", version, &files)
}

/// The application.
pub fn app(ground: &Ground, version: &str) -> Result<PathBuf> {
    let gadget = if version == "1.1.0-rc.3" { GADGET } else { "" };
    let values = "password: none\nnode: \"\"\n".to_owned();
    chart(ground, "mural", version, &[("templates/all.yaml", format!("{APP}{gadget}")), ("values.yaml", values)])
}

/// Values with a secret among them, and their file.
pub fn values(ground: &Ground) -> Result<String> {
    let file = ground.files().join("values.yaml");
    std::fs::write(&file, format!("password: {CANARY}\n"))?;
    Ok(file.display().to_string())
}

/// Installs the older pair as the vendor's page does, as the admin, and pushes both pairs to the registry.
pub fn install(ground: &Ground) -> Result<()> {
    for (folder, version) in
        [(crds as fn(&Ground, &str) -> _, "0.7.1"), (crds, "0.7.4"), (app, "1.1.0-rc.0"), (app, "1.1.0-rc.3")]
    {
        push(ground, &folder(ground, version)?)?;
    }
    let helm = |args: &[&str]| ground.run(User::Admin, "helm", args)?.with(0);
    let old = crds(ground, "0.7.1")?.display().to_string();
    let rendered = helm(&["template", "mural-crds", &old, "--include-crds"])?.stdout;
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    ground.run_with(User::Admin, "kubectl", &apply, &rendered, &[])?.with(0)?;
    let old = app(ground, "1.1.0-rc.0")?.display().to_string();
    let values = values(ground)?;
    helm(&["install", "mural", &old, "--namespace", NAMESPACE, "--create-namespace", "--values", &values, "--wait"])?;
    Ok(())
}

/// Packs a chart and pushes it.
fn push(ground: &Ground, folder: &std::path::Path) -> Result<()> {
    let into = ground.files().join("packed").display().to_string();
    let packed = ground
        .run(User::Admin, "helm", &["package", &folder.display().to_string(), "--destination", &into])?
        .with(0)?;
    let file = packed.stdout.rsplit_once(": ").context("helm says where the file is")?.1.trim().to_owned();
    let registry = format!("oci://{}/mural", ground.sandbox()?.registry());
    ground.run(User::Admin, "helm", &["push", &file, &registry, "--plain-http"])?.with(0)?;
    Ok(())
}

/// Waits until the workloads run again after a restore.
pub fn ready(ground: &Ground) -> Result<()> {
    let args = ["rollout", "status", "deployment/canvas", "--namespace", NAMESPACE, "--timeout=120s"];
    ground.run(User::Admin, "kubectl", &args)?.with(0)?;
    Ok(())
}

/// The flags that name the charts of the sandbox's registry.
pub fn charts(ground: &Ground) -> Result<[(&'static str, String); 2]> {
    let registry = ground.sandbox()?.registry();
    Ok([("--chart", "mural"), ("--crds-chart", "mural-crds")]
        .map(|(flag, name)| (flag, format!("oci://{registry}/mural/{name}"))))
}
