//! Writes the charts of a pair: `crds-old`, `crds-middle`, `crds-new`, `app-old`, `app-middle` and `app-new`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::pair::{AppChange, CrdChange, Layout, Pair};

/// Group of the CRDs.
pub const GROUP: &str = "pairs.example.org";

/// The state of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Old,
    /// What the guide upgraded to by hand: the older state with another version.
    Middle,
    New,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Old, Self::Middle, Self::New];

    fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::Middle => "middle",
            Self::New => "new",
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::Old => "1.0.0",
            Self::Middle => "1.5.0",
            Self::New => "2.0.0",
        }
    }
}

/// # Errors
/// A file cannot be written.
pub fn write_all(pair: &Pair, folder: &Path) -> Result<()> {
    for stage in Stage::ALL {
        write_crd_chart(pair, stage, &folder.join(format!("crds-{}", stage.name())))?;
        write_app_chart(pair, stage, &folder.join(format!("app-{}", stage.name())))?;
    }
    write(&folder.join("objects.yaml"), &objects())
}

fn write_crd_chart(pair: &Pair, stage: Stage, chart: &Path) -> Result<()> {
    write(&chart.join("Chart.yaml"), &chart_yaml("mural-crds", stage))?;
    let (layout, change) = match stage {
        Stage::Old | Stage::Middle => (pair.older, CrdChange::None),
        Stage::New => (pair.newer, pair.crds),
    };
    let crds = crds(change, stage);
    let single = |folder: &Path| crds.iter().try_for_each(|(name, crd)| write(&folder.join(name), crd));
    match layout {
        Layout::Folder => single(&chart.join("crds")),
        Layout::Templates => single(&chart.join("templates")),
        Layout::Files => {
            single(&chart.join("files"))?;
            let print =
                "{{ range $path, $_ := .Files.Glob \"files/*.yaml\" }}\n---\n{{ $.Files.Get $path }}\n{{ end }}\n";
            write(&chart.join("templates/all.yaml"), print)
        }
        Layout::List => {
            let mut list = "apiVersion: v1\nkind: List\nitems:\n".to_owned();
            for (_, crd) in &crds {
                for (at, line) in crd.lines().enumerate() {
                    writeln!(list, "{}{line}", if at == 0 { "- " } else { "  " })?;
                }
            }
            write(&chart.join("templates/all.yaml"), &list)
        }
        Layout::Subchart => {
            let inner = chart.join("charts/kinds");
            write(&inner.join("Chart.yaml"), &chart_yaml("kinds", stage))?;
            single(&inner.join("crds"))
        }
    }
}

fn crds(change: CrdChange, stage: Stage) -> Vec<(&'static str, String)> {
    let description = format!("description: of {}", stage.version());
    let (size, note, legacy, color) =
        ("size: {type: integer}", "note: {type: string}", "legacy: {type: string}", "color: {type: string}");
    let fields: &[&str] = match change {
        CrdChange::FieldAdded => &[size, note, legacy, color],
        CrdChange::FieldRemoved => &[size, note],
        _ => &[size, note, legacy],
    };
    let required = if change == CrdChange::FieldRequired { ", required: [owner]" } else { "" };
    let version = |name: &str, storage: bool, fields: &[&str], required: &str| {
        format!(
            "  - name: {name}\n    served: true\n    storage: {storage}\n    schema:\n      openAPIV3Schema:\n        type: object\n        {description}\n        properties:\n          spec: {{type: object, properties: {{{}, owner: {{type: string}}}}{required}}}\n",
            fields.join(", ")
        )
    };
    let cup = match change {
        CrdChange::KindRemoved => None,
        CrdChange::StorageMoved => Some(version("v1", false, fields, "") + &version("v2", true, fields, "")),
        _ => Some(version("v1", true, fields, required)),
    };
    let plain = version("v1", true, &[size, note, legacy], "");
    let fork = (change == CrdChange::KindAdded).then(|| plain.clone());
    [("cups.yaml", "Cup", cup), ("plates.yaml", "Plate", Some(plain)), ("forks.yaml", "Fork", fork)]
        .into_iter()
        .filter_map(|(file, kind, versions)| Some((file, crd(kind, &versions?))))
        .collect()
}

fn crd(kind: &str, versions: &str) -> String {
    let singular = kind.to_lowercase();
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {singular}s.{GROUP}\nspec:\n  group: {GROUP}\n  scope: Namespaced\n  names: {{kind: {kind}, listKind: {kind}List, plural: {singular}s, singular: {singular}}}\n  versions:\n{versions}"
    )
}

/// Objects that the operator's users created: two of each kind, with every field.
fn objects() -> String {
    let mut all = String::new();
    for kind in ["Cup", "Plate"] {
        for name in ["one", "two"] {
            all += &format!(
                "---\napiVersion: {GROUP}/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: users}}\nspec: {{size: 1, note: kept, legacy: precious}}\n"
            );
        }
    }
    all
}

fn write_app_chart(pair: &Pair, stage: Stage, chart: &Path) -> Result<()> {
    let change = if stage == Stage::New { pair.app } else { AppChange::None };
    let template = |name: &str, text: &str| write(&chart.join("templates").join(name), text);
    write(&chart.join("Chart.yaml"), &chart_yaml("mural", stage))?;
    template("deployment.yaml", &deployment(change, stage))?;
    template("settings.yaml", &config_map("settings", stage.version()))?;
    if change != AppChange::ConfigMapRemoved {
        template("extra.yaml", &config_map("extra", "same"))?;
    }
    if matches!(change, AppChange::ConfigMapAdded | AppChange::ConfigMapExists) {
        template("added.yaml", &config_map("added", "new"))?;
    }
    let secret = if change == AppChange::SecretChanged { "second" } else { "first" };
    template(
        "secret.yaml",
        &format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: login}}\nstringData: {{password: {secret}}}\n"),
    )?;
    let storage = if change == AppChange::ClaimGrows { "2Gi" } else { "1Gi" };
    template(
        "claim.yaml",
        &format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: {storage}}}}}}}\n"
        ),
    )?;
    match change {
        AppChange::CustomResource => template(
            "plate.yaml",
            &format!("apiVersion: {GROUP}/v1\nkind: Plate\nmetadata: {{name: main}}\nspec: {{size: 2}}\n"),
        ),
        AppChange::Hook => template(
            "hook.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: before, annotations: {helm.sh/hook: pre-upgrade}}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: \"registry.example.org/a:1\"}]}}}\n",
        ),
        _ => Ok(()),
    }
}

fn deployment(change: AppChange, stage: Stage) -> String {
    let replicas = if change == AppChange::Replicas { 2 } else { 1 };
    let app = if change == AppChange::Selector { "renamed" } else { "web" };
    let env = match change {
        AppChange::DuplicateEnv => ", env: [{name: LEVEL, value: a}, {name: LEVEL, value: b}]",
        AppChange::UnknownField => ", imagePolicy: Always",
        _ => "",
    };
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{app: {app}}}}}\n  template:\n    metadata: {{labels: {{app: {app}}}}}\n    spec: {{containers: [{{name: web, image: \"registry.example.org/web:{}\"{env}}}]}}\n",
        stage.version()
    )
}

fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: \"{value}\"}}\n")
}

fn chart_yaml(name: &str, stage: Stage) -> String {
    format!("apiVersion: v2\nname: {name}\nversion: {}\n", stage.version())
}

fn write(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().context("a file lies in a folder")?;
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(file, text))
        .with_context(|| file.display().to_string())
}
