//! The four manifests of the vendor's upgrade guide, hardened: Flux follows the order, CRDs are replaced, no version is a range.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::build_ready_expr;
use crate::model::flux::{FluxRef, HELM_RELEASE_KIND, SourceVerification};
use crate::model::release_role::ReleaseRole;
use crate::model::secret::{Hidden, list_secret_paths};
use crate::model::yaml::{self, YamlError};

/// Flux's reconcile interval, as in the vendor's upgrade guide.
const RECONCILE_INTERVAL: &str = "10m";

/// One chart, as its source references it.
#[derive(Debug, Clone)]
pub struct ChartSource {
    /// The release and the name of the HelmRelease.
    pub release: String,
    /// The name of the OCIRepository.
    pub source_name: String,
    /// `oci://host/path`
    pub url: String,
    /// The version.
    pub version: String,
    /// The digest beside the version; none without `--pin-digest`.
    pub digest: Option<String>,
}

/// The input of the manifests.
#[derive(Debug, Clone)]
pub struct FluxManifests {
    /// The namespace of all manifests.
    pub namespace: String,
    /// The CRD chart.
    pub crds: ChartSource,
    /// The application.
    pub app: ChartSource,
    /// The application's values.
    pub values: Hidden<Value>,
    /// The values of the CRD chart.
    pub crds_values: Hidden<Value>,
    /// The Secret with the registry's login.
    pub secret_ref: Option<String>,
    /// The Secret with the registry's certificate authority.
    pub cert_secret_ref: Option<String>,
    /// Whether the registry speaks plain http.
    pub insecure: bool,
    /// The signature that the source requires.
    pub verify: Option<SourceVerification>,
}

impl FluxManifests {
    /// The values of one chart.
    const fn values_of(&self, role: ReleaseRole) -> &Hidden<Value> {
        match role {
            ReleaseRole::Crds => &self.crds_values,
            ReleaseRole::App => &self.values,
        }
    }

    const fn chart_of(&self, role: ReleaseRole) -> &ChartSource {
        match role {
            ReleaseRole::Crds => &self.crds,
            ReleaseRole::App => &self.app,
        }
    }

    /// The Secret for a chart's values if they hold a secret: everyone who can read a HelmRelease reads its values.
    #[must_use]
    pub fn values_secret(&self, role: ReleaseRole) -> Option<FluxRef> {
        let has_secret = !list_secret_paths(self.values_of(role).reveal()).is_empty();
        let name = format!("{}-values", self.chart_of(role).release);
        has_secret.then(|| FluxRef::new("Secret", &self.namespace, &name))
    }

    /// The CRD chart's source and HelmRelease.
    #[must_use]
    pub fn build_crds_objects(&self) -> [Value; 2] {
        let policy = json!({"install": {"crds": "CreateReplace"}, "upgrade": {"crds": "CreateReplace"}});
        [self.build_source(&self.crds), self.build_helm_release(ReleaseRole::Crds, policy)]
    }

    /// The application's source and HelmRelease.
    #[must_use]
    pub fn build_app_objects(&self) -> [Value; 2] {
        let after = json!([{"name": self.crds.release, "readyExpr": build_ready_expr(&self.crds.version)}]);
        // The application's chart may bring CRDs; they are replaced too.
        let release_spec =
            json!({"dependsOn": after, "install": {"crds": "CreateReplace"}, "upgrade": {"crds": "CreateReplace"}});
        [self.build_source(&self.app), self.build_helm_release(ReleaseRole::App, release_spec)]
    }

    /// Sets `spec.values`, or `spec.valuesFrom` if the values hold a secret. Without values it sets nothing.
    fn set_values(&self, role: ReleaseRole, spec: &mut Value) {
        let values = self.values_of(role).reveal();
        match self.values_secret(role) {
            Some(secret) => {
                spec["valuesFrom"] = json!([{"kind": "Secret", "name": secret.name, "valuesKey": "values.yaml"}]);
            }
            None if role == ReleaseRole::Crds && values.as_object().is_none_or(serde_json::Map::is_empty) => {}
            None => spec["values"] = values.clone(),
        }
    }

