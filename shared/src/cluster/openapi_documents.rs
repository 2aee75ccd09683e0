//! Reads which schema the API server serves: the OpenAPI v3 document of each group and version.
//!
//! If a document cannot be read, a strict dry run of a create asks for one field instead. It also counts the API servers, since each
//! one publishes its own documents. `run/verify_served_schema.rs` compares the documents with the chart's CRDs.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{ApiError, Cluster};
use crate::model::crd::Crd;

/// The served documents by path: `apis/<group>/<version>`.
pub type OpenApiDocuments = BTreeMap<String, OpenApiDocument>;

/// The schemas of a document. Its `paths`, many times larger, are skipped while parsing.
#[derive(Debug, Default)]
pub struct OpenApiDocument {
    schemas: Map<String, Value>,
    /// The schema name of each group, version and kind.
    names: BTreeMap<(String, String, String), String>,
}

impl OpenApiDocument {
    fn parse(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct RawDocument {
            #[serde(default)]
            components: Components,
        }
        #[derive(Deserialize, Default)]
        struct Components {
            #[serde(default)]
            schemas: Map<String, Value>,
        }
        let schemas = serde_json::from_str::<RawDocument>(text)?.components.schemas;
        let kinds_of = |name: &String, schema: &Value| {
            let all = schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten();
            let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
            let key = |one: &Value| (text(one, "group"), text(one, "version"), text(one, "kind"));
            all.map(|one| (key(one), name.clone())).collect::<Vec<_>>()
        };
        let names = schemas.iter().flat_map(|(name, schema)| kinds_of(name, schema)).collect();
        Ok(Self { schemas, names })
    }

    /// The schema of a group, version and kind.
    #[must_use]
    pub fn definition(&self, group: &str, version: &str, kind: &str) -> Option<&Value> {
        let name = self.names.get(&(group.to_owned(), version.to_owned(), kind.to_owned()))?;
        self.schemas.get(name)
    }
}

/// A server whose Lease is this much older than the newest one is gone. The clocks may differ by seconds.
const MAX_RENEWAL_GAP: SignedDuration = SignedDuration::from_secs(120);

