//! The lists of CRDs of a chart or a cluster, and the differences between the two.
//!
//! Owns the reports of `helm mural crds`, `list` and `diff`. The changes come from `plan/crd_plan.rs`. Input: CRDs. Output: text, or a
//! value for JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::columns::render_columns;
use super::style::{Mark, Style, sanitize};
use crate::checks::crd_changes::decision::CrdDecision;
use crate::model::crd::Crd;
use crate::model::text_format;
use crate::plan::{API_VERSION, CrdPlan};

/// One version of a CRD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionRow {
    /// `v1beta1`
    pub name: String,
    /// Whether clients can use it.
    pub served: bool,
    /// Whether objects are stored in it.
    pub storage: bool,
}

/// One CRD of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdRow {
    /// `metadata.name`
    pub name: String,
    /// `spec.names.kind`
    pub kind: String,
    /// `Namespaced` or `Cluster`
    pub scope: &'static str,
    /// Its versions.
    pub versions: Vec<VersionRow>,
    /// `status.storedVersions`; empty for the CRD of a chart.
    pub stored_versions: Vec<String>,
    /// Whether it is established; `None` for the CRD of a chart.
    pub established: Option<bool>,
    /// The field managers that own a part of its spec; empty for the CRD of a chart.
    pub managers: Vec<String>,
    /// The tool that manages it, from its labels and annotations; empty if they name none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// The number of changes to the chart of the CRD release; `None` if that release does not have the CRD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<usize>,
}

impl CrdRow {
    /// Reads a CRD.
    #[must_use]
    pub fn new(crd: &Crd) -> Self {
        let live = !crd.uid().is_empty();
        Self {
            name: crd.name().to_owned(),
            kind: crd.kind().to_owned(),
            scope: if crd.is_namespaced() { "Namespaced" } else { "Cluster" },
            versions: crd
                .versions()
                .map(|version| VersionRow {
                    name: version.name.to_owned(),
                    served: version.served,
                    storage: version.storage,
                })
                .collect(),
            stored_versions: crd.stored_versions().into_iter().map(str::to_owned).collect(),
            established: live.then(|| crd.has_condition("Established")),
            managers: crd.spec_managers(),
            owner: crd.describe_manager(),
            drift: None,
        }
    }

    fn to_cells(&self) -> Vec<String> {
        let versions: Vec<String> = self
            .versions
            .iter()
            .map(|version| if version.served { version.name.clone() } else { format!("({})", version.name) })
            .collect();
        let storage = self.versions.iter().find(|version| version.storage).map_or("", |version| version.name.as_str());
        let old_versions: Vec<&str> =
            self.stored_versions.iter().map(String::as_str).filter(|stored| *stored != storage).collect();
        let stored = if old_versions.is_empty() {
            storage.to_owned()
        } else {
            format!("{storage} (and {})", old_versions.join(", "))
        };
        let drift = match self.drift {
            None => "–".to_owned(),
            Some(0) => "none".to_owned(),
            Some(changes) => text_format::format_count(changes, "change"),
        };
        let owner = if self.owner.is_empty() { "–".to_owned() } else { sanitize(&self.owner) };
        let managers = sanitize(&self.managers.join(","));
        vec![sanitize(&self.name), versions.join(","), stored, self.scope.to_owned(), owner, drift, managers]
    }
}

/// A list of CRDs: the report of `helm mural crds` and `helm mural crds list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdList {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `CrdList`
    pub kind: &'static str,
    /// Where they are from: a chart with its digest, or a context.
    pub source: String,
    /// The CRDs, by name.
    pub items: Vec<CrdRow>,
}

