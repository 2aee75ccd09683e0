//! The plan of one upgrade, and the parts that the screens vary.

use std::collections::BTreeMap;

use crate::ask::OwnerMode;
use crate::checks::crd_changes::decision::CrdDecision;
use crate::guards::login_restarts as login_restarts_guard;
use crate::model::access_review::RequiredPermissions;
use crate::model::chart::{Digest, DigestKind};
use crate::model::chart_changes::NamedChange;
use crate::model::check::{CheckResult, Finding, Level, Section, Verdict};
use crate::model::cluster_view::ClusterInfo;
use crate::model::object::ObjectRef;
use crate::model::owner::Owner;
use crate::model::release_role::ReleaseRole;
use crate::plan::{
    API_VERSION, Action, ChartUpgrade, CrdMigration, CrdPlan, ObjectChange, ObjectChangeKind, Plan, Step, StepId,
    UnchangedItem, UnchangedSubject, ValueChange,
};

/// The upgrade of both charts: CRDs of every decision, a migration, two warnings, six steps.
pub(super) fn upgrade_plan() -> Plan {
    Plan {
        api_version: API_VERSION,
        kind: "UpgradePlan",
        cluster: cluster(),
        mode: OwnerMode::Auto,
        locks: Ok(Vec::new()),
        charts: vec![chart("mural-crds", "0.7.1", "0.7.4"), chart("mural", "1.1.0-rc.0", "1.1.0-rc.3")],
        crds: crds(),
        objects: objects(),
        values: vec![ValueChange {
            key: "global.metrics.timeout".into(),
            old: Some("10s".into()),
            new: Some("30s".into()),
        }],
        guards: vec![passed("helm-would-delete-crds"), passed("permissions"), login_restarts()],
        steps: steps(),
        unchanged_items: vec![
            unchanged(UnchangedSubject::Crds(1), "same content as in the chart; not written"),
            unchanged(
                UnchangedSubject::Crd("gone.spectrocloud.com".into()),
                "no longer in the chart; no CRD is ever deleted, because its objects would be deleted too",
            ),
        ],
        permissions: RequiredPermissions::default(),
    }
}

/// A plan without changes: both releases and all CRDs are as requested.
pub(super) fn plan_without_changes() -> Plan {
    let version = |release: &str, version: &str| UnchangedSubject::Release {
        release: release.to_owned(),
        version: version.to_owned(),
    };
    Plan {
        charts: vec![chart("mural-crds", "0.7.4", "0.7.4"), chart("mural", "1.1.0-rc.3", "1.1.0-rc.3")],
        crds: vec![crd("environments.spectrocloud.com", CrdDecision::Unchanged, &[])],
        objects: Vec::new(),
        values: Vec::new(),
        guards: vec![passed("permissions")],
        steps: Vec::new(),
        unchanged_items: vec![
            unchanged(UnchangedSubject::Crds(1), "same content as in the chart; not written"),
            unchanged(version("mural-crds", "0.7.4"), "same chart bytes, same values, deployed"),
            unchanged(version("mural", "1.1.0-rc.3"), "same chart bytes, same values, deployed"),
        ],
        permissions: RequiredPermissions::default(),
        ..upgrade_plan()
    }
}

/// A plan that holds only these steps; for a rollback and a repair.
pub(super) fn plan_of_steps(steps: Vec<Step>) -> Plan {
    Plan {
        charts: Vec::new(),
        crds: Vec::new(),
        steps,
        guards: vec![passed("permissions")],
        unchanged_items: Vec::new(),
        permissions: RequiredPermissions::default(),
        ..plan_without_changes()
    }
}

fn cluster() -> ClusterInfo {
    ClusterInfo {
        context: "prod-hub".into(),
        server: "https://10.0.0.1:6443".into(),
        version: "v1.33.4".into(),
        uid: Ok("uid-1".into()),
        user: Ok("ann".into()),
        namespace_exists: Ok(true),
        namespace: "mural-system".into(),
    }
}

fn chart(release: &str, from: &str, to: &str) -> ChartUpgrade {
    let chart = format!("oci://registry.example.com/charts/{release}");
    let digest = Digest::from_bytes(chart.as_bytes(), DigestKind::Manifest);
    let (from, to) = (Some(from.to_owned()), to.to_owned());
    ChartUpgrade {
        release: release.into(),
        owner: Owner::Helm,
        from,
        revision: Some(3),
        to,
        chart,
        digest,
        unread: None,
        named_changes: match release {
            "mural" => vec![
                NamedChange {
                    kind: "removed".into(),
                    description: "The value canvas.legacy is no longer read".into(),
                    is_breaking: true,
                },
                NamedChange { kind: "added".into(), description: "Policies per project".into(), is_breaking: false },
            ],
            _ => Vec::new(),
        },
        forecast_doubt: None,
    }
}

fn crd(name: &str, decision: CrdDecision, notes: &[&str]) -> CrdPlan {
    CrdPlan {
        name: name.into(),
        decision,
        third_party: false,
        template_release: None,
        notes: notes.iter().map(|note| (*note).to_owned()).collect(),
        forced_conflicts: BTreeMap::new(),
    }
}

