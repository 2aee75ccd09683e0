//! A Lease as a lock: which ones there are, who holds one, and what a run writes into it (`coordination.k8s.io/v1`).

use std::fmt;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::metadata_keys::{
    ACQUIRED_AT_ANNOTATION, INSTALLATION_ANNOTATION, MANAGED_BY, PROCESS_ANNOTATION, RUN_ANNOTATION, STEP_ANNOTATION,
    USER_ANNOTATION, VERSION_ANNOTATION, WORKSTATION_ANNOTATION,
};

/// A lock that was not renewed for this long is free: client-go's default `LeaseDuration`.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How often a holder renews: a third of [`HOLDS_FOR`], so that one lost request is no lost lock.
pub const RENEW_INTERVAL: Duration = Duration::from_secs(5);
/// A holder that could not renew for this long gives up, before another run may take over: client-go's `RenewDeadline`.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// What a run does with its locks: all that a Role has to grant on `leases.coordination.k8s.io`.
pub const LEASE_VERBS: [&str; 4] = ["get", "create", "update", "delete"];
/// CRDs belong to the cluster, so their lock lives where every cluster has a namespace, beside those of its own parts.
pub const CRDS_LEASE_NAMESPACE: &str = "kube-system";

/// Which Lease.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeaseRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: &'static str,
}

impl LeaseRef {
    /// The lock of the cluster's CRDs.
    #[must_use]
    pub fn crds() -> Self {
        Self { namespace: CRDS_LEASE_NAMESPACE.to_owned(), name: "mural-crds" }
    }

    /// The lock of the installation in a namespace.
    #[must_use]
    pub fn installation(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: "mural-upgrade" }
    }

    /// The locks that a run acquires, in the one order that every run uses: no two runs wait for each other.
    ///
    /// A run that writes no CRD leaves their lock alone: who may write in one namespace only can still upgrade there.
    #[must_use]
    pub fn for_run(namespace: &str, writes_crds: bool) -> Vec<Self> {
        let crds = writes_crds.then(Self::crds);
        crds.into_iter().chain([Self::installation(namespace)]).collect()
    }

    /// Where such Leases are created.
    #[must_use]
    pub fn collection_path(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace)
    }

    /// Where this one is.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.collection_path(), self.name)
    }
}

impl fmt::Display for LeaseRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease {}/{}", self.namespace, self.name)
    }
}

/// Who a run says it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HolderIdentity {
    /// The user of the workstation.
    pub user: String,
    /// The workstation's name.
    pub host: String,
    /// Our process.
    pub pid: u32,
    /// The run's id.
    pub run: String,
    /// Our version.
    pub version: String,
    /// `namespace/release` that is upgraded.
    pub installation: String,
    /// The user that the API server sees; empty where we could not ask.
    pub server_user: String,
    /// Tells workstations apart, where a file lock of ours there proves that we live; empty where there is none.
    pub workstation: String,
}

impl HolderIdentity {
    /// `user@host pid run`: unique, and readable in `kubectl get leases`.
    #[must_use]
    pub fn to_lease_identity(&self) -> String {
        format!("{}@{} pid {} run {}", self.user, self.host, self.pid, self.run)
    }

    fn effective_user(&self) -> String {
        if self.server_user.is_empty() { self.user.clone() } else { self.server_user.clone() }
    }
}

/// Who holds a lock, as the Lease says it. What it says came from the cluster: a claim, to be shown with care.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseHolder {
    /// The holder's identity: unique.
    pub identity: String,
    /// The user that the API server saw.
    pub user: String,
    /// `user@host, process 4711`
    pub process: String,
    /// When it took the lock, by its own clock.
    pub acquired_at: String,
    /// When it last renewed it, by its own clock.
    pub renewed_at: String,
    /// The step it is at.
    pub step: String,
    /// Its version of this program.
    pub version: String,
    /// Its run's id.
    pub run: String,
    /// `namespace/release` that it upgrades.
    pub installation: String,
    /// Where a file lock tells whether it lives.
    #[serde(skip)]
    pub workstation: String,
    /// How long its lock lasts without being renewed.
    #[serde(rename = "leaseDurationSeconds", serialize_with = "serialize_seconds")]
    pub lease_duration: Duration,
}

fn serialize_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

