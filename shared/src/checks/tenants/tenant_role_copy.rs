//! Check `tenant-role-copy`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::checks::gathered::{Gathered, undetermined};
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::yaml::{self, Quote};

/// The card.
pub static CARD: Card = Card {
    id: "tenant-role-copy",
    section: Section::Tenants,
    title: "the tenants' copies of the project roles are as the chart's templates",
    level: Level::Warning,
    why: "The chart's ConfigMaps mural-project-rbac-* are copied into every tenant's namespace, and the copies make all project roles. An upgrade changes the templates and never the copies: new permissions do not reach the tenants by themselves.",
    fix: "Merge the template's rules into the copy: compare the two, keep what was added on purpose, and apply. The vendor's release notes say what is new.",
};

/// A template without what makes it the chart's own: `{.data}` is written as JSON, which is YAML too.
const TEMPLATE_AS_YAML: &str =
    r#"apiVersion: v1{"\n"}kind: ConfigMap{"\n"}metadata:{"\n"} name: {.metadata.name}{"\n"}data: {.data}{"\n"}"#;

/// What the names of the templates begin with.
pub const TEMPLATE: &str = "mural-project-rbac-";

/// Whether each copy says what its template says, and each tenant has all of them.
pub fn check(seen: &Seen<'_>) -> Checked {
    let all = match &seen.vitals.templates {
        Ok(all) => all,
        Err(not_seen) => return undetermined(&CARD, not_seen),
    };
    let mut gathered = Gathered::new(&CARD);
    let (templates, copies): (Vec<&Value>, Vec<&Value>) =
        all.iter().partition(|one| text(one, "/metadata/namespace") == seen.namespace());
    let templates: BTreeMap<&str, &Value> =
        templates.into_iter().map(|one| (text(one, "/metadata/name"), one)).collect();
    if templates.is_empty() {
        gathered.skipped(format!("{} has no ConfigMap {TEMPLATE}*", seen.namespace()));
        return gathered.checked();
    }
    let tenants: BTreeSet<&str> = copies.iter().map(|copy| text(copy, "/metadata/namespace")).collect();
    for tenant in tenants {
        for (name, template) in &templates {
            let copy = copies
                .iter()
                .find(|one| text(one, "/metadata/namespace") == tenant && text(one, "/metadata/name") == *name);
            gathered.looked(judge(seen.namespace(), tenant, name, template, copy.copied()));
        }
    }
    gathered.skipped("no tenant has a copy");
    gathered.checked()
}

fn judge(own: &str, tenant: &str, name: &str, template: &Value, copy: Option<&Value>) -> Option<Finding> {
    // A merge keeps what was added to the copy under a key of its own; the template's keys become the template's.
    let copied = format!(
        "kubectl -n {own} get configmap {name} -o jsonpath='{TEMPLATE_AS_YAML}' | kubectl -n {tenant} apply --server-side --force-conflicts -f -"
    );
    let subject = format!("ConfigMap {tenant}/{name}");
    let Some(copy) = copy else {
        return Some(CARD.finding(
            subject,
            "the tenant has no copy of this template",
            format!("take it as it is: {copied}"),
        ));
    };
    let (is, should) = (&copy["data"], &template["data"]);
    let keys = keys(is).into_iter().chain(keys(should)).collect::<BTreeSet<&str>>();
    let differ: Vec<&str> = keys.into_iter().filter(|key| !same(&is[*key], &should[*key])).collect();
    let message = format!("differs from the chart's template in {}", differ.join(", "));
    let hint = format!(
        "keep what was added on purpose: kubectl -n {tenant} edit configmap {name}; else take the template: {copied}"
    );
    (!differ.is_empty()).then(|| CARD.finding(subject, message, hint))
}

fn keys(data: &Value) -> Vec<&str> {
    data.as_object().map(|data| data.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// Rules are compared as YAML: indentation and comments grant nothing.
fn same(one: &Value, other: &Value) -> bool {
    let read = |value: &Value| value.as_str().and_then(|text| yaml::document(text, Quote::Nothing).ok());
    one == other || matches!((read(one), read(other)), (Some(one), Some(other)) if one == other)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