fn crds() -> Vec<CrdPlan> {
    let conflicts = BTreeMap::from([("gitops".to_owned(), vec!["spec.versions".to_owned()])]);
    vec![
        crd(
            "computepools.spectrocloud.com",
            CrdDecision::Risky,
            &[r#"v1beta1 ^.spec.size enum value "xl" removed; it affects none of 14 objects"#],
        ),
        crd("policydefinitions.spectrocloud.com", CrdDecision::New, &[]),
        CrdPlan { forced_conflicts: conflicts, ..crd("hubs.spectrocloud.com", CrdDecision::Safe, &[]) },
        crd("tenants.spectrocloud.com", CrdDecision::Safe, &[]),
        crd("workloads.spectrocloud.com", CrdDecision::Text, &[]),
        crd("environments.spectrocloud.com", CrdDecision::Unchanged, &[]),
        crd("gone.spectrocloud.com", CrdDecision::RemovedFromChart, &[]),
    ]
}

fn objects() -> Vec<ObjectChange> {
    let change = |kind: &str, name: &str, change: ObjectChangeKind, detail: &str| ObjectChange {
        object: ObjectRef {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: "mural-system".into(),
            name: name.into(),
        },
        change,
        details: [detail].iter().filter(|detail| !detail.is_empty()).map(|detail| (*detail).to_owned()).collect(),
    };
    vec![
        change("Deployment", "canvas", ObjectChangeKind::Update, "image canvas:1.1.0-rc.0 → canvas:1.1.0-rc.3"),
        change("Secret", "dex", ObjectChangeKind::Update, "1 key changed (masked)"),
        change("ConfigMap", "rbac-auditor", ObjectChangeKind::Create, ""),
        change("ConfigMap", "old-settings", ObjectChangeKind::Delete, ""),
    ]
}

pub(super) fn passed(check: &'static str) -> CheckResult {
    guard(check, Verdict::Pass)
}

pub(super) fn guard(check: &'static str, verdict: Verdict) -> CheckResult {
    CheckResult { check, section: Section::Releases, title: "", items_checked: 1, verdict }
}

pub(super) fn finding(check: &str, level: Level, subject: &str, message: &str, hint: &str) -> Finding {
    let text = |text: &str| text.to_owned();
    Finding {
        level,
        check: text(check),
        subject: text(subject),
        message: text(message),
        hint: text(hint),
        docs: String::new(),
    }
}

fn login_restarts() -> CheckResult {
    let message = "restarts, and the token of this kubeconfig expires in 14 minutes: it may not be renewable by then";
    let hint = login_restarts_guard::CARD.fix;
    let findings = vec![finding("login-restarts", Level::Warning, "Deployment mural-system/dex", message, hint)];
    guard("login-restarts", Verdict::Fail { findings })
}

/// A guard that refuses the upgrade.
pub(super) fn refusing_guard() -> CheckResult {
    let message = "the next helm upgrade deletes the CRD and 14 objects";
    let hint = "kubectl mural upgrade --keep-crds annotates the CRD with helm.sh/resource-policy: keep";
    let subject = "computepools.spectrocloud.com";
    let findings = vec![finding("helm-would-delete-crds", Level::Error, subject, message, hint)];
    guard("helm-would-delete-crds", Verdict::Fail { findings })
}

pub(super) fn step(id: StepId, title: &str, action: Action, reason: &str, command: &str) -> Step {
    let command = command.split_whitespace().map(str::to_owned).collect();
    Step { id, title: title.into(), action, reason: reason.into(), command }
}

fn hub_migration() -> CrdMigration {
    CrdMigration {
        name: "hubs.spectrocloud.com".into(),
        dropped_versions: vec!["v1alpha1".into()],
        target_version: "v1beta1".into(),
        needs_transitional_crd: false,
        in_stored_versions: true,
    }
}

#[expect(clippy::too_many_lines, reason = "one line per field")]
fn steps() -> Vec<Step> {
    let names = || vec!["hubs.spectrocloud.com".to_owned(), "tenants.spectrocloud.com".to_owned()];
    vec![
        step(
            StepId::Migrate,
            "migrate hubs.spectrocloud.com v1alpha1 → v1beta1",
            Action::MigrateObjects { crds: vec![hub_migration()] },
            "the chart drops a version in which objects may be stored",
            "",
        ),
        step(
            StepId::Crds,
            "apply 5 CRDs",
            Action::ApplyCrds { names: names() },
            "the charts' CRDs differ from the cluster's, and the application needs them",
            "kubectl apply --server-side --force-conflicts -f -",
        ),
        step(
            StepId::Served,
            "verify 6 CRDs: established, names accepted, 5 served with the chart's schema",
            Action::VerifyServedSchema { names: names() },
            "Established was true before the update; only the served schema verifies it",
            "",
        ),
        step(
            StepId::Record,
            "set the release record of mural-crds to 0.7.4 (no object changes)",
            Action::RecordRelease { release: "mural-crds".into() },
            "0.7.1 is deployed; helm status shows the version of the release record",
            "helm upgrade --install mural-crds oci://registry.example.com/charts/mural-crds --skip-crds",
        ),
        step(
            StepId::Release(ReleaseRole::App),
            "upgrade mural to 1.1.0-rc.3 and wait",
            Action::UpgradeRelease { release: "mural".into() },
            "1.1.0-rc.0 is deployed, 2 objects changed, 1 object created, 1 object removed, 1 value changed",
            "helm upgrade mural oci://registry.example.com/charts/mural --values values.yaml --wait",
        ),
        step(
            StepId::Validate,
            "run the final check",
            Action::Validate,
            "the final check verifies what was written",
            "",
        ),
    ]
}

fn unchanged(subject: UnchangedSubject, reason: &str) -> UnchangedItem {
    UnchangedItem { subject, reason: reason.to_owned() }
}
