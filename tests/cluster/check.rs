//! `helm mural crds check` against a cluster: who is hurt, refused, mended, answered for.

use anyhow::{Result, ensure};
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::ground::{Ended, Ground};
use crate::keep::{apply, crds};

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

fn an_enum_that_loses_a_value(ground: &Ground) -> Result<()> {
    apply(ground, &[crd(&["small", "large", "huge"])])?;
    ground
        .run(User::Admin, "kubectl", &["wait", "--for=condition=Established", &format!("crd/{NAME}"), "--timeout=30s"])?
        .with(0)?;
    apply(ground, &[ship("ada", "small"), ship("bob", "large"), ship("cy", "huge")])?;
    let folder = ground.files().join("check");
    std::fs::create_dir_all(&folder)?;
    let (newer, waivers) = (folder.join("newer.yaml"), folder.join("waivers.yaml"));
    std::fs::write(&newer, crd(&["small", "large"]).to_string())?;
    let (newer, waivers) = (newer.display().to_string(), waivers.display().to_string());
    let check = |more: &[&str]| -> Result<Ended> { crds(ground, &[&["check", &newer], more].concat()) };

    let refused = check(&[])?.with(3)?;
    for told in ["breaking", "^.spec.size", "1 of 3 objects", "Ship default/cy", "huge"] {
        ensure!(refused.stdout.contains(told), "{told:?} is not said:\n{}", refused.all());
    }
    ensure!(!refused.stdout.contains("default/ada"), "one who is not hurt is named:\n{}", refused.all());

    std::fs::write(
        &waivers,
        format!(
            "waivers:\n- check: enum-changed\n  subject: {NAME} ^.spec.size\n  reason: cy goes out of service\n  expires: 2099-01-01\n"
        ),
    )?;
    let waived = check(&["--waivers", &waivers])?.with(0)?;
    ensure!(waived.stdout.contains("waived: cy goes out of service"), "{}", waived.all());

    apply(ground, &[ship("cy", "large")])?;
    let mended = check(&[])?.with(0)?;
    ensure!(mended.stdout.contains("none of 3 objects"), "{}", mended.all());
    let json: Value = serde_json::from_str(&check(&["-o", "json"])?.with(0)?.stdout)?;
    ensure!(json["evidence"] == "live" && json["lookedAt"] == 3, "{json}");
    merged_by_the_server(ground, &check)?;
    who_may_not_look(ground, &newer)
}

/// What the server makes of a CRD counts, not the file: what another manager set stays, and a refusal is in its own words.
fn merged_by_the_server(ground: &Ground, check: &dyn Fn(&[&str]) -> Result<Ended>) -> Result<()> {
    let label = ["label", "crd", NAME, "team=harbour"];
    ground.run(User::Admin, "kubectl", &label)?.with(0)?;
    let labelled = check(&["--all"])?.with(0)?;
    ensure!(!labelled.stdout.contains("harbour"), "the file does not take it away:\n{}", labelled.all());
    let mut other = crd(&["small", "large"]);
    other["spec"]["versions"][0]["name"] = json!("v2");
    let file = ground.files().join("check/other.yaml");
    std::fs::write(&file, other.to_string())?;
    let refused = crds(ground, &["check", &file.display().to_string()])?.with(3)?;
    ensure!(refused.stdout.contains("must remain in spec.versions"), "{}", refused.all());
    Ok(())
}

/// Objects that cannot be listed are never taken for safe.
fn who_may_not_look(ground: &Ground, newer: &str) -> Result<()> {
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reads-crds}\nrules:\n\
        - {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [get, list]}\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: reads-crds}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reads-crds}\n\
        subjects: [{kind: User, name: clerk, apiGroup: rbac.authorization.k8s.io}]\n";
    let apply = ["apply", "--server-side", "--filename", "-"];
    ground.run_with(User::Admin, "kubectl", &apply, role, &[])?.with(0)?;
    let clerk = [("HELM_KUBEASUSER", std::path::Path::new("clerk"))];
    let args = ["crds", "check", newer];
    let unseen = ground.run_with(User::Admin, "helm-mural", &args, "", &clerk)?.with(3)?;
    for told in ["cannot be listed", "objects-not-judged", "forbidden"] {
        ensure!(unseen.all().contains(told), "{told:?} is not said:\n{}", unseen.all());
    }
    Ok(())
}
