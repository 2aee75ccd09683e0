//! Which objects helm must own before it writes a release: those that kubectl applied.
//!
//! The vendor's upgrade guide applies the rendered CRD chart with kubectl, and so do this program's rollback and its transitional
//! CRD. helm then refuses objects without its ownership metadata, and a server-side helm refuses fields that `kubectl` owns. A
//! client-side helm refuses no field, but compares two manifests and not the cluster, so it leaves an applied CRD as it is.
//! Input are the manifests, the live objects and the API server's answers; output are the objects to adopt and the CRDs to apply.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::CrdMigration;
use super::object_changes::select_release_objects;
use super::writes::{apply_merge_patch, merge_patch};
use crate::diff;
use crate::model::application::ApplyMethod;
use crate::model::cluster_view::Observed;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::managed_fields::{is_applied_by_kubectl, transfer_to_helm};
use crate::model::manifest::RELEASE_NAME_ANNOTATION;
use crate::model::object::ObjectRef;
use crate::model::release_role::ReleaseRole;

/// What helm must own, and what it may not write.
#[derive(Debug, Clone)]
pub struct AdoptionForecast {
    /// What each release that helm writes needs first.
    pub adoptions: Vec<Adoption>,
    /// The fields of other managers that a server-side helm would refuse to write.
    pub conflicts: Observed<Vec<FieldConflict>>,
}

impl Default for AdoptionForecast {
    fn default() -> Self {
        Self { adoptions: Vec::new(), conflicts: Ok(Vec::new()) }
    }
}

/// What one release needs before helm writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// The release.
    pub role: ReleaseRole,
    /// Its name.
    pub release: String,
    /// How helm writes it.
    pub apply_method: ApplyMethod,
    /// The live objects that helm must own first.
    pub objects: Vec<ObjectRef>,
    /// CRDs among its templates that helm would leave as they are: this program applies them, as the vendor's guide does.
    pub crds_to_apply: BTreeSet<String>,
}

/// An object that a server-side helm would refuse to write: another field manager owns fields that it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// The release.
    pub release: String,
    /// The object.
    pub object: ObjectRef,
    /// The fields, by manager.
    pub fields: BTreeMap<String, Vec<String>>,
}

/// The input of one release's adoption.
#[derive(Debug, Clone, Copy)]
pub struct AdoptionFacts<'a> {
    /// The release.
    pub role: ReleaseRole,
    /// Its name.
    pub release: &'a str,
    /// The installation's namespace.
    pub namespace: &'a str,
    /// How helm writes it.
    pub apply_method: ApplyMethod,
    /// The manifest that helm compares with.
    pub stored: &'a [Value],
    /// The next manifest.
    pub next: &'a [Value],
    /// The API server's answer for each CRD.
    pub answers: &'a BTreeMap<String, CrdDryRunResult>,
    /// The migrations of the plan.
    pub migrations: &'a [CrdMigration],
}

/// The objects of a release that may need an adoption: all of the CRD chart, which the vendor's guide applies with kubectl, and the
/// CRDs among the application's templates.
#[must_use]
pub fn select_candidates<'a>(role: ReleaseRole, namespace: &str, next: &'a [Value]) -> Vec<(ObjectRef, &'a Value)> {
    let mut all = select_release_objects(namespace, next);
    all.retain(|(_, document)| role == ReleaseRole::Crds || Crd::name_of(document).is_some());
    all
}

/// Decides the adoption of one release; `live` returns an object as it is on the cluster.
#[must_use]
pub fn plan_adoption<'a>(facts: &AdoptionFacts<'_>, live: impl Fn(&ObjectRef) -> Option<&'a Value>) -> Adoption {
    let stored = select_release_objects(facts.namespace, facts.stored);
    let (mut objects, mut crds_to_apply) = (Vec::new(), BTreeSet::new());
    for (object, next) in select_candidates(facts.role, facts.namespace, facts.next) {
        let Some(live) = live(&object) else { continue };
        let was = stored.iter().find(|(other, _)| other.is_same_object(&object)).map(|(_, document)| *document);
        if needs_metadata(live, was) || needs_fields(facts, &object, live) {
            objects.push(object);
        }
        if let Some(name) = Crd::name_of(next).filter(|name| is_left_behind(facts, name, live, was, next)) {
            crds_to_apply.insert(name.to_owned());
        }
    }
    let (role, release, apply_method) = (facts.role, facts.release.to_owned(), facts.apply_method);
    Adoption { role, release, apply_method, objects, crds_to_apply }
}

/// Whether helm would refuse to import an object that the guide's command created. An object of another release is not taken.
fn needs_metadata(live: &Value, was: Option<&Value>) -> bool {
    let owner = &live["metadata"]["annotations"][RELEASE_NAME_ANNOTATION];
    was.is_none() && owner.is_null() && is_applied_by_kubectl(live)
}

/// Whether a server-side helm would meet a conflict with kubectl or with this program.
fn needs_fields(facts: &AdoptionFacts<'_>, object: &ObjectRef, live: &Value) -> bool {
    let is_patched_before = facts.migrations.iter().any(|migration| {
        object.kind == "CustomResourceDefinition" && migration.needs_transitional_crd && migration.name == object.name
    });
    facts.apply_method == ApplyMethod::ServerSide && (is_patched_before || transfer_to_helm(live).is_some())
}

