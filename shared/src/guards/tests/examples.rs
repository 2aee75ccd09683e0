//! For every guard a state that fires it, and one that nearly does. A guard without both fails the tests.

use serde_json::json;

use super::application_guards::{
    with_conversion_webhook, with_dry_run_answer, with_hub_spec, with_live_hub, with_removed_field, with_rollout,
    with_scaled_canvas, with_webhook,
};
use super::crd_guards::{HUBS, modified_crd, set_cluster_scope, with_dropped_version, with_field_owner};
use super::example_states::{
    add_description, add_helm_release, controller, damaged_run, hub, owned_by_helm_in_flux_mode, refused_value,
    removed_crd, set_ready, suspend_by_run, unused_waiver, with_bundle, with_chart_crds, with_controller_image,
    with_crd_in_manifest, with_expected_crds, with_flux_crd_versions, with_image, with_migration, with_pod_quota,
    with_record_size, with_removed_crd, with_stored_manifest, with_values,
};
use super::flux_guards::{flux_scenario, object_mut, with_flux_objects};
use super::public_cases::{with_live_config, with_terminating_crd, with_terminating_object};
use super::release_guards::with_history;
use super::scenario::{GuardScenario, build_crd, rejected_crd, rejection, release_record};
use crate::guards::ALL;
use crate::model::access_review::Permission;
use crate::model::application::DryRunAnswer;
use crate::model::chart::DigestKind;
use crate::model::check::{Verdict, docs_link};
use crate::model::container_images::ImageAvailability;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::secret::Hidden;
use crate::model::signature::{SignatureOutcome, SignatureVerifier};
use crate::plan::journal::JournalSnapshot;
use jiff::Timestamp;
use semver::Version;

/// Two states for the guard with this id.
struct GuardExample {
    id: &'static str,
    fires: fn() -> GuardScenario,
    nearly: fn() -> GuardScenario,
}

const fn example(id: &'static str, fires: fn() -> GuardScenario, nearly: fn() -> GuardScenario) -> GuardExample {
    GuardExample { id, fires, nearly }
}