impl LeaseHolder {
    /// The holder of this Lease; `None` if no one holds it.
    #[must_use]
    pub fn from_lease(lease: &Value) -> Option<Self> {
        let text =
            |pointer: &str| lease.pointer(pointer).and_then(Value::as_str).map(str::to_owned).unwrap_or_default();
        let annotations = &lease["metadata"]["annotations"];
        let annotation = |key: &str| annotations[key].as_str().unwrap_or_default().to_owned();
        let identity = text("/spec/holderIdentity");
        if identity.is_empty() {
            return None;
        }
        let or_default = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        // Another client's number is not trusted without bounds: it decides how long we wait.
        let lease_duration =
            lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64).map(Duration::from_secs);
        Some(Self {
            user: or_default(annotation(USER_ANNOTATION), &identity),
            process: or_default(annotation(PROCESS_ANNOTATION), "an unknown place"),
            acquired_at: or_default(annotation(ACQUIRED_AT_ANNOTATION), &text("/spec/acquireTime")),
            renewed_at: text("/spec/renewTime"),
            step: or_default(annotation(STEP_ANNOTATION), "unknown"),
            version: annotation(VERSION_ANNOTATION),
            run: annotation(RUN_ANNOTATION),
            installation: annotation(INSTALLATION_ANNOTATION),
            workstation: annotation(WORKSTATION_ANNOTATION),
            lease_duration: lease_duration.unwrap_or(LEASE_DURATION).clamp(Duration::from_secs(1), LEASE_DURATION * 4),
            identity,
        })
    }
}

impl fmt::Display for LeaseHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user: who, process: r#where, acquired_at: since, step, run, version, .. } = self;
        write!(f, "{who} ({where}) since {since}, at step {step} (run {run}, version {version})")
    }
}

/// The Lease of a run that takes a lock, new or over what was there before.
#[must_use]
pub fn build_acquired_lease(
    lease_ref: &LeaseRef,
    identity: &HolderIdentity,
    step: &str,
    now: Timestamp,
    before: Option<&Value>,
) -> Value {
    let transitions = before.and_then(|lease| lease.pointer("/spec/leaseTransitions")?.as_u64());
    let mut metadata = json!({
        "name": lease_ref.name, "namespace": lease_ref.namespace,
        "labels": {"app.kubernetes.io/managed-by": MANAGED_BY},
        "annotations": {
            USER_ANNOTATION: identity.effective_user(), PROCESS_ANNOTATION: format!("{}@{}, process {}", identity.user, identity.host, identity.pid),
            ACQUIRED_AT_ANNOTATION: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), STEP_ANNOTATION: step, VERSION_ANNOTATION: identity.version,
            RUN_ANNOTATION: identity.run, INSTALLATION_ANNOTATION: identity.installation, WORKSTATION_ANNOTATION: identity.workstation,
        },
    });
    if let Some(before) = before {
        // A concurrent write makes this one fail: the server compares the version.
        metadata["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
        metadata["uid"] = before["metadata"]["uid"].clone();
    }
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
        "spec": {
            "holderIdentity": identity.to_lease_identity(), "leaseDurationSeconds": LEASE_DURATION.as_secs(),
            "acquireTime": format_micro_time(now), "renewTime": format_micro_time(now), "leaseTransitions": transitions.map_or(0, |count| count + 1),
        },
    })
}

/// The same Lease, held on.
#[must_use]
pub fn build_renewed_lease(lease: &Value, step: &str, now: Timestamp) -> Value {
    let mut lease = lease.clone();
    lease["spec"]["renewTime"] = format_micro_time(now).into();
    lease["metadata"]["annotations"][STEP_ANNOTATION] = step.into();
    lease
}

/// `MicroTime` as the API server writes it.
fn format_micro_time(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Whether a holder lives, as far as we have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Liveness {
    /// It renewed the lock while we looked.
    Alive,
    /// It has not yet, and its time is not over.
    Undetermined,
    /// It had all its time and did not.
    Dead,
}

/// A lock with a holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldLock {
    /// Which.
    pub lease: LeaseRef,
    /// Who.
    pub holder: LeaseHolder,
    /// Whether they live, as far as we have seen.
    pub liveness: Liveness,
}

/// What we saw of one Lease over time. Only our own monotonic clock counts, never the times in the Lease: its holder's clock
/// may be wrong. That is client-go's rule too (tools/leaderelection: `observedTime`, "tolerant to arbitrary clock skew").
#[derive(Debug, Clone)]
pub struct LeaseObservation {
    resource_version: String,
    observed_at: Instant,
    was_renewed: bool,
}

impl LeaseObservation {
    /// Seen for the first time.
    #[must_use]
    pub fn new(lease: &Value, now: Instant) -> Self {
        Self { resource_version: resource_version(lease).to_owned(), observed_at: now, was_renewed: false }
    }

    /// Seen again.
    pub fn observe(&mut self, lease: &Value, now: Instant) {
        if self.resource_version != resource_version(lease) {
            *self = Self { was_renewed: true, ..Self::new(lease, now) };
        }
    }

    /// What follows from it.
    #[must_use]
    pub fn liveness(&self, lease_duration: Duration, now: Instant) -> Liveness {
        match now.duration_since(self.observed_at) {
            stood_still if stood_still >= lease_duration => Liveness::Dead,
            _ if self.was_renewed => Liveness::Alive,
            _ => Liveness::Undetermined,
        }
    }
}

