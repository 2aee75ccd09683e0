//! Data that an upgrade deletes: fields of stored objects, and objects that leave a release. Each needs a flag of its own, the plan
//! names what is lost, and the backup has it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::adoption::{Layout, NAMESPACE, WIDGETS, app_chart, begin, crd, crd_chart, helm, text, upgrade, write_chart};
use crate::crd_backup::{apply, crds};
use crate::test_cluster::TestCluster;

pub const TESTS: &[Test] = &[
    ("data_loss::fields_of_a_dropped_storage_version", fields_of_a_dropped_storage_version),
    ("data_loss::objects_that_leave_a_release", objects_that_leave_a_release),
];

const HELM: &str = "4.3.1";

/// The older CRD has `spec.old`, the newer version does not; three objects hold it.
fn install_widgets(test_cluster: &TestCluster) -> Result<Value> {
    begin(test_cluster, HELM)?;
    let older = crd(WIDGETS, "Widget", "v1alpha1", &json!({"a": text("string"), "old": text("string")}));
    let chart = crd_chart(test_cluster, Layout::CrdsFolder, "1.0.0", std::slice::from_ref(&older))?;
    helm(test_cluster, &["install", "pair-crds", &chart])?;
    helm(test_cluster, &["install", "pair", &app_chart(test_cluster, "1.0.0")?])?;
    let wait = ["wait", "--for=condition=Established", &format!("crd/{WIDGETS}"), "--timeout=30s"];
    test_cluster.run(User::Admin, "kubectl", &wait)?.expect_code(0)?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    let widget = |at: usize| {
        json!({"apiVersion": "pair.example.com/v1alpha1", "kind": "Widget",
            "metadata": {"name": format!("w{at}"), "namespace": NAMESPACE}, "spec": {"a": "x", "old": "precious"}})
    };
    apply(test_cluster, &(0..3).map(widget).collect::<Vec<_>>())?;
    Ok(older)
}

fn fields_of_a_dropped_storage_version(test_cluster: &TestCluster) -> Result<()> {
    let older = install_widgets(test_cluster)?;
    let newer = crd(WIDGETS, "Widget", "v1", &json!({"a": text("string")}));
    let chart = crd_chart(test_cluster, Layout::CrdsFolder, "2.0.0", std::slice::from_ref(&newer))?;
    let app = app_chart(test_cluster, "2.0.0")?;
    let loss = "3 of 3 objects lose fields for good when stored as v1: spec.old (3 objects)";
    let mark = test_cluster.mark()?;
    let refused = upgrade(test_cluster, &chart, &app, &["--migrate", "--yes"])?.expect_code(5)?;
    ensure!(refused.stdout.contains(loss) && refused.stdout.contains("--allow-field-loss"), "{}", refused.stdout);
    test_cluster.ensure_nothing_written(mark)?;

    // Both versions, and the newer one stores: a migration of the objects alone loses the field too.
    let mut both = older;
    both["spec"]["versions"][0]["storage"] = false.into();
    let versions = both["spec"]["versions"].as_array_mut().context("versions")?;
    versions.push(newer["spec"]["versions"][0].clone());
    let by_guide = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &by_guide, &both.to_string(), &[])?.expect_code(0)?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    let mark = test_cluster.mark()?;
    let dry_run = crds(test_cluster, &["migrate", WIDGETS, "--dry-run=server"])?.expect_code(5)?;
    ensure!(dry_run.stdout.contains("3 objects would lose spec.old"), "{}", dry_run.all_text());
    let refused = crds(test_cluster, &["migrate", WIDGETS, "--yes"])?.expect_code(5)?;
    ensure!(refused.stderr.contains("--allow-field-loss"), "{}", refused.all_text());
    let refused = upgrade(test_cluster, &chart, &app, &["--migrate", "--yes"])?.expect_code(5)?;
    ensure!(refused.stdout.contains(loss), "{}", refused.stdout);
    test_cluster.ensure_nothing_written(mark)?;

    upgrade(test_cluster, &chart, &app, &["--migrate", "--allow-field-loss", "--yes"])?.expect_code(0)?;
    let files = find_backup_files(test_cluster, "w1.yaml")?;
    let has_field = |file: &PathBuf| std::fs::read_to_string(file).is_ok_and(|text| text.contains("precious"));
    ensure!(files.iter().any(has_field), "no backup has the field: {files:?}");
    Ok(())
}

/// A claim and a Secret leave the release. The backup has them, the rollback creates them, and says what it cannot.
fn objects_that_leave_a_release(test_cluster: &TestCluster) -> Result<()> {
    begin(test_cluster, HELM)?;
    let metadata = |name: &str| json!({"name": name});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata("data"),
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("login"), "stringData": {"key": "canary-91"}});
    let config = |version: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("pair"), "data": {"version": version}});
    let (before, after) = (config("1.0.0"), config("2.0.0"));
    let older = [("templates/a.yaml", &before), ("templates/b.yaml", &claim), ("templates/c.yaml", &secret)];
    let app = write_chart(test_cluster, "pair", "1.0.0", &older)?;
    let widgets = crd(WIDGETS, "Widget", "v1", &json!({"a": text("string")}));
    let crd_chart = crd_chart(test_cluster, Layout::CrdsFolder, "1.0.0", &[widgets])?;
    helm(test_cluster, &["install", "pair-crds", &crd_chart])?;
    helm(test_cluster, &["install", "pair", &app])?;
    let app = write_chart(test_cluster, "pair", "2.0.0", &[("templates/a.yaml", &after)])?;
    upgrade(test_cluster, &crd_chart, &app, &["--yes"])?.expect_code(5).context("a claim leaves")?;
    let done = upgrade(test_cluster, &crd_chart, &app, &["--allow-removals", "--yes"])?.expect_code(0)?;
    ensure!(!done.all_text().contains("canary-91"), "shows a Secret");
    for name in ["data.yaml", "login.yaml"] {
        let files = find_backup_files(test_cluster, name)?;
        let file = files.first().with_context(|| format!("{name} is in no backup"))?;
        let mode = std::fs::metadata(file)?.permissions().mode() & 0o777;
        ensure!(mode == 0o600, "{} has the mode {mode:o}", file.display());
    }
    let rollback = ["rollback", "--namespace", NAMESPACE];
    let plan = [&rollback[..], &["--dry-run=server"]].concat();
    let plan = test_cluster.run(User::Operator, "kubectl-mural-upgrade", &plan)?.expect_code(0)?;
    let is_clear = plan.stdout.contains("PersistentVolumeClaim data of pair: an empty volume")
        && plan.stdout.contains("Secret login of pair");
    ensure!(is_clear, "{}", plan.stdout);
    let run = [&rollback[..], &["--yes"]].concat();
    test_cluster.run(User::Operator, "kubectl-mural-upgrade", &run)?.expect_code(0)?;
    test_cluster.get(&["pvc", "data", "--namespace", NAMESPACE])?;
    test_cluster.get(&["secret", "login", "--namespace", NAMESPACE])?;
    Ok(())
}

/// The files with this name in the backups of this sandbox.
fn find_backup_files(test_cluster: &TestCluster, name: &str) -> Result<Vec<PathBuf>> {
    let (mut folders, mut files) = (vec![test_cluster.sandbox()?.dir().join("state")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path: PathBuf = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name() == Path::new(name).file_name() {
                files.push(path);
            }
        }
    }
    Ok(files)
}
