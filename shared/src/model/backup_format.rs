//! A CRD or a custom resource as it is kept in a file: what it says of itself, and nothing that only one cluster knows.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::object::ObjectRef;

/// What of `metadata` is kept. `uid`, `resourceVersion`, `generation`, `managedFields` and the times belong to one cluster.
const PORTABLE_METADATA_FIELDS: [&str; 7] =
    ["name", "generateName", "namespace", "labels", "annotations", "finalizers", "ownerReferences"];
/// The longest name of a file, its ending apart: file systems take 255 bytes.
const MAX_FILE_NAME_BYTES: usize = 200;

/// What lies beside the manifests: written last, so a folder without it is a save that was cut off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupIndex {
    /// `mural/v1`
    pub api_version: String,
    /// `CrdSave`
    pub kind: String,
    /// The kubeconfig context that it was read from.
    pub cluster: String,
    /// The uid of its `kube-system`; empty where it could not be read.
    pub uid: String,
    /// When.
    pub created_at: jiff::Timestamp,
    /// What of each CRD.
    pub crds: Vec<CrdBackup>,
}

/// What an index says of itself.
const INDEX_VERSION_AND_KIND: (&str, &str) = ("mural/v1", "CrdSave");

impl BackupIndex {
    /// The index of a save.
    #[must_use]
    pub fn new(cluster: &str, uid: &str, created_at: jiff::Timestamp, crds: Vec<CrdBackup>) -> Self {
        let (api_version, kind) = (INDEX_VERSION_AND_KIND.0.to_owned(), INDEX_VERSION_AND_KIND.1.to_owned());
        Self { api_version, kind, cluster: cluster.to_owned(), uid: uid.to_owned(), created_at, crds }
    }

    /// Whether this version knows its form.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        (self.api_version.as_str(), self.kind.as_str()) == INDEX_VERSION_AND_KIND
    }
}

/// What is kept of one CRD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdBackup {
    /// `metadata.name`
    pub name: String,
    /// The version in which its objects were read; empty where none is served.
    pub version: String,
    /// How many objects there are.
    pub objects: u64,
    /// Why they could not be read, or not all of them. Never the same as "there are none".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_failure: Option<String>,
}