impl CrdList {
    /// Builds a list.
    #[must_use]
    pub fn new<'a>(source: String, crds: impl IntoIterator<Item = &'a Crd>) -> Self {
        Self { api_version: API_VERSION, kind: "CrdList", source, items: crds.into_iter().map(CrdRow::new).collect() }
    }

    /// Adds the number of changes of each CRD to the chart that the release recorded last.
    #[must_use]
    pub fn with_drift(mut self, changes: &BTreeMap<String, usize>, release: &str) -> Self {
        for row in &mut self.items {
            row.drift = changes.get(&row.name).copied();
            if row.owner.is_empty() && row.drift.is_some() {
                row.owner = format!("release {release}");
            }
        }
        self
    }

    /// Renders columns. A version in brackets is not served; drift is counted against the chart of the CRD release.
    #[must_use]
    pub fn render_table(&self) -> String {
        let live = self.items.iter().any(|row| row.established.is_some());
        let heading: &[&str] = if live {
            &["NAME", "SERVED", "STORED", "SCOPE", "OWNER", "DRIFT", "MANAGERS"]
        } else {
            &["NAME", "SERVED", "STORED", "SCOPE"]
        };
        let rows: Vec<Vec<String>> =
            self.items.iter().map(|row| row.to_cells().into_iter().take(heading.len()).collect()).collect();
        render_columns(heading, &rows)
    }
}

/// A chart's CRDs compared with the cluster's: the report of `helm mural crds diff`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdDiff {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `CrdDiff`
    pub kind: &'static str,
    /// The chart with its digest.
    pub chart: String,
    /// The context.
    pub cluster: String,
    /// The decision on each CRD, most severe first.
    pub crds: Vec<CrdPlan>,
}

impl CrdDiff {
    /// Whether an apply would write anything.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.crds.iter().any(|crd| {
            crd.decision.needs_write() || matches!(crd.decision, CrdDecision::Rejected | CrdDecision::Undetermined)
        })
    }

    /// Renders the text output: the changes of each CRD; unchanged CRDs are counted.
    #[must_use]
    pub fn render_table(&self, style: Style) -> String {
        use std::fmt::Write as _;
        let mut out = String::new();
        for crd in self.crds.iter().filter(|crd| crd.decision != CrdDecision::Unchanged) {
            let mark = match crd.decision {
                CrdDecision::Rejected | CrdDecision::Breaking => Mark::Fail,
                CrdDecision::Risky => Mark::Warn,
                CrdDecision::Undetermined => Mark::Unknown,
                CrdDecision::New | CrdDecision::Safe | CrdDecision::Text => Mark::Pass,
                CrdDecision::RemovedFromChart | CrdDecision::Unchanged => Mark::Skip,
            };
            let _ = writeln!(
                out,
                "{} {:<62} {}",
                style.mark(mark),
                style.bold(&sanitize(&crd.name)),
                crd.decision.as_str()
            );
            for note in &crd.notes {
                let _ = writeln!(out, "    {}", sanitize(note));
            }
        }
        let unchanged = self.crds.iter().filter(|crd| crd.decision == CrdDecision::Unchanged).count();
        let _ =
            writeln!(out, "{} {unchanged} unchanged, of {} in {}", style.mark(Mark::Skip), self.crds.len(), self.chart);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_old_stored_version_is_shown() {
        let crd = Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "hubs.a.b", "uid": "1", "managedFields": [{"manager": "helm", "fieldsV1": {"f:spec": {}}}]},
            "spec": {"scope": "Namespaced", "names": {"kind": "Hub"}, "versions": [
                {"name": "v1alpha1", "served": false, "storage": false}, {"name": "v1", "served": true, "storage": true}]},
            "status": {"storedVersions": ["v1alpha1", "v1"]}}))
        .unwrap();
        let row = |list: CrdList| list.render_table().lines().nth(1).unwrap().to_owned();
        let list = || CrdList::new("prod".into(), [&crd]);
        assert_eq!(row(list()), "hubs.a.b   (v1alpha1),v1   v1 (and v1alpha1)   Namespaced   –       –       helm");
        let row_with_drift =
            |changes| row(list().with_drift(&BTreeMap::from([("hubs.a.b".to_owned(), changes)]), "mural-crds"));
        assert!(row_with_drift(1).contains("release mural-crds   1 change"), "{}", row_with_drift(1));
        assert!(row_with_drift(0).contains("none"), "{}", row_with_drift(0));
    }
}
