//! `helm mural crds check` against a cluster: affected live objects are reported, a waiver and a fix make the check
//! pass, and objects that cannot be listed are not treated as safe.

use anyhow::{Result, ensure};
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::crd_backup::{apply, crds};
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] =
    &[("check::an_enum_that_loses_a_value_is_judged_by_the_live_objects", an_enum_that_loses_a_value)];

const NAME: &str = "ships.check.example.com";

fn crd(sizes: &[&str]) -> Value {
    let spec = json!({"type": "object", "properties": {"size": {"type": "string", "enum": sizes}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": NAME},
        "spec": {"group": "check.example.com", "scope": "Namespaced",
            "names": {"kind": "Ship", "plural": "ships", "singular": "ship"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}})
}

fn ship(name: &str, size: &str) -> Value {
    json!({"apiVersion": "check.example.com/v1", "kind": "Ship", "metadata": {"name": name, "namespace": "default"}, "spec": {"size": size}})
}

fn an_enum_that_loses_a_value(test_cluster: &TestCluster) -> Result<()> {
    apply(test_cluster, &[crd(&["small", "large", "huge"])])?;
    test_cluster
        .run(User::Admin, "kubectl", &["wait", "--for=condition=Established", &format!("crd/{NAME}"), "--timeout=30s"])?
        .expect_code(0)?;
    apply(test_cluster, &[ship("ada", "small"), ship("bob", "large"), ship("cy", "huge")])?;
    let folder = test_cluster.files().join("check");
    std::fs::create_dir_all(&folder)?;
    let (newer, waivers) = (folder.join("newer.yaml"), folder.join("waivers.yaml"));
    std::fs::write(&newer, crd(&["small", "large"]).to_string())?;
    let (newer, waivers) = (newer.display().to_string(), waivers.display().to_string());
    let check = |more: &[&str]| -> Result<CommandOutput> { crds(test_cluster, &[&["check", &newer], more].concat()) };

    let refused = check(&[])?.expect_code(3)?;
    for told in ["breaking", "^.spec.size", "1 of 3 objects", "Ship default/cy", "huge"] {
        ensure!(refused.stdout.contains(told), "{told:?} is not in the output:\n{}", refused.all_text());
    }
    ensure!(!refused.stdout.contains("default/ada"), "one who is not hurt is named:\n{}", refused.all_text());

    std::fs::write(
        &waivers,
        format!(
            "waivers:\n- check: enum-changed\n  subject: {NAME} ^.spec.size\n  reason: cy goes out of service\n  expires: 2099-01-01\n"
        ),
    )?;
    let waived = check(&["--waivers", &waivers])?.expect_code(0)?;
    ensure!(waived.stdout.contains("waived: cy goes out of service"), "{}", waived.all_text());

    apply(test_cluster, &[ship("cy", "large")])?;
    let mended = check(&[])?.expect_code(0)?;
    ensure!(mended.stdout.contains("none of 3 objects"), "{}", mended.all_text());
    let json: Value = serde_json::from_str(&check(&["-o", "json"])?.expect_code(0)?.stdout)?;
    ensure!(json["evidence"] == "live" && json["objectsChecked"] == 3, "{json}");
    merged_by_the_server(test_cluster, &check)?;
    a_user_without_permissions(test_cluster, &newer)
}

/// The check uses the server's merge result, not the file: fields of other managers stay, and a rejection is in the
/// server's words.
fn merged_by_the_server(test_cluster: &TestCluster, check: &dyn Fn(&[&str]) -> Result<CommandOutput>) -> Result<()> {
    let label = ["label", "crd", NAME, "team=harbour"];
    test_cluster.run(User::Admin, "kubectl", &label)?.expect_code(0)?;
    let labelled = check(&["--all"])?.expect_code(0)?;
    ensure!(!labelled.stdout.contains("harbour"), "the file does not take it away:\n{}", labelled.all_text());
    let mut other = crd(&["small", "large"]);
    other["spec"]["versions"][0]["name"] = json!("v2");
    let file = test_cluster.files().join("check/other.yaml");
    std::fs::write(&file, other.to_string())?;
    let refused = crds(test_cluster, &["check", &file.display().to_string()])?.expect_code(3)?;
    ensure!(refused.stdout.contains("must remain in spec.versions"), "{}", refused.all_text());
    Ok(())
}

/// If objects cannot be listed, the check does not pass.
fn a_user_without_permissions(test_cluster: &TestCluster, newer: &str) -> Result<()> {
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reads-crds}\nrules:\n\
        - {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [get, list]}\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: reads-crds}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reads-crds}\n\
        subjects: [{kind: User, name: clerk, apiGroup: rbac.authorization.k8s.io}]\n";
    let apply = ["apply", "--server-side", "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &apply, role, &[])?.expect_code(0)?;
    let clerk = [("HELM_KUBEASUSER", std::path::Path::new("clerk"))];
    let args = ["crds", "check", newer];
    let unseen = test_cluster.run_with(User::Admin, "helm-mural", &args, "", &clerk)?.expect_code(3)?;
    for told in ["cannot be listed", "objects-not-checked", "forbidden"] {
        ensure!(unseen.all_text().contains(told), "{told:?} is not in the output:\n{}", unseen.all_text());
    }
    Ok(())
}
