//! Reads the policies that a write must pass: webhooks with their backends, quotas and disruption budgets.
//!
//! It owns the requests and how their answers combine into `AdmissionPolicies`. It judges nothing: `guards/` and `prepare/judge.rs` do.
//! All parts are read at once, with few requests. A part that cannot be read carries its reason.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Cluster, conversion_reader};
use crate::model::admission_policies::{self, AdmissionPolicies, ServiceRef};
use crate::model::cluster_view::Observed;
use crate::model::crd::Crd;
use crate::model::object::is_terminating;

const ADMISSION_API: &str = "/apis/admissionregistration.k8s.io/v1";

/// Reads the policies that affect writes in the namespace. `conversions` are the Services behind the planned CRDs' conversion webhooks,
/// `url_converted` the live CRDs whose webhook is called by a URL that stays.
///
/// Never fails as a whole: a part that cannot be read holds its reason.
pub async fn read_admission_policies(
    cluster: &Cluster,
    namespace: &str,
    conversions: &BTreeSet<ServiceRef>,
    url_converted: &[&Crd],
) -> AdmissionPolicies {
    let namespace_path = format!("/api/v1/namespaces/{namespace}");
    let quotas = format!("{namespace_path}/resourcequotas");
    let budgets = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
    let ((webhooks, backends), namespace_object, quotas, budgets, url_conversions) = tokio::join!(
        read_webhooks_and_backends(cluster, conversions),
        cluster.get(&namespace_path),
        cluster.list(&quotas, ""),
        cluster.list(&budgets, ""),
        conversion_reader::read_conversions(cluster, url_converted),
    );
    // A namespace that does not exist yet will have only the label that the server adds.
    let default_labels = || BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())]);
    let (labels, terminating) = match namespace_object {
        Ok(found) => (Ok(admission_policies::read_labels(&found)), Ok(is_terminating(&found))),
        Err(error) if error.is_not_found() => (Ok(default_labels()), Ok(false)),
        Err(error) => {
            let failure = error.to_read_failure(format!("namespace {namespace}"));
            (Err(failure.clone()), Err(failure))
        }
    };
    AdmissionPolicies {
        webhooks,
        ready_endpoints: backends,
        namespace_labels: labels,
        namespace_terminating: terminating,
        resource_quotas: quotas.map_err(|error| error.to_read_failure(format!("resourcequotas in {namespace}"))),
        disruption_budgets: budgets
            .map_err(|error| error.to_read_failure(format!("poddisruptionbudgets in {namespace}"))),
        conversions: url_conversions,
    }
}

/// Every webhook configuration, and the number of ready endpoints of each Service behind a webhook or a conversion.
pub(super) async fn read_webhooks_and_backends(
    cluster: &Cluster,
    conversions: &BTreeSet<ServiceRef>,
) -> (Observed<Vec<Value>>, BTreeMap<ServiceRef, Observed<usize>>) {
    let kinds = ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"];
    let paths = kinds.map(|kind| format!("{ADMISSION_API}/{kind}"));
    let (validating, mutating) = tokio::join!(cluster.list(&paths[0], ""), cluster.list(&paths[1], ""));
    let webhooks = validating.and_then(|mut all| {
        all.extend(mutating?);
        Ok(all)
    });
    let webhooks = webhooks.map_err(|error| error.to_read_failure("webhook configurations"));
    let configured = webhooks.iter().flatten().flat_map(admission_policies::webhooks);
    let services = configured.filter_map(|webhook| ServiceRef::from_client_config(&webhook["clientConfig"]));
    let services: BTreeSet<ServiceRef> = services.chain(conversions.iter().cloned()).collect();
    let backends = read_backends(cluster, &services).await;
    (webhooks, backends)
}

/// The number of ready endpoints per Service, with one request per namespace.
pub async fn read_backends(
    cluster: &Cluster,
    services: &BTreeSet<ServiceRef>,
) -> BTreeMap<ServiceRef, Observed<usize>> {
    let namespaces: BTreeSet<&String> = services.iter().map(|service| &service.namespace).collect();
    let read = namespaces.into_iter().map(|namespace| async move {
        let here: Vec<&ServiceRef> = services.iter().filter(|service| service.namespace == *namespace).collect();
        let names: Vec<&str> = here.iter().map(|service| service.name.as_str()).collect();
        let path = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
        let query = format!("labelSelector=kubernetes.io/service-name%20in%20({})", names.join(","));
        let slices = cluster.list(&path, &query).await;
        let slices = slices.map_err(|error| error.to_read_failure(format!("endpointslices in {namespace}")));
        here.into_iter()
            .map(|service| {
                (
                    service.clone(),
                    slices.as_ref().map(|all| count_ready_endpoints(all, &service.name)).map_err(Clone::clone),
                )
            })
            .collect::<Vec<_>>()
    });
    futures::future::join_all(read).await.into_iter().flatten().collect()
}

/// Counts ready endpoints. An endpoint without the condition is ready (discovery.k8s.io/v1 `EndpointConditions`).
fn count_ready_endpoints(slices: &[Value], service: &str) -> usize {
    let of_service = |slice: &&Value| {
        slice.pointer("/metadata/labels/kubernetes.io~1service-name").is_some_and(|name| name == service)
    };
    let endpoints =
        slices.iter().filter(of_service).flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
    endpoints.filter(|endpoint| endpoint.pointer("/conditions/ready").is_none_or(|ready| ready != false)).count()
}
