//! CRDs that are templates of the CRD chart and that kubectl wrote: by the vendor's upgrade guide, by a rollback, and by a
//! transitional CRD. helm 4 refuses fields of another owner, and helm 3 does not see them; both upgrades succeed.

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::crd_backup::apply;
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[
    ("adoption::after_the_guide_helm_4", |test_cluster| after_the_guide(test_cluster, "4.3.1")),
    ("adoption::after_the_guide_helm_3", |test_cluster| after_the_guide(test_cluster, "3.22.0")),
    ("adoption::after_the_guide_without_a_release_helm_4", |test_cluster| without_a_release(test_cluster, "4.3.1")),
    ("adoption::after_the_guide_without_a_release_helm_3", |test_cluster| without_a_release(test_cluster, "3.22.0")),
    ("adoption::after_a_transitional_crd", after_a_transitional_crd),
    ("adoption::after_a_rollback_helm_4", |test_cluster| after_a_rollback(test_cluster, "4.3.1")),
    ("adoption::after_a_rollback_helm_3", |test_cluster| after_a_rollback(test_cluster, "3.22.0")),
    ("adoption::a_foreign_field_manager_is_refused", a_foreign_field_manager_is_refused),
    ("adoption::a_null_in_a_custom_resource", a_null_in_a_custom_resource),
];

pub const NAMESPACE: &str = "pair";
pub const WIDGETS: &str = "widgets.pair.example.com";
const SPROCKETS: &str = "sprockets.pair.example.com";

/// Where the CRD chart has its CRDs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Templates,
    CrdsFolder,
}

/// A CRD with one version, whose spec has these fields.
pub fn crd(name: &str, kind: &str, version: &str, fields: &Value) -> Value {
    let spec = json!({"type": "object", "properties": fields});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}});
    let (plural, group) = name.split_once('.').unwrap_or_default();
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
        "spec": {"group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": [{"name": version, "served": true, "storage": true, "schema": schema}]}})
}

fn widgets(fields: &Value) -> Value {
    crd(WIDGETS, "Widget", "v1", fields)
}

pub fn write_chart(test_cluster: &TestCluster, name: &str, version: &str, files: &[(&str, &Value)]) -> Result<String> {
    let folder = test_cluster.files().join(format!("adoption-{name}-{version}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: {version}\n"))?;
    for (path, content) in files {
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap_or(&folder))?;
        std::fs::write(file, content.to_string())?;
    }
    Ok(folder.display().to_string())
}

/// The CRD chart in one version; it also has a ConfigMap.
pub fn crd_chart(test_cluster: &TestCluster, layout: Layout, version: &str, crds: &[Value]) -> Result<String> {
    let settings = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "crd-settings", "namespace": NAMESPACE}, "data": {"version": version}});
    let folder = if layout == Layout::Templates { "templates" } else { "crds" };
    let paths: Vec<String> = (0..crds.len()).map(|at| format!("{folder}/crd-{at}.yaml")).collect();
    let mut files: Vec<(&str, &Value)> = paths.iter().map(String::as_str).zip(crds).collect();
    files.push(("templates/settings.yaml", &settings));
    write_chart(test_cluster, "pair-crds", version, &files)
}

pub fn app_chart(test_cluster: &TestCluster, version: &str) -> Result<String> {
    let config =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pair"}, "data": {"version": version}});
    write_chart(test_cluster, "pair", version, &[("templates/config.yaml", &config)])
}

pub fn helm(test_cluster: &TestCluster, args: &[&str]) -> Result<CommandOutput> {
    test_cluster.run(User::Admin, "helm", &[args, &["--namespace", NAMESPACE]].concat())?.expect_code(0)
}

/// The vendor's upgrade guide: render the CRD chart and apply it with kubectl.
fn apply_by_guide(test_cluster: &TestCluster, chart: &str) -> Result<()> {
    let rendered = helm(test_cluster, &["template", "pair-crds", chart, "--include-crds"])?.stdout;
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &apply, &rendered, &[])?.expect_code(0)?;
    Ok(())
}