    /// The Secret with a chart's values, if there is one.
    #[must_use]
    pub fn build_values_secret(&self, role: ReleaseRole) -> Option<Value> {
        let secret_ref = self.values_secret(role)?;
        Some(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret_ref.name, "namespace": secret_ref.namespace},
            "stringData": {"values.yaml": self.values_of(role).reveal().to_string()}}),
        )
    }

    fn build_source(&self, chart: &ChartSource) -> Value {
        let mut reference = json!({"semver": chart.version});
        if let Some(digest) = &chart.digest {
            reference["digest"] = digest.as_str().into();
        }
        let mut spec = json!({"interval": RECONCILE_INTERVAL, "ref": reference, "url": chart.url});
        if self.insecure {
            spec["insecure"] = true.into();
        }
        for (key, name) in [("secretRef", &self.secret_ref), ("certSecretRef", &self.cert_secret_ref)] {
            if let Some(name) = name {
                spec[key] = json!({"name": name});
            }
        }
        if let Some(verify) = &self.verify {
            spec["verify"] = json!({"provider": verify.provider});
            if !verify.secret_name.is_empty() {
                spec["verify"]["secretRef"] = json!({"name": verify.secret_name});
            }
        }
        json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository",
            "metadata": {"name": chart.source_name, "namespace": self.namespace}, "spec": spec})
    }

    fn build_helm_release(&self, role: ReleaseRole, mut release_spec: Value) -> Value {
        self.set_values(role, &mut release_spec);
        let chart = self.chart_of(role);
        let from = json!({"kind": "OCIRepository", "name": chart.source_name, "namespace": self.namespace});
        let mut spec = json!({"interval": RECONCILE_INTERVAL, "releaseName": chart.release, "chartRef": from});
        for (key, value) in release_spec.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": HELM_RELEASE_KIND,
            "metadata": {"name": chart.release, "namespace": self.namespace}, "spec": spec})
    }

    /// Renders the manifests as YAML with comments that give reasons. Secrets are not in it.
    ///
    /// # Errors
    /// A value cannot be serialized as YAML.
    pub fn render(&self) -> Result<String, YamlError> {
        let [crds_source, crds_release] = self.build_crds_objects();
        let [app_source, app_release] = self.build_app_objects();
        let pinned = if self.crds.digest.is_some() { PINNED_COMMENT } else { "" };
        let comment = |role: ReleaseRole| {
            self.values_secret(role).map_or_else(String::new, |secret| format_values_comment(&secret))
        };
        let (crds_values, app_values) = (comment(ReleaseRole::Crds), comment(ReleaseRole::App));
        let documents = [
            (format!("{SOURCE_COMMENT}{pinned}"), crds_source),
            (SOURCE_COMMENT.to_owned(), app_source),
            (format!("{CRDS_COMMENT}{crds_values}"), crds_release),
            (format!("{APP_COMMENT}{app_values}"), app_release),
        ];
        let mut text = String::new();
        for (why, object) in documents {
            let _ = write!(text, "---\n{why}{}", yaml::write(&object)?);
        }
        Ok(text)
    }
}

fn format_values_comment(secret: &FluxRef) -> String {
    format!(
        "# The values hold secrets, and everyone who can read HelmReleases would read them. They come from a Secret that you create\n\
         # from your own file:  kubectl create secret generic {} --namespace {} --from-file=values.yaml=FILE\n",
        secret.name, secret.namespace
    )
}

const SOURCE_COMMENT: &str =
    "# One exact version: a range would upgrade the release on its own, the application before its CRDs.\n";
