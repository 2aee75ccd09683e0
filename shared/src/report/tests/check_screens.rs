//! `kubectl mural validate` and `helm mural crds check`.

use serde_json::{Value, json};

use super::assert_screen;
use crate::checks::crd_changes::object_evidence::Evidence;
use crate::checks::crd_changes::{CrdVerdict, ServerAnswer, judge_crd};
use crate::checks::examples::ExampleInstallation;
use crate::checks::health_checks::HEALTH_CHECKS;
use crate::model::crd::Crd;
use crate::report::crd_check::CrdCheck;
use crate::report::style::Style;
use crate::report::validate::{TableOptions, ValidateReport, render_markdown, render_table};
use crate::schema::ServerVersion;

/// A report with a pass, a warning, an error and an undetermined check.
fn validate_report() -> ValidateReport {
    let mut installation = ExampleInstallation::healthy();
    installation.set_crd_field("status.storedVersions", json!(["v1alpha1", "v1beta1"]));
    installation.set_workload_field("canvas", "status.readyReplicas", json!(1));
    ValidateReport::new(&installation.view, installation.run_checks(&HEALTH_CHECKS.iter().collect::<Vec<_>>()))
}

fn render_validate(report: &ValidateReport, show_all_checks: bool, style: Style) -> String {
    render_table(report, TableOptions { show_all_checks, exit: report.exit(false), elapsed: None }, style)
}

#[test]
fn validate_as_a_table() {
    assert_screen("validate_table", &render_validate(&validate_report(), false, Style::PLAIN));
}

#[test]
fn validate_of_an_unreadable_installation() {
    let unreadable = ExampleInstallation::unreadable();
    let checks = unreadable.run_checks(&HEALTH_CHECKS.iter().collect::<Vec<_>>());
    let report = ValidateReport::new(&unreadable.view, checks);
    assert_screen("validate_undetermined", &render_validate(&report, false, Style::PLAIN));
}

#[test]
fn validate_as_a_wide_table() {
    assert_screen("validate_wide", &render_validate(&validate_report(), true, Style { width: 200, ..Style::PLAIN }));
}

#[test]
fn validate_as_markdown() {
    assert_screen("validate_markdown", &render_markdown(&[validate_report()]));
}

fn crd(name: &str, properties: &Value) -> Crd {
    let (plural, group) = name.split_once('.').unwrap();
    let spec = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}});
    Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Pool", "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": spec}}]}}))
    .unwrap()
}

fn judge(name: &str, old: &Value, new: &Value) -> CrdVerdict {
    let (old, new) = (crd(name, old), crd(name, new));
    judge_crd(Some(&old), Some(&new), Evidence::default(), ServerVersion::NEWEST, ServerAnswer::NotAsked)
}

#[test]
fn crds_check_as_a_table() {
    let size = |values: &[&str]| json!({"size": {"type": "string", "enum": values}});
    let crds = vec![
        judge("computepools.spectrocloud.com", &size(&["s", "xl"]), &size(&["s"])),
        judge(
            "hubs.spectrocloud.com",
            &json!({"a": {"type": "string"}, "b": {"type": "string"}}),
            &json!({"a": {"type": "string"}}),
        ),
        judge("tenants.spectrocloud.com", &size(&["s"]), &size(&["s", "m"])),
        judge("workloads.spectrocloud.com", &size(&["s"]), &size(&["s"])),
    ];
    let check =
        CrdCheck::new("./mural-crds-0.7.1.tgz".into(), "./mural-crds-0.7.4.tgz".into(), "1.33".into(), crds, &[]);
    assert_screen("crds_check_table", &check.render_table(Style::PLAIN, false, check.exit(false)));
    assert_screen("crds_check_all", &check.render_table(Style::PLAIN, true, check.exit(false)));
    assert_screen("crds_check_markdown", &check.render_markdown());
}