const EXAMPLES: [GuardExample; 55] = [
    example(
        "tool-versions",
        || GuardScenario::with(|w| w.helm_version = Ok(Version::new(3, 16, 4))),
        || GuardScenario::with(|w| w.helm_version = Ok(Version::new(3, 17, 0))),
    ),
    example(
        "same-cluster",
        || GuardScenario::with(|w| w.helm_cluster_uid = Ok("uid-2".into())),
        // Another name and address of the same cluster.
        || GuardScenario::with(|w| (w.view.cluster.context, w.view.cluster.server) = ("b".into(), "https://b".into())),
    ),
    example(
        "no-drift",
        || GuardScenario::with(|w| w.drift = Ok(vec![removed_crd()])),
        // A new revision that the comparison with the plan does not report.
        || with_history(vec![release_record("mural", "1.1.0-rc.0", "deployed", "")]),
    ),
    example("owner-supported", owned_by_helm_in_flux_mode, || with_flux_objects(|_| ())),
    example(
        "flux-single-helmrelease",
        || with_flux_objects(|all| add_helm_release(all, "mural")),
        || with_flux_objects(|all| add_helm_release(all, "other")),
    ),
    example(
        "flux-source-usable",
        || with_flux_objects(|all| object_mut(all, "source-mural")["gone"] = true.into()),
        // The source of another release is gone.
        || with_flux_objects(|all| add_helm_release(all, "other")),
    ),
    example(
        "flux-not-suspended",
        || with_flux_objects(|all| object_mut(all, "mural")["spec"]["suspend"] = true.into()),
        || with_flux_objects(suspend_by_run),
    ),
    example(
        "flux-crd-policy",
        || with_flux_objects(|all| object_mut(all, "mural-crds")["spec"]["upgrade"]["crds"] = "Skip".into()),
        || with_flux_objects(|all| object_mut(all, "mural")["spec"]["upgrade"]["crds"] = "Skip".into()),
    ),
    example(
        "flux-not-reconciling",
        || with_flux_objects(|all| set_ready(all, "Unknown")),
        || with_flux_objects(|all| (set_ready(all, "Unknown"), suspend_by_run(all)).1),
    ),
    example(
        "flux-controllers",
        || with_flux_objects(|all| drop(all.insert("controller".into(), controller(0)))),
        || with_flux_objects(|all| drop(all.insert("controller".into(), controller(1)))),
    ),
    example(
        "flux-source-pinned",
        || with_flux_objects(|all| object_mut(all, "source-mural")["spec"]["ref"] = json!({"semver": ">=1.0.0"})),
        || with_flux_objects(|all| object_mut(all, "source-mural")["spec"]["ref"] = json!({"semver": "1.0.0"})),
    ),
    example(
        "flux-plaintext-secrets",
        || flux_scenario(|_| (), Some(json!({"a": {"token": "u"}, "db": {"password": "canary"}}))),
        // Another text for a key that is there already, and a new key without a secret.
        || flux_scenario(|_| (), Some(json!({"a": {"token": "u"}, "db": {"host": "db.example"}}))),
    ),
    example(
        "flux-post-renderers",
        || GuardScenario::with(|w| w.post_renderer_error = Some("no matches for Id".into())),
        || with_flux_objects(|all| object_mut(all, "mural")["spec"]["postRenderers"] = json!([{"kustomize": {}}])),
    ),
    example("bundle-complete", || with_bundle("0.7.1"), || with_bundle("0.7.4")),
    example(
        "installed",
        || GuardScenario::with(|w| drop(w.view.releases.insert("mural".into(), Ok(Vec::new())))),
        || GuardScenario::with(|w| drop(w.view.releases.insert("mural-crds".into(), Ok(Vec::new())))),
    ),
    example(
        "permissions",
        || GuardScenario::with(|w| w.grants.denied = Ok(vec![Permission::new(None, "", "secrets", "create")])),
        || {
            let need = Permission::new(None, "", "secrets", "create");
            GuardScenario::with(|w| w.grants.permissions.required = vec![need])
        },
    ),
    example(
        "journal-readable",
        || {
            GuardScenario::with(|w| {
                w.journal = Ok(JournalSnapshot { unreadable_runs: vec![damaged_run()], ..JournalSnapshot::default() });
            })
        },
        || {
            GuardScenario::with(|w| {
                w.journal = Ok(JournalSnapshot {
                    runs: vec![crate::plan::journal::tests::entry()],
                    ..JournalSnapshot::default()
                });
            })
        },
    ),
    example(
        "release-not-pending",
        || with_history(vec![release_record("mural", "1.0.0", "pending-upgrade", "")]),
        || with_history(vec![release_record("mural", "1.0.0", "failed", "")]),
    ),
    example(
        "release-not-failed",
        || with_history(["deployed", "failed"].map(|status| release_record("mural", "1.0.0", status, "")).into()),
        || with_history(["failed", "deployed"].map(|status| release_record("mural", "1.0.0", status, "")).into()),
    ),
    example(
        "chart-digest",
        || GuardScenario::with(|w| w.digest.kind = DigestKind::Archive),
        // An archive on disk has no digest of a registry.
        || GuardScenario::with(|w| (w.digest.kind, w.chart_source) = (DigestKind::Archive, "./charts".into())),
    ),
    example(
        "charts-signed",
        || GuardScenario::with(|w| w.signatures[0].outcome = SignatureOutcome::Rejected("no key".into())),
        || GuardScenario::with(|w| w.signatures[0].verifier = SignatureVerifier::Cosign),
    ),
    example(
        "chart-identity",
        || GuardScenario::with(|w| w.app_chart.name = "podinfo".into()),
        // Another version of the same chart.
        || GuardScenario::with(|w| w.app_chart.version = "9.0.0".parse().unwrap()),
    ),
    example(
        "objects-removed",
        || with_stored_manifest("kind: PersistentVolumeClaim\napiVersion: v1\nmetadata: {name: data}\n"),
        // helm keeps the claim by its annotation.
        || {
            with_stored_manifest(
                "kind: PersistentVolumeClaim\napiVersion: v1\nmetadata: {name: data, annotations: {helm.sh/resource-policy: keep}}\n",
            )
        },
    ),
    example(
        "no-downgrade",
        || with_history(vec![release_record("mural", "1.1.0", "deployed", "")]),
        // Build metadata does not order versions.
        || with_history(vec![release_record("mural", "1.1.0-rc.3+05094f", "deployed", "")]),
    ),
    example("known-pair", || with_expected_crds("0.7.5"), || with_expected_crds("v0.7.4")),
    example("record-size", || with_record_size(1_100_000), || with_record_size(900_000)),
    example(
        "crd-duplicated",
        || with_chart_crds(&[build_crd(HUBS, "v1"), modified_crd(HUBS, set_cluster_scope)], &[]),
        || with_chart_crds(&[build_crd(HUBS, "v1"), build_crd("others.example.com", "v1")], &[]),
    ),
    example(
        "crd-in-both-charts",
        || with_chart_crds(&[build_crd(HUBS, "v1")], &[modified_crd(HUBS, set_cluster_scope)]),
        || with_chart_crds(&[build_crd(HUBS, "v1")], &[build_crd("others.example.com", "v1")]),
    ),
    example("crds-removed", || with_removed_crd(true), || with_removed_crd(false)),
    example(
        "crds-dry-run",
        || GuardScenario::with(|w| drop(w.forecasts.insert(HUBS.into(), rejected_crd("spec.scope is immutable")))),
        // Another schema is no other scope.
        || {
            GuardScenario::with(|w| {
                drop(w.forecasts.insert(HUBS.into(), CrdDryRunResult::Accepted(modified_crd(HUBS, add_description))));
            })
        },
    ),
    example("crds-not-terminating", || with_terminating_crd(HUBS), || with_terminating_crd("others.example.com")),
    example("storage-migrating", || with_migration("True"), || with_migration("False")),
    example("dropped-version-unused", || with_dropped_version(&["v1"], 3), || with_dropped_version(&["v1"], 0)),
    example(
        "foreign-downgrade",
        || with_flux_crd_versions("v2.7.0", "v2.6.4"),
        || with_flux_crd_versions("v2.6.4", "v2.7.0"),
    ),
    example(
        "bundled-flux-crds",
        || with_controller_image("ghcr.io/fluxcd/helm-controller:v1.4.2"),
        || with_controller_image("ghcr.io/fluxcd/helm-controller:v1.2.0"),
    ),
    example(
        "application-crds-served",
        || GuardScenario::with(|w| w.rendered_app = vec![hub("v2")]),
        || GuardScenario::with(|w| w.rendered_app = vec![hub("v1")]),
    ),
    example(
        "stored-manifest-served",
        || with_history(vec![release_record("mural", "1.0.0", "deployed", &hub("v1alpha1").to_string())]),
        || with_history(vec![release_record("mural", "1.0.0", "deployed", &hub("v1").to_string())]),
    ),
    example("helm-would-delete-crds", || with_crd_in_manifest(&[]), || with_crd_in_manifest(&[build_crd(HUBS, "v1")])),
    example(
        "crd-ownership-metadata",
        || with_chart_crds(&[], &[build_crd(HUBS, "v1")]),
        // A CRD of the folder crds/ needs no metadata of helm.
        || {
            let mut scenario = with_chart_crds(&[], &[build_crd(HUBS, "v1")]);
            scenario.app_chart.folder_crds = vec![HUBS.into()];
            scenario
        },
    ),
    example("conversion-webhook-ready", || with_conversion_webhook(true, 0), || with_conversion_webhook(true, 1)),
    example("admission-webhooks-ready", || with_webhook(|_| (), 0), || with_webhook(|_| (), 1)),
    example(
        "field-loss",
        || with_removed_field(&json!({"size": 3, "colour": "red"})),
        || with_removed_field(&json!({"size": 3})),
    ),
    example("live-objects-fit", || with_live_hub("b", false, false), || with_live_hub("a", false, false)),
    example(
        "waivers-current",
        || GuardScenario::with(|w| w.waiver_notes = vec![unused_waiver()]),
        // A waiver that is used leaves no note.
        || with_live_hub("b", true, false),
    ),
    example("custom-resources-fit", || with_hub_spec(&json!({"size": 4})), || with_hub_spec(&json!({"size": 3}))),
    example("objects-not-terminating", || with_terminating_object("settings"), || with_terminating_object("removed")),
    example("object-ownership-metadata", || with_live_config("kubectl"), || with_live_config("Helm")),
    example(
        "objects-dry-run",
        || with_dry_run_answer(DryRunAnswer::Rejected(rejection(422, "field is immutable"))),
        || with_dry_run_answer(DryRunAnswer::Accepted),
    ),
    example("manual-changes", || with_scaled_canvas("kubectl", 5, 2), || with_scaled_canvas("kubectl", 5, 5)),
    example(
        "values-schema",
        || GuardScenario::with(|w| w.schema_refusals = vec![refused_value()]),
        || GuardScenario::with(|w| w.config = Hidden::new(json!({"password": "four"}))),
    ),
    example(
        "unknown-values",
        || with_values(&json!({"canvas": {"colour": "light"}})),
        || with_values(&json!({"canvas": {"theme": "dark"}})),
    ),
    example(
        "images-available",
        || with_image(ImageAvailability::Missing),
        || with_image(ImageAvailability::Available { digest: String::new() }),
    ),
    example("rollout-capacity", || with_pod_quota("4"), || with_pod_quota("5")),
    example(
        "login-restarts",
        || with_rollout("dex", |w| w.token_expiry = Timestamp::from_second(600).ok()),
        // "dex" is a word of the name, not a part of one.
        || with_rollout("indexer", |w| w.token_expiry = Timestamp::from_second(600).ok()),
    ),
    example(
        "helm-field-conflicts",
        || with_field_owner("gitops"),
        // The same value is no conflict, and the server reports none.
        || GuardScenario::with(|w| w.field_conflicts = Ok(Vec::new())),
    ),
];

#[test]
fn every_guard_has_a_state_that_fires_it_and_one_that_nearly_does() {
    for guard in &ALL {
        let id = guard.card.id;
        let GuardExample { fires, nearly, .. } = EXAMPLES.iter().find(|example| example.id == id).expect(id);
        let fired = fires().run_guard(id);
        assert!(matches!(fired, Verdict::Fail { .. }), "{id}: {fired:?}");
        assert_eq!(nearly().run_guard(id), Verdict::Pass, "{id}");
    }
}

#[test]
fn findings_carry_the_guard_a_subject_a_hint_and_an_anchor() {
    for GuardExample { id, fires, .. } in &EXAMPLES {
        let Verdict::Fail { findings } = fires().run_guard(id) else { unreachable!("{id}") };
        for finding in findings {
            let is_complete = [&finding.subject, &finding.message, &finding.hint].iter().all(|text| !text.is_empty());
            assert!(finding.check == *id && is_complete, "{finding:?}");
            assert_eq!(finding.docs, docs_link(id));
        }
    }
}