/// Reads the documents at these paths. A path that is not served is left out.
///
/// Requests omit the hash from `/openapi/v3`: just after a change the server answers an old hash with a
/// redirect and an empty body (k8s.io/kube-openapi `handler3`).
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn read_documents(cluster: &Cluster, wanted: &BTreeSet<String>) -> Result<OpenApiDocuments, ApiError> {
    let read = wanted.iter().map(|path| async move {
        let text = cluster.get_text(&format!("/openapi/v3/{path}")).await;
        let document = text.and_then(|text| {
            OpenApiDocument::parse(&text).map_err(|error| ApiError::from_cause(&cluster.server, &error))
        });
        match document {
            Ok(document) => Ok(Some((path.clone(), document))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    });
    futures::future::try_join_all(read).await.map(|all| all.into_iter().flatten().collect())
}

/// The hash of every served document by path. One small answer shows which documents changed.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn read_hashes(cluster: &Cluster) -> Result<BTreeMap<String, String>, ApiError> {
    Ok(parse_hashes(&cluster.get("/openapi/v3").await?))
}

fn parse_hashes(index: &Value) -> BTreeMap<String, String> {
    let paths = index["paths"].as_object().into_iter().flatten();
    let hash =
        |entry: &Value| entry["serverRelativeURL"].as_str()?.split_once("hash=").map(|(_, hash)| hash.to_owned());
    paths.filter_map(|(path, entry)| Some((path.clone(), hash(entry)?))).collect()
}

/// The number of API servers: the larger of the endpoints of the Service `kubernetes` and the servers' identity Leases
/// (KEP-1965). `None`: neither can be read.
pub async fn count_servers(cluster: &Cluster) -> Option<usize> {
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
    let (slices, leases) = tokio::join!(
        cluster.list(slices, "labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes"),
        cluster.list(leases, "labelSelector=apiserver.kubernetes.io%2Fidentity%3Dkube-apiserver"),
    );
    let counts = [slices.ok().as_deref().map(count_addresses), leases.ok().as_deref().map(count_live_leases)];
    counts.into_iter().flatten().max().filter(|count| *count > 0)
}

/// Counts the addresses of these EndpointSlices.
fn count_addresses(slices: &[Value]) -> usize {
    let endpoints = slices.iter().filter_map(|slice| slice["endpoints"].as_array()).flatten();
    let addresses = endpoints.filter_map(|one| one["addresses"].as_array()).flatten().filter_map(Value::as_str);
    addresses.collect::<BTreeSet<_>>().len()
}

/// Counts the Leases renewed about when the newest one was. A server renews its Lease every 10 s; the Lease of a server
/// that is gone stays for an hour.
fn count_live_leases(leases: &[Value]) -> usize {
    let renewed = |lease: &Value| lease.pointer("/spec/renewTime")?.as_str()?.parse::<Timestamp>().ok();
    let renewed: Vec<Timestamp> = leases.iter().filter_map(renewed).collect();
    let newest = renewed.iter().max().copied();
    renewed.iter().filter(|at| newest.is_some_and(|newest| newest.duration_since(**at) <= MAX_RENEWAL_GAP)).count()
}

/// Whether a version is served with a new field, by a strict dry run of a create. Nothing is written.
///
/// # Errors
/// The API server does not answer, or forbids the dry run (403).
pub async fn is_field_served(
    cluster: &Cluster,
    namespace: &str,
    crd: &Crd,
    version: &str,
    field: &[String],
) -> Result<bool, ApiError> {
    let space = if crd.is_namespaced() { format!("namespaces/{namespace}/") } else { String::new() };
    let (group, plural) = (crd.group(), crd.plural());
    let path = format!("/apis/{group}/{version}/{space}{plural}?dryRun=All&fieldValidation=Strict&fieldManager=mural");
    let inner = field.iter().rev().fold(Value::Null, |inner, name| json!({ name.as_str(): inner }));
    let mut object =
        json!({"apiVersion": format!("{group}/{version}"), "kind": crd.kind(), "metadata": {"name": "mural-probe"}});
    if let (Value::Object(object), Value::Object(inner)) = (&mut object, inner) {
        object.extend(inner);
    }
    match cluster.request(Method::POST, &path, Some(("application/json", &object))).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error @ ApiError::Rejected { .. }) if error.is_forbidden() => Err(error),
        // Field validation comes first: a rejection for another reason means that the field is known.
        Err(ApiError::Rejected { message, .. }) => {
            Ok(!message.contains(&format!("unknown field \"{}\"", field.join("."))))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_from_the_index() {
        let index =
            json!({"paths": {"apis/a.io/v1": {"serverRelativeURL": "/openapi/v3/apis/a.io/v1?hash=AB12"}, "api": {}}});
        assert_eq!(parse_hashes(&index), BTreeMap::from([("apis/a.io/v1".to_owned(), "AB12".to_owned())]));
        assert!(parse_hashes(&json!({})).is_empty());
    }

    #[test]
    fn a_kind_is_found_by_its_group_version_kind() {
        let hub = json!({"type": "object", "x-kubernetes-group-version-kind": [{"group": "a.io", "version": "v1", "kind": "Hub"}]});
        let text =
            json!({"paths": {"/x": {}}, "components": {"schemas": {"io.a.v1.Hub": hub, "other": {}}}}).to_string();
        let document = OpenApiDocument::parse(&text).unwrap();
        assert_eq!(document.definition("a.io", "v1", "Hub"), Some(&hub));
        assert!(
            document.definition("a.io", "v2", "Hub").is_none()
                && OpenApiDocument::parse("{}").unwrap().names.is_empty()
        );
    }

    #[test]
    fn a_server_that_is_gone_is_not_counted() {
        let lease = |renewed: &str| json!({"spec": {"renewTime": renewed}});
        let two = [
            lease("2026-11-26T22:48:19.500000Z"),
            lease("2026-11-26T22:48:27.000000Z"),
            lease("2026-11-26T22:10:00.000000Z"),
            json!({"spec": {}}),
        ];
        assert_eq!(count_live_leases(&two), 2);
        assert_eq!(count_live_leases(&[]), 0);
    }

    #[test]
    fn an_address_counts_once() {
        let slice = |address: &str| json!({"endpoints": [{"addresses": [address]}]});
        assert_eq!(count_addresses(&[slice("10.0.0.1"), slice("10.0.0.2"), slice("10.0.0.1"), json!({})]), 2);
    }
}
