//! look at the surroundings: webhooks and their backends, quotas, disruption budgets. Few requests, all at once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Cluster;
use crate::model::around::{self, Around, Service};
use crate::model::view::Looked;

const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

/// Reads what surrounds the namespace. `conversions` are the Services that the planned CRDs are converted by.
///
/// Never fails as a whole; each part says by itself whether it was seen.
pub async fn look(cluster: &Cluster, namespace: &str, conversions: &BTreeSet<Service>) -> Around {
    let own = format!("/api/v1/namespaces/{namespace}");
    let quotas = format!("{own}/resourcequotas");
    let budgets = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
    let ((webhooks, backends), labels, quotas, budgets) = tokio::join!(
        webhooks_and_backends(cluster, conversions),
        cluster.get(&own),
        cluster.list(&quotas, ""),
        cluster.list(&budgets, ""),
    );
    // One that is not there yet has the label that the server gives every namespace, and no other.
    let named = || BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())]);
    let labels = match labels {
        Ok(found) => Ok(around::labels(&found)),
        Err(error) if error.not_found() => Ok(named()),
        Err(error) => Err(error.not_seen(format!("namespace {namespace}"))),
    };
    Around {
        webhooks,
        backends,
        labels,
        quotas: quotas.map_err(|error| error.not_seen(format!("resourcequotas in {namespace}"))),
        budgets: budgets.map_err(|error| error.not_seen(format!("poddisruptionbudgets in {namespace}"))),
    }
}

/// Every webhook configuration, and how many ready endpoints each Service has that one of them, or a conversion, names.
pub(super) async fn webhooks_and_backends(
    cluster: &Cluster,
    conversions: &BTreeSet<Service>,
) -> (Looked<Vec<Value>>, BTreeMap<Service, Looked<usize>>) {
    let kinds = ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"];
    let paths = kinds.map(|kind| format!("{ADMISSION}/{kind}"));
    let (validating, mutating) = tokio::join!(cluster.list(&paths[0], ""), cluster.list(&paths[1], ""));
    let webhooks = validating.and_then(|mut all| {
        all.extend(mutating?);
        Ok(all)
    });
    let webhooks = webhooks.map_err(|error| error.not_seen("webhook configurations"));
    let configured = webhooks.iter().flatten().flat_map(around::webhooks);
    let services = configured.filter_map(|webhook| Service::of(&webhook["clientConfig"]));
    let services: BTreeSet<Service> = services.chain(conversions.iter().cloned()).collect();
    let backends = backends(cluster, &services).await;
    (webhooks, backends)
}

/// How many ready endpoints each Service has: one request for all Services of a namespace.
pub async fn backends(cluster: &Cluster, services: &BTreeSet<Service>) -> BTreeMap<Service, Looked<usize>> {
    let namespaces: BTreeSet<&String> = services.iter().map(|service| &service.namespace).collect();
    let read = namespaces.into_iter().map(|namespace| async move {
        let here: Vec<&Service> = services.iter().filter(|service| service.namespace == *namespace).collect();
        let names: Vec<&str> = here.iter().map(|service| service.name.as_str()).collect();
        let path = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
        let query = format!("labelSelector=kubernetes.io/service-name%20in%20({})", names.join(","));
        let slices = cluster.list(&path, &query).await;
        let slices = slices.map_err(|error| error.not_seen(format!("endpointslices in {namespace}")));
        here.into_iter()
            .map(|service| {
                (service.clone(), slices.as_ref().map(|all| ready(all, &service.name)).map_err(Clone::clone))
            })
            .collect::<Vec<_>>()
    });
    futures::future::join_all(read).await.into_iter().flatten().collect()
}

/// Endpoints that are ready; one that does not say is (discovery.k8s.io/v1 `EndpointConditions`).
fn ready(slices: &[Value], service: &str) -> usize {
    let of_service = |slice: &&Value| {
        slice.pointer("/metadata/labels/kubernetes.io~1service-name").is_some_and(|name| name == service)
    };
    let endpoints =
        slices.iter().filter(of_service).flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
    endpoints.filter(|endpoint| endpoint.pointer("/conditions/ready").is_none_or(|ready| ready != false)).count()
}