pub fn upgrade(test_cluster: &TestCluster, crds: &str, app: &str, more: &[&str]) -> Result<CommandOutput> {
    let charts = ["--crds-chart", crds, "--chart", app, "--crds-release", "pair-crds", "--release", "pair"];
    let args = [&charts[..], &["--namespace", NAMESPACE, "--skip-images"], more].concat();
    test_cluster.run(User::Operator, "kubectl-mural-upgrade", &args)
}

/// A cluster without the pair, and with this helm.
pub fn begin(test_cluster: &TestCluster, version: &str) -> Result<()> {
    test_cluster.install_older()?;
    test_cluster.use_helm(version)?;
    let kubectl = |args: &[&str]| test_cluster.run(User::Admin, "kubectl", args);
    kubectl(&["delete", "crd", WIDGETS, SPROCKETS, "--ignore-not-found"])?.expect_code(0)?;
    kubectl(&["delete", "namespace", NAMESPACE, "--ignore-not-found"])?.expect_code(0)?;
    kubectl(&["create", "namespace", NAMESPACE])?.expect_code(0)?;
    Ok(())
}

fn fields(test_cluster: &TestCluster, name: &str) -> Result<Value> {
    let crd = test_cluster.get(&["crd", name])?;
    Ok(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].clone())
}

/// After the upgrade, helm alone continues: no manager but helm owns what its chart writes.
fn ensure_helm_continues(test_cluster: &TestCluster, chart: &str) -> Result<()> {
    helm(test_cluster, &["upgrade", "pair-crds", chart]).context("the bare command afterwards").map(drop)
}

pub fn text(kind: &str) -> Value {
    json!({"type": kind})
}

/// Installed with helm, upgraded once by the guide, then by this program.
fn after_the_guide(test_cluster: &TestCluster, helm_version: &str) -> Result<()> {
    for layout in [Layout::Templates, Layout::CrdsFolder] {
        begin(test_cluster, helm_version)?;
        let charts = |version: &str, crds: &[Value]| {
            Ok::<_, anyhow::Error>((crd_chart(test_cluster, layout, version, crds)?, app_chart(test_cluster, version)?))
        };
        let (crds, app) = charts("1.0.0", &[widgets(&json!({"a": text("string")}))])?;
        helm(test_cluster, &["install", "pair-crds", &crds])?;
        helm(test_cluster, &["install", "pair", &app])?;
        // The guide's version changes a field and brings a CRD, which then has no metadata of helm.
        let sprockets = |fields: Value| crd(SPROCKETS, "Sprocket", "v1", &fields);
        let (older, newer) = (json!({"a": text("string")}), json!({"a": text("string"), "b": text("string")}));
        let (crds, app) =
            charts("1.5.0", &[widgets(&json!({"a": text("string"), "b": text("integer")})), sprockets(older)])?;
        apply_by_guide(test_cluster, &crds)?;
        helm(test_cluster, &["upgrade", "pair", &app, "--wait"])?;

        let wanted = json!({"a": text("string"), "b": text("string")});
        let (crds, app) = charts("2.0.0", &[widgets(&wanted), sprockets(newer.clone())])?;
        upgrade(test_cluster, &crds, &app, &["--yes"])?.expect_code(0)?;
        ensure!(fields(test_cluster, WIDGETS)? == wanted, "{}", fields(test_cluster, WIDGETS)?);
        ensure!(fields(test_cluster, SPROCKETS)? == newer, "{SPROCKETS}");
        let settings = test_cluster.get(&["configmap", "crd-settings", "--namespace", NAMESPACE])?;
        ensure!(settings["data"]["version"] == "2.0.0", "{settings}");
        let again = upgrade(test_cluster, &crds, &app, &["--yes"])?.expect_code(0)?;
        ensure!(again.stdout.contains("nothing to do"), "{}", again.stdout);
        let (crds, _) =
            charts("3.0.0", &[widgets(&json!({"c": text("string")})), sprockets(json!({"c": text("string")}))])?;
        ensure_helm_continues(test_cluster, &crds)?;
    }
    Ok(())
}