/// An object without what only its cluster knows. Everything outside of `metadata` stays as it is.
#[must_use]
pub fn strip_cluster_fields(object: &Value) -> Value {
    let Some(fields) = object.as_object() else { return object.clone() };
    let portable_metadata = |metadata: &Value| -> Value {
        let of = metadata.as_object().into_iter().flatten();
        of.filter(|(key, _)| PORTABLE_METADATA_FIELDS.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let field = |(key, value): (&String, &Value)| {
        (key.clone(), if key == "metadata" { portable_metadata(value) } else { value.clone() })
    };
    Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
}

/// A name as a file's name: readable, and never a way out of its folder.
#[must_use]
pub fn encode_file_name(name: &str) -> String {
    let harmless = |at: usize, byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || (byte == b'.' && at > 0)
    };
    let mut out = String::new();
    for (at, byte) in name.bytes().enumerate() {
        if harmless(at, byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    if out.is_empty() {
        return "%".to_owned();
    }
    if out.len() <= MAX_FILE_NAME_BYTES {
        return out;
    }
    let hash: String = Sha256::digest(name).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    out.truncate(MAX_FILE_NAME_BYTES - hash.len() - 1);
    format!("{out}~{hash}")
}

/// Whether a text can stand in a request's path as it is: a DNS-1123 subdomain, as the API server asks of names.
#[must_use]
pub fn is_dns_subdomain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= 253 && bytes.iter().all(|byte| allowed(*byte)) && ends(bytes.first()) && ends(bytes.last())
}

/// The owners that an object names, as objects. One in a namespace is owned from within it, or by an object of the cluster.
#[must_use]
pub fn read_owners(object: &Value) -> Vec<ObjectRef> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = text(&object["metadata"]["namespace"]);
    let references = object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
    references
        .map(|reference| ObjectRef {
            api_version: text(&reference["apiVersion"]),
            kind: text(&reference["kind"]),
            namespace: namespace.clone(),
            name: text(&reference["name"]),
        })
        .collect()
}

/// Which objects can be made one after the other, owners first: rounds of indices.
///
/// Each object comes with itself and its owners; owners that are not among the objects do not count. What owns itself in a
/// circle comes last.
#[must_use]
pub fn order_by_owners(objects: &[(ObjectRef, Vec<ObjectRef>)]) -> Vec<Vec<usize>> {
    use std::collections::{HashMap, HashSet};
    let key = |object: &ObjectRef, namespace: &str| {
        (object.group().to_owned(), object.kind.clone(), namespace.to_owned(), object.name.clone())
    };
    let at: HashMap<_, usize> =
        objects.iter().enumerate().map(|(at, (object, _))| (key(object, &object.namespace), at)).collect();
    // A namespaced object may be owned by one of the cluster.
    let find = |owner: &ObjectRef| at.get(&key(owner, &owner.namespace)).or_else(|| at.get(&key(owner, ""))).copied();
    let needs: Vec<Vec<usize>> = objects.iter().map(|(_, owners)| owners.iter().filter_map(find).collect()).collect();
    let (mut done, mut creation_rounds): (HashSet<usize>, Vec<Vec<usize>>) = (HashSet::new(), Vec::new());
    let mut left: Vec<usize> = (0..objects.len()).collect();
    while !left.is_empty() {
        let (mut now, later): (Vec<usize>, Vec<usize>) =
            left.iter().partition(|at| needs.get(**at).is_none_or(|needs| needs.iter().all(|at| done.contains(at))));
        left = later;
        if now.is_empty() {
            now = std::mem::take(&mut left);
        }
        done.extend(&now);
        creation_rounds.push(now);
    }
    creation_rounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_of_one_cluster_are_dropped() {
        let live = json!({"apiVersion": "a.b/v1", "kind": "Hub", "data": {"x": 1}, "spec": {"metadata": {"uid": "kept"}},
            "status": {"ready": true},
            "metadata": {"name": "h", "namespace": "m", "uid": "1", "resourceVersion": "7", "generation": 3, "selfLink": "/x",
                "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{}],
                "labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["f/g"], "ownerReferences": [{"name": "o", "uid": "9"}]}});
        let kept = json!({"apiVersion": "a.b/v1", "kind": "Hub", "data": {"x": 1}, "spec": {"metadata": {"uid": "kept"}},
            "status": {"ready": true},
            "metadata": {"name": "h", "namespace": "m", "labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["f/g"],
                "ownerReferences": [{"name": "o", "uid": "9"}]}});
        assert_eq!(strip_cluster_fields(&live), kept);
        assert_eq!(strip_cluster_fields(&kept), kept);
    }

    #[test]
    fn no_name_leads_out_of_its_folder() {
        assert_eq!(encode_file_name("hubs.a-b.io"), "hubs.a-b.io");
        assert_eq!(encode_file_name("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd");
        assert_eq!(
            (encode_file_name("."), encode_file_name(".."), encode_file_name("")),
            ("%2E".into(), "%2E.".into(), "%".into())
        );
        assert_eq!(encode_file_name("A\0_"), "%41%00%5F");
        let (one, other) = (encode_file_name(&"a".repeat(253)), encode_file_name(&format!("{}b", "a".repeat(252))));
        assert!(one.len() <= MAX_FILE_NAME_BYTES && one != other, "{one} {other}");
    }

    #[test]
    fn only_names_go_into_a_path() {
        assert!(is_dns_subdomain("a") && is_dns_subdomain("a-b.c9"));
        for name in ["", ".", "..", "a/b", "a?dryRun=All", "A", "a_", "-a", "a%2F", &"a".repeat(254)] {
            assert!(!is_dns_subdomain(name), "{name}");
        }
    }

    #[test]
    fn owners_come_before_what_they_own() {
        let object = |namespace: &str, name: &str| ObjectRef {
            api_version: "a.b/v1".into(),
            kind: "Hub".into(),
            namespace: namespace.into(),
            name: name.into(),
        };
        // The owner may be named in another version, and may be one of the cluster.
        let older = ObjectRef { api_version: "a.b/v1beta1".into(), ..object("m", "owner") };
        let objects = [
            (object("m", "grandchild"), vec![object("m", "child")]),
            (object("m", "child"), vec![older, object("m", "of-the-cluster"), object("m", "not-kept")]),
            (object("m", "owner"), vec![]),
            (object("", "of-the-cluster"), vec![]),
        ];
        assert_eq!(order_by_owners(&objects), [vec![2, 3], vec![1], vec![0]]);
        let circle = [(object("m", "a"), vec![object("m", "b")]), (object("m", "b"), vec![object("m", "a")])];
        assert_eq!(order_by_owners(&circle), [[0, 1]]);
    }
}