const PINNED_COMMENT: &str = "# The digest decides; the version is for people. A tag that is pushed again changes nothing. Change both together.\n";
const CRDS_COMMENT: &str = "\
# CreateReplace on install too: over existing CRDs, Create leaves the old schemas and reports the release Ready.
";
const APP_COMMENT: &str = "\
# dependsOn alone does not order upgrades: mural-crds is Ready at its old version too. The readyExpr requires the version.
# It replaces Flux's own check, so it also requires the generation and Ready. Change it with every version.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::yaml::ErrorDetail;

    fn manifests(values: Value) -> FluxManifests {
        let chart = |release: &str, version: &str| ChartSource {
            release: release.into(),
            source_name: release.into(),
            url: format!("oci://a.example/mural/{release}"),
            version: version.into(),
            digest: None,
        };
        FluxManifests {
            namespace: "mural-system".into(),
            crds: chart("mural-crds", "0.7.4"),
            app: chart("mural", "1.1.0-rc.3"),
            values: Hidden::new(values),
            crds_values: Hidden::new(json!({})),
            secret_ref: None,
            cert_secret_ref: None,
            insecure: false,
            verify: None,
        }
    }

    #[test]
    fn the_four_are_the_pages_with_the_guards_on() {
        let text = manifests(json!({"replicas": 2})).render().unwrap();
        let all = yaml::parse_documents(&text, ErrorDetail::Snippet).unwrap();
        let kinds: Vec<&str> = all.iter().filter_map(|one| one["kind"].as_str()).collect();
        assert_eq!(kinds, ["OCIRepository", "OCIRepository", "HelmRelease", "HelmRelease"]);
        assert_eq!(all[0]["spec"]["ref"], json!({"semver": "0.7.4"}));
        assert_eq!(
            (&all[2]["spec"]["install"]["crds"], &all[2]["spec"]["upgrade"]["crds"]),
            (&json!("CreateReplace"), &json!("CreateReplace"))
        );
        assert_eq!(all[3]["spec"]["dependsOn"][0]["readyExpr"], build_ready_expr("0.7.4").as_str());
        assert_eq!(all[3]["spec"]["values"], json!({"replicas": 2}));
        assert!(text.contains("# dependsOn alone does not order upgrades"));
    }

    #[test]
    fn secrets_are_in_no_text() {
        let rendered = manifests(json!({"db": {"password": "canary"}}));
        let text = rendered.render().unwrap();
        assert!(!text.contains("canary") && text.contains("kubectl create secret generic mural-values"), "{text}");
        assert!(
            rendered.build_values_secret(ReleaseRole::App).unwrap()["stringData"]["values.yaml"]
                .as_str()
                .unwrap()
                .contains("canary")
        );
        assert!(!format!("{rendered:?}").contains("canary"));
    }

    #[test]
    fn the_values_of_the_crd_chart_stay() {
        let with = |values: Value| FluxManifests { crds_values: Hidden::new(values), ..manifests(json!({})) };
        let [_, release] = with(json!({"ocm": {"enabled": true}})).build_crds_objects();
        assert_eq!(release["spec"]["values"], json!({"ocm": {"enabled": true}}));
        let [_, release] = with(json!({"pull": {"token": "canary"}})).build_crds_objects();
        assert_eq!(release["spec"]["valuesFrom"][0]["name"], "mural-crds-values");
        assert!(!release.to_string().contains("canary"));
        let [_, release] = manifests(json!({})).build_crds_objects();
        assert_eq!((release["spec"].get("values"), release["spec"].get("valuesFrom")), (None, None));
    }

    #[test]
    fn lists_nested_texts_and_urls_with_a_login_are_secrets() {
        for values in [
            json!({"tokens": ["canary"]}),
            json!({"db": {"credentials": {"primary": [{"value": "canary"}]}}}),
            json!({"dsn": "postgres://ann:canary@db.example/mural"}),
        ] {
            assert!(!manifests(values.clone()).render().unwrap().contains("canary"), "{values}");
        }
        assert!(
            list_secret_paths(&json!({"tokens": [""], "auth": {"enabled": true}, "url": "https://db.example/@mural"}))
                .is_empty()
        );
    }

    #[test]
    fn the_requirements_of_the_registry_are_listed() {
        let rendered = FluxManifests {
            secret_ref: Some("zot".into()),
            cert_secret_ref: Some("ca".into()),
            insecure: true,
            verify: Some(SourceVerification { provider: "cosign".into(), secret_name: "keys".into() }),
            crds: ChartSource { digest: Some("sha256:0509".into()), ..manifests(json!({})).crds },
            ..manifests(json!({}))
        };
        let [source, _] = rendered.build_crds_objects();
        assert_eq!(source["spec"]["ref"], json!({"semver": "0.7.4", "digest": "sha256:0509"}));
        assert_eq!(
            (&source["spec"]["secretRef"]["name"], &source["spec"]["certSecretRef"]["name"]),
            (&json!("zot"), &json!("ca"))
        );
        assert_eq!(source["spec"]["verify"], json!({"provider": "cosign", "secretRef": {"name": "keys"}}));
        assert!(rendered.render().unwrap().contains("The digest decides"));
    }
}