/// The CRD chart was never a release: the guide applied it with kubectl from the first day.
fn without_a_release(test_cluster: &TestCluster, helm_version: &str) -> Result<()> {
    for layout in [Layout::Templates, Layout::CrdsFolder] {
        begin(test_cluster, helm_version)?;
        let crds = crd_chart(test_cluster, layout, "1.0.0", &[widgets(&json!({"a": text("string")}))])?;
        apply_by_guide(test_cluster, &crds)?;
        helm(test_cluster, &["install", "pair", &app_chart(test_cluster, "1.0.0")?])?;
        let wanted = json!({"a": text("string"), "b": text("string")});
        let crds = crd_chart(test_cluster, layout, "2.0.0", &[widgets(&wanted)])?;
        upgrade(test_cluster, &crds, &app_chart(test_cluster, "2.0.0")?, &["--yes"])?.expect_code(0)?;
        ensure!(fields(test_cluster, WIDGETS)? == wanted, "{}", fields(test_cluster, WIDGETS)?);
        let crds = crd_chart(test_cluster, layout, "3.0.0", &[widgets(&json!({"c": text("string")}))])?;
        ensure_helm_continues(test_cluster, &crds)?;
    }
    Ok(())
}

/// The chart drops the storage version. The migration patches the CRD before helm writes it.
fn after_a_transitional_crd(test_cluster: &TestCluster) -> Result<()> {
    begin(test_cluster, "4.3.1")?;
    let of = |version: &str| crd(WIDGETS, "Widget", version, &json!({"a": text("string")}));
    let crds = crd_chart(test_cluster, Layout::Templates, "1.0.0", &[of("v1alpha1")])?;
    helm(test_cluster, &["install", "pair-crds", &crds])?;
    helm(test_cluster, &["install", "pair", &app_chart(test_cluster, "1.0.0")?])?;
    let wait = ["wait", "--for=condition=Established", &format!("crd/{WIDGETS}"), "--timeout=30s"];
    test_cluster.run(User::Admin, "kubectl", &wait)?.expect_code(0)?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    let widget = json!({"apiVersion": "pair.example.com/v1alpha1", "kind": "Widget",
        "metadata": {"name": "one", "namespace": NAMESPACE}, "spec": {"a": "x"}});
    apply(test_cluster, &[widget])?;
    let crds = crd_chart(test_cluster, Layout::Templates, "2.0.0", &[of("v1beta1")])?;
    upgrade(test_cluster, &crds, &app_chart(test_cluster, "2.0.0")?, &["--migrate", "--yes"])?.expect_code(0)?;
    let live = test_cluster.get(&["crd", WIDGETS])?;
    ensure!(live["status"]["storedVersions"] == json!(["v1beta1"]), "{}", live["status"]);
    let object = test_cluster.get(&[WIDGETS, "one", "--namespace", NAMESPACE])?;
    ensure!(object["spec"]["a"] == "x", "{object}");
    Ok(())
}

/// A rollback keeps the record of the CRD chart if a new CRD stays. The next upgrade ends as the first one did.
fn after_a_rollback(test_cluster: &TestCluster, helm_version: &str) -> Result<()> {
    begin(test_cluster, helm_version)?;
    let older = json!({"a": text("string")});
    let crds = crd_chart(test_cluster, Layout::Templates, "1.0.0", &[widgets(&older)])?;
    helm(test_cluster, &["install", "pair-crds", &crds])?;
    helm(test_cluster, &["install", "pair", &app_chart(test_cluster, "1.0.0")?])?;
    let newer = json!({"a": text("string"), "b": text("string")});
    let sprockets = crd(SPROCKETS, "Sprocket", "v1", &json!({"a": text("string")}));
    let crds = crd_chart(test_cluster, Layout::Templates, "2.0.0", &[widgets(&newer), sprockets])?;
    let app = app_chart(test_cluster, "2.0.0")?;
    upgrade(test_cluster, &crds, &app, &["--yes"])?.expect_code(0)?;
    let first = test_cluster.get(&["crd", WIDGETS])?;
    let rollback = ["rollback", "--namespace", NAMESPACE, "--yes"];
    test_cluster.run(User::Operator, "kubectl-mural-upgrade", &rollback)?.expect_code(0)?;
    ensure!(fields(test_cluster, WIDGETS)? == older, "{}", fields(test_cluster, WIDGETS)?);
    upgrade(test_cluster, &crds, &app, &["--yes"])?.expect_code(0).context("the second upgrade")?;
    let second = test_cluster.get(&["crd", WIDGETS])?;
    ensure!(second["spec"] == first["spec"], "{}", second["spec"]);
    let metadata = |crd: &Value| json!([crd["metadata"]["labels"], crd["metadata"]["annotations"]]);
    ensure!(metadata(&second) == metadata(&first), "{}", second["metadata"]);
    Ok(())
}

