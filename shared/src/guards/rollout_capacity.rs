//! Quotas and disruption budgets that would block or worsen the rollout.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::admission_policies;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::object::ObjectRef;
use crate::model::quantity;
use crate::model::task::Task;
use crate::plan::object_changes::select_release_objects;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "rollout-capacity",
    section: Section::Guards,
    title: "capacity for the pods of the rollout",
    level: Level::Warning,
    why: "A Deployment starts new pods before it stops old ones. If a quota has no room for them, the rollout stalls \
        until helm times out. A workload below its disruption budget loses more pods in a rollout.",
    fix: "Raise the quota for the upgrade, or lower maxSurge. Repair disrupted workloads first.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Compares quotas with the surge of every changed Deployment, and reports disruption budgets that are violated now.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let (Some(application), Some(app)) = (context.application, &context.app_chart) else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application is not upgraded".to_owned() });
    };
    let (quotas, budgets) = match (&context.policies.resource_quotas, &context.policies.disruption_budgets) {
        (Ok(quotas), Ok(budgets)) => (quotas, budgets),
        (Err(failure), _) | (_, Err(failure)) => {
            return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() });
        }
    };
    let namespace = &context.view.cluster.namespace;
    let old = select_release_objects(namespace, application.stored_objects.reveal());
    let rolled: Vec<(ObjectRef, &Value)> = select_release_objects(namespace, app.rendered)
        .into_iter()
        .filter(|(object, next)| {
            let was = old.iter().find(|(other, _)| other.is_same_object(object)).map(|(_, was)| *was);
            next.pointer("/spec/template").is_some()
                && was.is_none_or(|was| was["spec"]["template"] != next["spec"]["template"])
        })
        .collect();
    let surge = calculate_surge(&rolled, &old);
    let mut findings: Vec<Finding> = quotas.iter().flat_map(|quota| check_quota(quota, &surge, namespace)).collect();
    findings.extend(budgets.iter().filter_map(|budget| check_budget(budget, &rolled, namespace)));
    CheckResult::new(&CARD, rolled.len(), Verdict::from_findings(findings))
}

/// Additional resources of the new pods, by the resource names of quotas.
fn calculate_surge(rolled: &[(ObjectRef, &Value)], old: &[(ObjectRef, &Value)]) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for (object, next) in rolled {
        let replicas = next.pointer("/spec/replicas").and_then(Value::as_f64).unwrap_or(1.0);
        let is_new = !old.iter().any(|(other, _)| other.is_same_object(object));
        let pods = match object.kind.as_str() {
            _ if is_new => replicas,
            "Deployment" => surge_pods(next, replicas),
            // Others stop a pod before they start the next one.
            _ => 0.0,
        };
        let mut add = |name: &str, amount: f64| *all.entry(name.to_owned()).or_insert(0.0) += amount * pods;
        add("pods", 1.0);
        add("count/pods", 1.0);
        for (kind, key) in [("requests", "cpu"), ("requests", "memory"), ("limits", "cpu"), ("limits", "memory")] {
            let needed = pod_resources(&next["spec"]["template"]["spec"], kind, key);
            add(&format!("{kind}.{key}"), needed);
            if kind == "requests" {
                add(key, needed);
            }
        }
    }
    all
}

/// What a pod counts for a quota: the sum of its containers and sidecars, or its largest init container if that needs more
/// (<https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/component-helpers/resource/helpers.go>, `PodRequests`).
fn pod_resources(pod: &Value, kind: &str, key: &str) -> f64 {
    let list = |field: &str| pod[field].as_array().into_iter().flatten();
    let mut total: f64 = list("containers").map(|container| container_resource(container, kind, key)).sum();
    let (mut sidecars, mut largest_init) = (0.0, 0.0_f64);
    for container in list("initContainers") {
        let amount = container_resource(container, kind, key);
        if container["restartPolicy"] == "Always" {
            total += amount;
            sidecars += amount;
            largest_init = largest_init.max(sidecars);
        } else {
            largest_init = largest_init.max(sidecars + amount);
        }
    }
    total.max(largest_init)
}

/// A container without a request requests its limit: the API server sets this default.
fn container_resource(container: &Value, kind: &str, key: &str) -> f64 {
    let read = |kind: &str| quantity::read_quantity(&container["resources"][kind][key]);
    read(kind).or_else(|| read("limits").filter(|_| kind == "requests")).unwrap_or_default()
}

/// Number of surge pods: `maxSurge`, by default 25 %, rounded up (`RollingUpdateDeployment` in
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/api/apps/v1/types.go>).
fn surge_pods(deployment: &Value, replicas: f64) -> f64 {
    let strategy = &deployment["spec"]["strategy"];
    if strategy["type"] == "Recreate" {
        return 0.0;
    }
    match &strategy["rollingUpdate"]["maxSurge"] {
        Value::Number(number) => number.as_f64().unwrap_or_default(),
        Value::String(text) => {
            let share = text.strip_suffix('%').and_then(|share| share.parse::<f64>().ok()).unwrap_or_default();
            (replicas * share / 100.0).ceil()
        }
        _ => (replicas / 4.0).ceil(),
    }
}

fn check_quota(quota: &Value, surge: &BTreeMap<String, f64>, namespace: &str) -> Vec<Finding> {
    let name = quota["metadata"]["name"].as_str().unwrap_or("?");
    let hard = quota.pointer("/status/hard").or_else(|| quota.pointer("/spec/hard")).and_then(Value::as_object);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    hard.into_iter()
        .flatten()
        .filter_map(|(key, limit)| {
            let needed = surge.get(key).filter(|needed| **needed > 0.0)?;
            let (limit, used) = (text(limit)?, text(&quota["status"]["used"][key]).unwrap_or_else(|| "0".to_owned()));
            if quantity::parse_quantity(&used)? + needed <= quantity::parse_quantity(&limit)? {
                return None;
            }
            let message = format!("{key}: {used} of {limit} are used, and the rollout needs up to {needed} more");
            let hint = format!("kubectl describe quota {name} --namespace {namespace}; then raise it for the upgrade");
            Some(CARD.finding(format!("ResourceQuota {name}"), message, hint))
        })
        .collect()
}

/// Reports a disruption budget that is violated before the rollout starts.
fn check_budget(budget: &Value, rolled: &[(ObjectRef, &Value)], namespace: &str) -> Option<Finding> {
    let count = |key: &str| budget["status"][key].as_u64();
    let (healthy, desired) = (count("currentHealthy")?, count("desiredHealthy")?);
    let selector = budget.pointer("/spec/selector")?;
    let (object, _) = rolled.iter().find(|(_, next)| {
        admission_policies::selector_matches(selector, &admission_policies::read_labels(&next["spec"]["template"]))
    })?;
    if healthy >= desired {
        return None;
    }
    let name = budget["metadata"]["name"].as_str().unwrap_or("?");
    let message = format!(
        "only {healthy} of the required {desired} pods are healthy, and the upgrade replaces the pods of {object}"
    );
    let hint =
        format!("kubectl describe poddisruptionbudget {name} --namespace {namespace}; then repair the pods first");
    Some(CARD.finding(format!("PodDisruptionBudget {name}"), message, hint))
}
