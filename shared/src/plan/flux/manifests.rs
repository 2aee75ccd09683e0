//! The page's four manifests, with the guards on: Flux keeps the order by itself, CRDs are replaced, nothing moves by itself.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::ready_expr;
use crate::model::flux::{FluxRef, HELM_RELEASE, Verify};
use crate::model::secret::{Hidden, is_secret_key};
use crate::model::yaml::{self, YamlError};

/// How often Flux looks, as on the page.
const INTERVAL: &str = "10m";

/// One chart, as its source shall name it.
#[derive(Debug, Clone)]
pub struct ChartSource {
    /// The release, which the HelmRelease is named after.
    pub release: String,
    /// The name of the OCIRepository.
    pub source: String,
    /// `oci://host/path`
    pub url: String,
    /// The version.
    pub version: String,
    /// The digest beside the version; none where it is not pinned.
    pub digest: Option<String>,
}

/// What the manifests are made from.
#[derive(Debug, Clone)]
pub struct Manifests {
    /// The namespace of all of them.
    pub namespace: String,
    /// The CRD chart.
    pub crds: ChartSource,
    /// The application.
    pub app: ChartSource,
    /// The application's values.
    pub values: Hidden<Value>,
    /// The Secret with the registry's login.
    pub secret_ref: Option<String>,
    /// The Secret with the registry's certificate authority.
    pub cert_secret_ref: Option<String>,
    /// Whether the registry speaks plain http.
    pub insecure: bool,
    /// Whose signature is asked for.
    pub verify: Option<Verify>,
}

impl Manifests {
    /// The Secret that the values go to where a secret is among them: a HelmRelease is read by whoever may look.
    #[must_use]
    pub fn values_secret(&self) -> Option<FluxRef> {
        holds_secret(self.values.reveal())
            .then(|| FluxRef::new("Secret", &self.namespace, &format!("{}-values", self.app.release)))
    }

    /// The CRD chart's source and HelmRelease.
    #[must_use]
    pub fn of_crds(&self) -> [Value; 2] {
        let policy = json!({"install": {"crds": "CreateReplace"}, "upgrade": {"crds": "CreateReplace"}});
        [self.source(&self.crds), self.release(&self.crds, &policy)]
    }

    /// The application's source and HelmRelease.
    #[must_use]
    pub fn of_app(&self) -> [Value; 2] {
        let after = json!([{"name": self.crds.release, "readyExpr": ready_expr(&self.crds.version)}]);
        // CRDs that the application's chart brings are replaced too.
        let mut more =
            json!({"dependsOn": after, "install": {"crds": "CreateReplace"}, "upgrade": {"crds": "CreateReplace"}});
        match self.values_secret() {
            Some(secret) => {
                more["valuesFrom"] = json!([{"kind": "Secret", "name": secret.name, "valuesKey": "values.yaml"}]);
            }
            None => more["values"] = self.values.reveal().clone(),
        }
        [self.source(&self.app), self.release(&self.app, &more)]
    }

    /// The Secret with the values, where there is one.
    #[must_use]
    pub fn secret(&self) -> Option<Value> {
        let named = self.values_secret()?;
        Some(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": named.name, "namespace": named.namespace},
            "stringData": {"values.yaml": self.values.reveal().to_string()}}),
        )
    }

    fn source(&self, chart: &ChartSource) -> Value {
        let mut reference = json!({"semver": chart.version});
        if let Some(digest) = &chart.digest {
            reference["digest"] = digest.as_str().into();
        }
        let mut spec = json!({"interval": INTERVAL, "ref": reference, "url": chart.url});
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
            if !verify.secret.is_empty() {
                spec["verify"]["secretRef"] = json!({"name": verify.secret});
            }
        }
        json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository",
            "metadata": {"name": chart.source, "namespace": self.namespace}, "spec": spec})
    }

    fn release(&self, chart: &ChartSource, more: &Value) -> Value {
        let from = json!({"kind": "OCIRepository", "name": chart.source, "namespace": self.namespace});
        let mut spec = json!({"interval": INTERVAL, "releaseName": chart.release, "chartRef": from});
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": HELM_RELEASE,
            "metadata": {"name": chart.release, "namespace": self.namespace}, "spec": spec})
    }

    /// The manifests as text, with comments that say why. Secrets are not in it.
    ///
    /// # Errors
    /// A value cannot be written as YAML.
    pub fn text(&self) -> Result<String, YamlError> {
        let [crds_source, crds_release] = self.of_crds();
        let [app_source, app_release] = self.of_app();
        let pinned = if self.crds.digest.is_some() { PINNED } else { "" };
        let values = match self.values_secret() {
            Some(secret) => format!(
                "# The values hold secrets, and whoever may look at HelmReleases would read them: they come from a Secret, which you make\n\
                 # from your own file:  kubectl create secret generic {} --namespace {} --from-file=values.yaml=FILE\n",
                secret.name, secret.namespace
            ),
            None => String::new(),
        };
        let documents = [
            (format!("{SOURCE}{pinned}"), crds_source),
            (SOURCE.to_owned(), app_source),
            (CRDS.to_owned(), crds_release),
            (format!("{APP}{values}"), app_release),
        ];
        let mut text = String::new();
        for (why, object) in documents {
            let _ = write!(text, "---\n{why}{}", yaml::write(&object)?);
        }
        Ok(text)
    }
}