/// What the server calls this state of the object.
#[must_use]
pub fn resource_version(lease: &Value) -> &str {
    lease.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_identity() -> HolderIdentity {
        HolderIdentity {
            user: "ops".into(),
            host: "laptop".into(),
            pid: 4711,
            run: "20261123-071322".into(),
            version: "0.1.0".into(),
            installation: "mural-system/mural".into(),
            server_user: "operator".into(),
            workstation: "w-1".into(),
        }
    }

    fn now() -> Timestamp {
        "2026-11-23T07:13:22.5Z".parse().unwrap()
    }

    #[test]
    fn a_lease_shows_operator_host_time_and_step() {
        let lease_ref = LeaseRef::installation("mural-system");
        let lease = build_acquired_lease(&lease_ref, &sample_identity(), "crds", now(), None);
        assert_eq!(lease["spec"]["renewTime"], "2026-11-23T07:13:22.500000Z");
        assert!(lease["metadata"].get("resourceVersion").is_none(), "a new object has none");
        let description = LeaseHolder::from_lease(&lease).unwrap().to_string();
        for word in
            ["operator", "ops@laptop", "process 4711", "2026-11-23T07:13:22Z", "crds", "0.1.0", "20261123-071322"]
        {
            assert!(description.contains(word), "{word}: {description}");
        }
        let next = LeaseHolder::from_lease(&build_renewed_lease(&lease, "mural", now())).unwrap();
        assert_eq!((next.step.as_str(), next.identity), ("mural", sample_identity().to_lease_identity()));
    }

    #[test]
    fn a_takeover_counts_transitions_and_carries_the_version() {
        let before = json!({"metadata": {"resourceVersion": "7", "uid": "u"}, "spec": {"leaseTransitions": 2}});
        let lease = build_acquired_lease(&LeaseRef::crds(), &sample_identity(), "lock", now(), Some(&before));
        assert_eq!(
            (&lease["metadata"]["resourceVersion"], &lease["spec"]["leaseTransitions"]),
            (&json!("7"), &json!(3))
        );
    }

    #[test]
    fn a_lease_of_another_client_counts_as_held() {
        assert!(LeaseHolder::from_lease(&json!({"spec": {"holderIdentity": ""}})).is_none());
        let strange = json!({"spec": {"holderIdentity": "x", "leaseDurationSeconds": 999_999}});
        let holder = LeaseHolder::from_lease(&strange).unwrap();
        assert_eq!((holder.user.as_str(), holder.lease_duration), ("x", LEASE_DURATION * 4));
    }

    /// A clock that is off moves nothing: a living holder whose times are old lives, a dead one whose times are to come is dead.
    #[test]
    fn times_in_a_lease_do_not_prove_liveness() {
        let lease = |version: u64, renewed: &str| json!({"metadata": {"resourceVersion": version.to_string()}, "spec": {"holderIdentity": "x", "renewTime": renewed}});
        let started_at = Instant::now();
        let at = |seconds| started_at + Duration::from_secs(seconds);
        for (renewed, off) in [("2026-11-23T06:13:22Z", "behind"), ("2036-11-23T08:13:22Z", "ahead")] {
            let mut alive = LeaseObservation::new(&lease(1, renewed), started_at);
            alive.observe(&lease(2, renewed), at(14));
            assert_eq!(alive.liveness(LEASE_DURATION, at(20)), Liveness::Alive, "{off}");
            let dead = LeaseObservation::new(&lease(1, renewed), started_at);
            assert_eq!(dead.liveness(LEASE_DURATION, at(15)), Liveness::Dead, "{off}");
        }
    }

    #[test]
    fn only_what_was_seen_to_stand_still_is_dead() {
        let lease = |version: &str| json!({"metadata": {"resourceVersion": version}});
        let started_at = Instant::now();
        let at = |seconds| started_at + Duration::from_secs(seconds);
        let mut observation = LeaseObservation::new(&lease("1"), started_at);
        assert_eq!(observation.liveness(LEASE_DURATION, at(14)), Liveness::Undetermined);
        assert_eq!(observation.liveness(LEASE_DURATION, at(15)), Liveness::Dead);
        observation.observe(&lease("2"), at(14));
        assert_eq!(observation.liveness(LEASE_DURATION, at(20)), Liveness::Alive);
        observation.observe(&lease("2"), at(28));
        assert_eq!(observation.liveness(LEASE_DURATION, at(29)), Liveness::Dead, "renewed once, and never again");
    }

    #[test]
    fn a_run_without_crds_needs_no_permission_outside_the_namespace() {
        assert_eq!(LeaseRef::for_run("a", false), [LeaseRef::installation("a")]);
        assert_eq!(LeaseRef::for_run("a", true), [LeaseRef::crds(), LeaseRef::installation("a")]);
    }
}