/// Whether a client-side helm would leave a CRD different from the chart's: its patch is the difference of two manifests
/// (<https://github.com/helm/helm/blob/v3.19.0/pkg/kube/client.go>, `createPatch`), and empty for an object that joins the release.
fn is_left_behind(facts: &AdoptionFacts<'_>, name: &str, live: &Value, was: Option<&Value>, next: &Value) -> bool {
    let Some(answer) = facts.answers.get(name).and_then(CrdDryRunResult::planned_crd) else { return false };
    if facts.apply_method == ApplyMethod::ServerSide {
        return false;
    }
    let mut after = live.clone();
    apply_merge_patch(&mut after, &merge_patch(was.unwrap_or(next), next));
    !diff::is_same_crd(&after, answer.json())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CRD: &str = "hubs.a.b";

    fn crd(field: &str) -> Value {
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": CRD},
            "spec": {"group": "a.b", "scope": "Namespaced", "names": {"kind": "Hub", "plural": "hubs"},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {field: {"type": "string"}}}}}]}})
    }

    /// The CRD on the cluster: written by these managers, and owned by this release.
    fn live(field: &str, managers: &[(&str, &str)], owner: Option<&str>) -> Value {
        let mut live = crd(field);
        let entry = |(manager, operation): &(&str, &str)| json!({"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {"f:versions": {}}}});
        live["metadata"]["managedFields"] = managers.iter().map(entry).collect();
        if let Some(owner) = owner {
            live["metadata"]["annotations"] = json!({RELEASE_NAME_ANNOTATION: owner});
        }
        live
    }

    /// The objects and CRDs of the adoption, from the stored manifest and the live CRD to the chart's CRD with the field `new`.
    fn plan(method: ApplyMethod, stored: &[Value], live: &Value, migrations: &[CrdMigration]) -> (usize, usize) {
        let next = [crd("new")];
        let answers = BTreeMap::from([(CRD.to_owned(), CrdDryRunResult::Accepted(Crd::new(crd("new")).unwrap()))]);
        let facts = AdoptionFacts {
            role: ReleaseRole::Crds,
            release: "crds",
            namespace: "m",
            apply_method: method,
            stored,
            next: &next,
            answers: &answers,
            migrations,
        };
        let adoption = plan_adoption(&facts, |_| Some(live));
        (adoption.objects.len(), adoption.crds_to_apply.len())
    }

    const HELM_4: (&str, &str) = ("helm", "Apply");
    const HELM_3: (&str, &str) = ("helm", "Update");
    const GUIDE: (&str, &str) = ("kubectl", "Apply");

    #[test]
    fn objects_that_only_helm_has_written_need_nothing() {
        let stored = [crd("old")];
        assert_eq!(plan(ApplyMethod::ServerSide, &stored, &live("old", &[HELM_4], Some("crds")), &[]), (0, 0));
        assert_eq!(plan(ApplyMethod::ClientSide, &stored, &live("old", &[HELM_3], Some("crds")), &[]), (0, 0));
    }

    #[test]
    fn after_the_guide_a_server_side_helm_takes_over_the_fields() {
        let stored = [crd("old")];
        let applied = live("between", &[HELM_4, GUIDE], Some("crds"));
        assert_eq!(plan(ApplyMethod::ServerSide, &stored, &applied, &[]), (1, 0));
        assert_eq!(plan(ApplyMethod::ClientSide, &stored, &applied, &[]), (0, 0), "its patch replaces the versions");
    }

    #[test]
    fn a_client_side_helm_does_not_see_what_the_guide_has_changed() {
        let unchanged = [crd("new")];
        let applied = live("between", &[HELM_3, GUIDE], Some("crds"));
        assert_eq!(
            plan(ApplyMethod::ClientSide, &unchanged, &applied, &[]),
            (0, 1),
            "both manifests have the same CRD"
        );
    }

    #[test]
    fn a_crd_that_the_guide_created_joins_the_release() {
        let created = live("old", &[GUIDE], None);
        assert_eq!(plan(ApplyMethod::ServerSide, &[], &created, &[]), (1, 0));
        assert_eq!(
            plan(ApplyMethod::ClientSide, &[], &created, &[]),
            (1, 1),
            "the patch of an object that joins is empty"
        );
        let by_others = live("old", &[("gitops", "Apply")], None);
        assert_eq!(
            plan(ApplyMethod::ServerSide, &[], &by_others, &[]),
            (0, 0),
            "no object of another client is adopted"
        );
        let of_another_release = live("old", &[GUIDE], Some("other"));
        assert_eq!(plan(ApplyMethod::ClientSide, &[], &of_another_release, &[]).0, 0);
    }

    #[test]
    fn a_transitional_crd_makes_this_program_an_owner() {
        let migration = CrdMigration {
            name: CRD.to_owned(),
            dropped_versions: vec!["v1alpha1".to_owned()],
            target_version: "v1".to_owned(),
            needs_transitional_crd: true,
            in_stored_versions: true,
        };
        let by_helm = live("old", &[HELM_4], Some("crds"));
        assert_eq!(plan(ApplyMethod::ServerSide, &[crd("old")], &by_helm, &[migration]), (1, 0));
    }
}