const SOURCE: &str =
    "# One exact version: a range would move the release by itself, the application before its CRDs.\n";
const PINNED: &str = "# The digest decides, and the version beside it is for people: a tag that is pushed anew changes nothing. Change both together.\n";
const CRDS: &str = "\
# CreateReplace on install too: over CRDs that are there already, Create leaves the old schemas and calls the release Ready.
";
const APP: &str = "\
# dependsOn alone does not order upgrades: it asks whether mural-crds is Ready now, and it is, at its old version. The readyExpr asks
# for the version. It replaces Flux's own check, so it asks for the generation and Ready as well. Change it with every version.
";

fn holds_secret(values: &Value) -> bool {
    match values {
        Value::Object(fields) => fields.iter().any(|(key, value)| match value {
            Value::String(text) => !text.is_empty() && is_secret_key(key),
            other => holds_secret(other),
        }),
        Value::Array(items) => items.iter().any(holds_secret),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::yaml::Quote;

    fn manifests(values: Value) -> Manifests {
        let chart = |release: &str, version: &str| ChartSource {
            release: release.into(),
            source: release.into(),
            url: format!("oci://a.example/mural/{release}"),
            version: version.into(),
            digest: None,
        };
        Manifests {
            namespace: "mural-system".into(),
            crds: chart("mural-crds", "0.7.4"),
            app: chart("mural", "1.1.0-rc.3"),
            values: Hidden::new(values),
            secret_ref: None,
            cert_secret_ref: None,
            insecure: false,
            verify: None,
        }
    }

    #[test]
    fn the_four_are_the_pages_with_the_guards_on() {
        let text = manifests(json!({"replicas": 2})).text().unwrap();
        let all = yaml::documents(&text, Quote::Snippet).unwrap();
        let kinds: Vec<&str> = all.iter().filter_map(|one| one["kind"].as_str()).collect();
        assert_eq!(kinds, ["OCIRepository", "OCIRepository", "HelmRelease", "HelmRelease"]);
        assert_eq!(all[0]["spec"]["ref"], json!({"semver": "0.7.4"}));
        assert_eq!(
            (&all[2]["spec"]["install"]["crds"], &all[2]["spec"]["upgrade"]["crds"]),
            (&json!("CreateReplace"), &json!("CreateReplace"))
        );
        assert_eq!(all[3]["spec"]["dependsOn"][0]["readyExpr"], ready_expr("0.7.4").as_str());
        assert_eq!(all[3]["spec"]["values"], json!({"replicas": 2}));
        assert!(text.contains("# dependsOn alone does not order upgrades"));
    }

    #[test]
    fn secrets_are_in_no_text() {
        let made = manifests(json!({"db": {"password": "canary"}}));
        let text = made.text().unwrap();
        assert!(!text.contains("canary") && text.contains("kubectl create secret generic mural-values"), "{text}");
        assert!(made.secret().unwrap()["stringData"]["values.yaml"].as_str().unwrap().contains("canary"));
        assert!(!format!("{made:?}").contains("canary"));
    }

    #[test]
    fn what_the_registry_asks_for_is_named() {
        let made = Manifests {
            secret_ref: Some("zot".into()),
            cert_secret_ref: Some("ca".into()),
            insecure: true,
            verify: Some(Verify { provider: "cosign".into(), secret: "keys".into() }),
            crds: ChartSource { digest: Some("sha256:0509".into()), ..manifests(json!({})).crds },
            ..manifests(json!({}))
        };
        let [source, _] = made.of_crds();
        assert_eq!(source["spec"]["ref"], json!({"semver": "0.7.4", "digest": "sha256:0509"}));
        assert_eq!(
            (&source["spec"]["secretRef"]["name"], &source["spec"]["certSecretRef"]["name"]),
            (&json!("zot"), &json!("ca"))
        );
        assert_eq!(source["spec"]["verify"], json!({"provider": "cosign", "secretRef": {"name": "keys"}}));
        assert!(made.text().unwrap().contains("The digest decides"));
    }
}