/// A manager that is neither the guide's nor ours: refused before the first write.
fn a_foreign_field_manager_is_refused(test_cluster: &TestCluster) -> Result<()> {
    begin(test_cluster, "4.3.1")?;
    let crds = crd_chart(test_cluster, Layout::Templates, "1.0.0", &[widgets(&json!({"a": text("string")}))])?;
    helm(test_cluster, &["install", "pair-crds", &crds])?;
    helm(test_cluster, &["install", "pair", &app_chart(test_cluster, "1.0.0")?])?;
    let wanted = json!({"a": text("string"), "theirs": text("string"), "b": text("string")});
    let changed = widgets(&json!({"a": text("string"), "theirs": text("string")})).to_string();
    let theirs = ["apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &theirs, &changed, &[])?.expect_code(0)?;
    let crds = crd_chart(test_cluster, Layout::Templates, "2.0.0", &[widgets(&wanted)])?;
    let app = app_chart(test_cluster, "2.0.0")?;
    let mark = test_cluster.mark()?;
    let refused = upgrade(test_cluster, &crds, &app, &["--yes"])?.expect_code(5)?;
    let is_clear = refused.stdout.contains("gitops owns spec.versions") && refused.stdout.contains("--force-conflicts");
    ensure!(is_clear, "{}", refused.stdout);
    test_cluster.ensure_nothing_written(mark)?;
    upgrade(test_cluster, &crds, &app, &["--yes", "--force-conflicts"])?.expect_code(0).context("the hint")?;
    ensure!(fields(test_cluster, WIDGETS)? == wanted, "{}", fields(test_cluster, WIDGETS)?);
    Ok(())
}

/// helm 4 applies a null that the schema forbids, and the API server rejects it. helm 3 removes the field.
fn a_null_in_a_custom_resource(test_cluster: &TestCluster) -> Result<()> {
    for (helm_version, code) in [("4.3.1", 5), ("3.22.0", 0)] {
        begin(test_cluster, helm_version)?;
        let context = json!({"type": "object", "properties": {"user": text("integer")}});
        let older = json!({"a": text("string"), "ctx": context});
        let newer = json!({"a": text("string"), "ctx": context, "b": text("string")});
        let widget = |version: &str, context: Value| {
            let widget = json!({"apiVersion": "pair.example.com/v1", "kind": "Widget", "metadata": {"name": "one"},
                "spec": {"a": version, "ctx": context}});
            write_chart(test_cluster, "pair", version, &[("templates/widget.yaml", &widget)])
        };
        let crds = crd_chart(test_cluster, Layout::Templates, "1.0.0", &[widgets(&older)])?;
        helm(test_cluster, &["install", "pair-crds", &crds])?;
        std::thread::sleep(std::time::Duration::from_secs(2));
        helm(test_cluster, &["install", "pair", &widget("1.0.0", json!({"user": 100}))?])?;
        let crds = crd_chart(test_cluster, Layout::Templates, "2.0.0", &[widgets(&newer)])?;
        let app = widget("2.0.0", Value::Null)?;
        let mark = test_cluster.mark()?;
        let outcome = upgrade(test_cluster, &crds, &app, &["--yes"])?.expect_code(code)?;
        if code == 5 {
            ensure!(outcome.stdout.contains("spec.ctx is null"), "{}", outcome.stdout);
            test_cluster.ensure_nothing_written(mark)?;
        }
    }
    Ok(())
}
