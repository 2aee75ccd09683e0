//! The charts and images of an upgrade as a list, for mirrors and pre-pull.
//!
//! Input: charts and images with their digests. Output: text in columns, or a value for JSON.

use serde::Serialize;

use super::columns::render_columns;
use super::style::sanitize;
use crate::plan::API_VERSION;

/// One chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartRow {
    /// The release.
    pub release: String,
    /// The reference: `oci://…`, a folder or a file; empty for a release that stays as it is.
    pub reference: String,
    /// Its version.
    pub version: String,
    /// Its digest; `None` for a release that stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRow {
    /// As the manifests name it.
    pub image: String,
    /// The releases that run it.
    pub releases: Vec<String>,
    /// The digest of its manifest, where the registry gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why it has no digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<String>,
}

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageList {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `ImageList`
    pub kind: &'static str,
    /// The charts, the CRD chart first.
    pub charts: Vec<ChartRow>,
    /// The images, sorted.
    pub images: Vec<ImageRow>,
}

impl ImageList {
    /// A list of these charts and images.
    #[must_use]
    pub const fn new(charts: Vec<ChartRow>, images: Vec<ImageRow>) -> Self {
        Self { api_version: API_VERSION, kind: "ImageList", charts, images }
    }

    /// Renders the columns.
    #[must_use]
    pub fn render_table(&self) -> String {
        let Self { api_version: _, kind: _, charts, images } = self;
        let chart = |row: &ChartRow| {
            let reference = if row.reference.is_empty() { "unchanged" } else { &row.reference };
            let name = format!("{reference} {}", row.version);
            vec!["chart".to_owned(), row.release.clone(), sanitize(&name), row.digest.clone().unwrap_or_default()]
        };
        let image = |row: &ImageRow| {
            let digest = row.digest.clone().or_else(|| row.unresolved.as_ref().map(|why| format!("unknown: {why}")));
            let digest = sanitize(&digest.unwrap_or_default());
            vec!["image".to_owned(), row.releases.join(","), sanitize(&row.image), digest]
        };
        let rows: Vec<Vec<String>> = charts.iter().map(chart).chain(images.iter().map(image)).collect();
        render_columns(&["KIND", "RELEASE", "REFERENCE", "DIGEST"], &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_digest_has_the_reason() {
        let image = |name: &str, digest: Option<&str>, unresolved: Option<&str>| ImageRow {
            image: name.into(),
            releases: vec!["mural".into()],
            digest: digest.map(str::to_owned),
            unresolved: unresolved.map(str::to_owned),
        };
        let chart = ChartRow {
            release: "mural".into(),
            reference: "oci://r.example/mural".into(),
            version: "1.1.0".into(),
            digest: Some("sha256:1".into()),
        };
        let images = vec![image("r/a:1", Some("sha256:2"), None), image("r/b:1", None, Some("r requires a login"))];
        let text = ImageList::new(vec![chart], images).render_table();
        assert!(text.contains("oci://r.example/mural 1.1.0   sha256:1"), "{text}");
        assert!(text.contains("r/b:1") && text.contains("unknown: r requires a login"), "{text}");
    }
}
