//! Health check `tenant-role-drift`: requires project roles of the tenants that match the templates of the chart.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::{CheckResultBuilder, undetermined_result};
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::health_inputs::ReadScope;
use crate::model::yaml::{self, ErrorDetail};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "tenant-role-drift",
    section: Section::Tenants,
    title: "project roles of the tenants that match the templates of the chart",
    level: Level::Warning,
    why: "The ConfigMaps mural-project-rbac-* are copied into the namespace of every tenant, and the copies define \
        all project roles. An upgrade changes only the templates: tenants do not get new permissions.",
    fix: "Compare the copy with the template, merge the new rules, keep your own additions, and apply it. The \
        vendor's release notes list the changes.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::RoleTemplates], heals_with_time: false, run: check };

/// A template without what makes it the chart's own: `{.data}` is written as JSON, which is YAML too.
const TEMPLATE_JSONPATH: &str =
    r#"apiVersion: v1{"\n"}kind: ConfigMap{"\n"}metadata:{"\n"} name: {.metadata.name}{"\n"}data: {.data}{"\n"}"#;

/// Prefix of the names of the template ConfigMaps.
pub const ROLE_TEMPLATE_PREFIX: &str = "mural-project-rbac-";

/// Compares each copy with its template, and reports tenants without a copy.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let all = match &context.health_inputs.role_templates {
        Ok(all) => all,
        Err(failure) => return undetermined_result(&CARD, failure),
    };
    let mut result = CheckResultBuilder::new(&CARD);
    let (templates, copies): (Vec<&Value>, Vec<&Value>) =
        all.iter().partition(|one| str_at(one, "/metadata/namespace") == context.namespace());
    let templates: BTreeMap<&str, &Value> =
        templates.into_iter().map(|one| (str_at(one, "/metadata/name"), one)).collect();
    if templates.is_empty() {
        result.record_skip(format!("{} has no ConfigMap {ROLE_TEMPLATE_PREFIX}*", context.namespace()));
        return result.build();
    }
    let tenants: BTreeSet<&str> = copies.iter().map(|copy| str_at(copy, "/metadata/namespace")).collect();
    for tenant in tenants {
        for (name, template) in &templates {
            let copy = copies
                .iter()
                .find(|one| str_at(one, "/metadata/namespace") == tenant && str_at(one, "/metadata/name") == *name);
            result.record(judge(context.namespace(), tenant, name, template, copy.copied()));
        }
    }
    result.record_skip("no tenant has a copy");
    result.build()
}

fn judge(chart_namespace: &str, tenant: &str, name: &str, template: &Value, copy: Option<&Value>) -> Option<Finding> {
    // A merge keeps what was added to the copy under a key of its own; the template's keys become the template's.
    let copied = format!(
        "kubectl -n {chart_namespace} get configmap {name} -o jsonpath='{TEMPLATE_JSONPATH}' | kubectl -n {tenant} apply --server-side --force-conflicts -f -"
    );
    let subject = format!("ConfigMap {tenant}/{name}");
    let Some(copy) = copy else {
        return Some(CARD.finding(
            subject,
            "the tenant has no copy of this template",
            format!("copy the template: {copied}"),
        ));
    };
    let (is, should) = (&copy["data"], &template["data"]);
    let keys = data_keys(is).into_iter().chain(data_keys(should)).collect::<BTreeSet<&str>>();
    let differ: Vec<&str> = keys.into_iter().filter(|key| !is_same_data(&is[*key], &should[*key])).collect();
    let message = format!("differs from the template of the chart in {}", differ.join(", "));
    let hint = format!(
        "merge your own additions: kubectl -n {tenant} edit configmap {name}; or overwrite it with the template: {copied}"
    );
    (!differ.is_empty()).then(|| CARD.finding(subject, message, hint))
}

fn data_keys(data: &Value) -> Vec<&str> {
    data.as_object().map(|data| data.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// Rules are compared as YAML: indentation and comments grant nothing.
fn is_same_data(one: &Value, other: &Value) -> bool {
    let read =
        |value: &Value| value.as_str().and_then(|text| yaml::parse_document(text, ErrorDetail::LocationOnly).ok());
    one == other || matches!((read(one), read(other)), (Some(one), Some(other)) if one == other)
}

fn str_at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
