//! A CRD's parts outside of its schemas, in one shape for `v1` and `v1beta1` manifests, with the server's defaults filled in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::normal_form::{normalise, normalise_numbers};

/// A CRD taken apart. Nothing is judged here.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outline {
    pub(super) group: String,
    pub(super) scope: String,
    pub(super) names: BTreeMap<&'static str, String>,
    pub(super) short_names: BTreeSet<String>,
    pub(super) categories: BTreeSet<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) preserves_unknown_fields: bool,
    pub(super) conversion: Value,
    pub(super) versions: BTreeMap<String, VersionOutline>,
}

/// One version taken apart; the schema in normal form.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct VersionOutline {
    pub(super) served: bool,
    pub(super) storage: bool,
    pub(super) deprecated: bool,
    pub(super) deprecation_warning: Option<String>,
    pub(super) schema: Option<Value>,
    pub(super) has_status: bool,
    pub(super) scale: Option<Value>,
    pub(super) printer_columns: Vec<Value>,
    pub(super) selectable_fields: BTreeSet<String>,
}

/// Labels and annotations that tools write for themselves.
const TOOL_METADATA_PREFIXES: [&str; 8] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "meta.helm.sh/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "argocd.argoproj.io/instance",
    "argocd.argoproj.io/tracking-id",
    "kapp.k14s.io/",
    "objectset.rio.cattle.io/",
];

fn to_text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn to_text_set(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(to_text).collect()
}

fn read_user_metadata(value: &Value) -> BTreeMap<String, String> {
    let all = value.as_object().into_iter().flatten();
    all.filter(|(key, _)| !TOOL_METADATA_PREFIXES.iter().any(|start| key.starts_with(start)))
        .map(|(key, value)| (key.clone(), to_text(value)))
        .collect()
}

impl Outline {
    pub(super) fn from_crd(crd: &Value) -> Self {
        let spec = &crd["spec"];
        let beta = is_v1beta1(crd);
        let preserves_unknown_fields = spec["preserveUnknownFields"].as_bool().unwrap_or(beta);
        let versions = read_versions(crd);
        Self {
            group: to_text(&spec["group"]),
            scope: to_text(&spec["scope"]),
            names: read_names(&spec["names"]),
            short_names: to_text_set(&spec["names"]["shortNames"]),
            categories: to_text_set(&spec["names"]["categories"]),
            labels: read_user_metadata(&crd["metadata"]["labels"]),
            annotations: read_user_metadata(&crd["metadata"]["annotations"]),
            preserves_unknown_fields,
            conversion: normalise_conversion(&spec["conversion"], beta),
            versions: versions
                .iter()
                .map(|version| (to_text(&version["name"]), VersionOutline::from_version(version)))
                .collect(),
        }
    }

    pub(super) fn storage_version(&self) -> Option<&str> {
        self.versions.iter().find(|(_, version)| version.storage).map(|(name, _)| name.as_str())
    }
}

/// Whether a manifest is of the API that 1.22 removed; a cluster may still hold what was made by one.
pub(super) fn is_v1beta1(crd: &Value) -> bool {
    crd["apiVersion"] == "apiextensions.k8s.io/v1beta1"
}

/// Defaults of `SetDefaults_CustomResourceDefinitionSpec` (apiextensions `v1/defaults.go`).
fn read_names(names: &Value) -> BTreeMap<&'static str, String> {
    let (kind, plural) = (to_text(&names["kind"]), to_text(&names["plural"]));
    let or =
        |value: &Value, default: String| value.as_str().filter(|text| !text.is_empty()).map_or(default, str::to_owned);
    let singular = or(&names["singular"], kind.to_lowercase());
    let list_kind = or(&names["listKind"], format!("{kind}List"));
    BTreeMap::from([("kind", kind), ("plural", plural), ("singular", singular), ("listKind", list_kind)])
}

fn normalise_conversion(conversion: &Value, beta: bool) -> Value {
    let strategy = conversion["strategy"].as_str().unwrap_or("None");
    if strategy != "Webhook" {
        return json!({"strategy": strategy});
    }
    let (client, reviews) = if beta {
        let reviews = &conversion["conversionReviewVersions"];
        (&conversion["webhookClientConfig"], if reviews.is_null() { json!(["v1beta1"]) } else { reviews.clone() })
    } else {
        (&conversion["webhook"]["clientConfig"], conversion["webhook"]["conversionReviewVersions"].clone())
    };
    let mut service = client["service"].clone();
    if service.is_object() && service["port"].is_null() {
        service["port"] = json!(443);
    }
    json!({"strategy": strategy, "reviewVersions": reviews,
        "client": {"service": normalise_numbers(&service), "url": client["url"], "caBundle": client["caBundle"]}})
}

/// `spec.versions`; of a `v1beta1` manifest with what stood at the top (`v1beta1/conversion.go`).
pub(super) fn read_versions(crd: &Value) -> Vec<Value> {
    let spec = &crd["spec"];
    let mut versions: Vec<Value> = spec["versions"].as_array().cloned().unwrap_or_default();
    if !is_v1beta1(crd) {
        return versions;
    }
    if versions.is_empty() {
        versions.push(json!({"name": spec["version"], "served": true, "storage": true}));
    }
    for version in versions.iter_mut().filter(|version| version.is_object()) {
        for (own, top) in [
            ("schema", "validation"),
            ("subresources", "subresources"),
            ("additionalPrinterColumns", "additionalPrinterColumns"),
        ] {
            if version[own].is_null() {
                version[own] = spec[top].clone();
            }
        }
    }
    versions
}

impl VersionOutline {
    fn from_version(version: &Value) -> Self {
        let sub = &version["subresources"];
        Self {
            served: version["served"] == true,
            storage: version["storage"] == true,
            deprecated: version["deprecated"] == true,
            deprecation_warning: version["deprecationWarning"].as_str().map(str::to_owned),
            schema: version.pointer("/schema/openAPIV3Schema").filter(|schema| schema.is_object()).map(normalise),
            has_status: sub["status"].is_object(),
            scale: Some(&sub["scale"]).filter(|scale| scale.is_object()).cloned(),
            printer_columns: version["additionalPrinterColumns"]
                .as_array()
                .into_iter()
                .flatten()
                .map(normalise_column)
                .collect(),
            selectable_fields: version["selectableFields"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|f| to_text(&f["jsonPath"]))
                .collect(),
        }
    }
}

fn normalise_column(column: &Value) -> Value {
    let mut column = normalise_numbers(column);
    if let Some(all) = column.as_object_mut() {
        if let Some(path) = all.remove("JSONPath") {
            all.insert("jsonPath".to_owned(), path);
        }
        all.retain(|key, value| !(value.is_null() || value == "" || (key == "priority" && value == 0)));
    }
    column
}
