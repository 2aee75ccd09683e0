//! A Lease as a lock: which ones there are, who holds one, and what a run writes into it (`coordination.k8s.io/v1`).

use std::fmt;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// A lock that was not renewed for this long is nobody's: client-go's default `LeaseDuration`.
pub const HOLDS_FOR: Duration = Duration::from_secs(15);
/// How often a holder renews: a third of [`HOLDS_FOR`], so that one lost request is no lost lock.
pub const RENEW_EVERY: Duration = Duration::from_secs(5);
/// A holder that could not renew for this long lets go, before anybody else may take over: client-go's `RenewDeadline`.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
/// What a run does with its locks: all that a Role has to grant on `leases.coordination.k8s.io`.
pub const VERBS: [&str; 4] = ["get", "create", "update", "delete"];
/// CRDs belong to the cluster, so their lock lives where every cluster has a namespace, beside those of its own parts.
pub const CRDS_NAMESPACE: &str = "kube-system";

const WHO: &str = "mural-who";
const WHERE: &str = "mural-where";
const SINCE: &str = "mural-since";
const STEP: &str = "mural-step";
const VERSION: &str = "mural-version";
const RUN: &str = "mural-run";
const INSTALLATION: &str = "mural-installation";
const WORKSTATION: &str = "mural-workstation";

/// Which Lease.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: &'static str,
}

impl Place {
    /// The lock of the cluster's CRDs.
    #[must_use]
    pub fn crds() -> Self {
        Self { namespace: CRDS_NAMESPACE.to_owned(), name: "mural-crds" }
    }

    /// The lock of the installation in a namespace.
    #[must_use]
    pub fn installation(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: "mural-upgrade" }
    }

    /// The locks that a run takes, in the one order in which everybody takes them: nobody waits in a circle.
    ///
    /// A run that writes no CRD leaves their lock alone: who may write in one namespace only can still upgrade there.
    #[must_use]
    pub fn of_a_run(namespace: &str, writes_crds: bool) -> Vec<Self> {
        let crds = writes_crds.then(Self::crds);
        crds.into_iter().chain([Self::installation(namespace)]).collect()
    }

    /// Where such Leases are created.
    #[must_use]
    pub fn collection(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace)
    }

    /// Where this one is.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease {}/{}", self.namespace, self.name)
    }
}

/// Who a run says it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claim {
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
    pub as_user: String,
    /// Tells workstations apart, where a file lock of ours there proves that we live; empty where there is none.
    pub workstation: String,
}

impl Claim {
    /// `user@host pid run`: unique, and readable in `kubectl get leases`.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{}@{} pid {} run {}", self.user, self.host, self.pid, self.run)
    }

    fn who(&self) -> String {
        if self.as_user.is_empty() { self.user.clone() } else { self.as_user.clone() }
    }
}

/// Who holds a lock, as the Lease says it. What it says came from the cluster: a claim, to be shown with care.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The holder's identity: unique.
    pub identity: String,
    /// The user that the API server saw.
    pub who: String,
    /// `user@host, process 4711`
    pub r#where: String,
    /// When it took the lock, by its own clock.
    pub since: String,
    /// When it last renewed it, by its own clock.
    pub renewed: String,
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
    #[serde(rename = "holdsForSeconds", serialize_with = "seconds")]
    pub holds_for: Duration,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

impl Holder {
    /// Who holds this Lease; none where nobody does.
    #[must_use]
    pub fn of(lease: &Value) -> Option<Self> {
        let text =
            |pointer: &str| lease.pointer(pointer).and_then(Value::as_str).map(str::to_owned).unwrap_or_default();
        let note = |key: &str| text(&format!("/metadata/annotations/{key}"));
        let identity = text("/spec/holderIdentity");
        if identity.is_empty() {
            return None;
        }
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        // Somebody else's number is not trusted without bounds: it says how long we shall wait.
        let holds_for = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64).map(Duration::from_secs);
        Some(Self {
            who: or(note(WHO), &identity),
            r#where: or(note(WHERE), "an unknown place"),
            since: or(note(SINCE), &text("/spec/acquireTime")),
            renewed: text("/spec/renewTime"),
            step: or(note(STEP), "unknown"),
            version: note(VERSION),
            run: note(RUN),
            installation: note(INSTALLATION),
            workstation: note(WORKSTATION),
            holds_for: holds_for.unwrap_or(HOLDS_FOR).clamp(Duration::from_secs(1), HOLDS_FOR * 4),
            identity,
        })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, r#where, since, step, run, version, .. } = self;
        write!(f, "{who} ({where}) since {since}, at step {step} (run {run}, version {version})")
    }
}

/// The Lease of a run that takes a lock, new or over what was there before.
#[must_use]
pub fn taken(place: &Place, claim: &Claim, step: &str, now: Timestamp, before: Option<&Value>) -> Value {
    let transitions = before.and_then(|lease| lease.pointer("/spec/leaseTransitions")?.as_u64());
    let mut metadata = json!({
        "name": place.name, "namespace": place.namespace,
        "labels": {"app.kubernetes.io/managed-by": "kubectl-mural-upgrade"},
        "annotations": {
            WHO: claim.who(), WHERE: format!("{}@{}, process {}", claim.user, claim.host, claim.pid),
            SINCE: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), STEP: step, VERSION: claim.version,
            RUN: claim.run, INSTALLATION: claim.installation, WORKSTATION: claim.workstation,
        },
    });
    if let Some(before) = before {
        // Whoever else writes meanwhile makes this one fail: the server compares.
        metadata["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
        metadata["uid"] = before["metadata"]["uid"].clone();
    }
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
        "spec": {
            "holderIdentity": claim.identity(), "leaseDurationSeconds": HOLDS_FOR.as_secs(),
            "acquireTime": micro(now), "renewTime": micro(now), "leaseTransitions": transitions.map_or(0, |count| count + 1),
        },
    })
}

/// The same Lease, held on.
#[must_use]
pub fn renewed(lease: &Value, step: &str, now: Timestamp) -> Value {
    let mut lease = lease.clone();
    lease["spec"]["renewTime"] = micro(now).into();
    lease["metadata"]["annotations"][STEP] = step.into();
    lease
}

/// `MicroTime` as the API server writes it.
fn micro(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Whether a holder lives, as far as we have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// It renewed the lock while we looked.
    Alive,
    /// It has not yet, and its time is not over.
    Unsure,
    /// It had all its time and did not.
    Dead,
}

/// A lock that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LockSeen {
    /// Which.
    pub place: Place,
    /// Who.
    pub holder: Holder,
    /// Whether they live, as far as we have seen.
    pub life: Life,
}

/// What we saw of one Lease over time. Only our own monotonic clock counts, never the times in the Lease: its holder's clock
/// may be wrong. That is client-go's rule too (tools/leaderelection: `observedTime`, "tolerant to arbitrary clock skew").
#[derive(Debug, Clone)]
pub struct Sighting {
    version: String,
    since: Instant,
    renewed: bool,
}

impl Sighting {
    /// Seen for the first time.
    #[must_use]
    pub fn first(lease: &Value, now: Instant) -> Self {
        Self { version: version(lease).to_owned(), since: now, renewed: false }
    }

    /// Seen again.
    pub fn again(&mut self, lease: &Value, now: Instant) {
        if self.version != version(lease) {
            *self = Self { renewed: true, ..Self::first(lease, now) };
        }
    }

    /// What follows from it.
    #[must_use]
    pub fn life(&self, holds_for: Duration, now: Instant) -> Life {
        match now.duration_since(self.since) {
            stood_still if stood_still >= holds_for => Life::Dead,
            _ if self.renewed => Life::Alive,
            _ => Life::Unsure,
        }
    }
}

/// What the server calls this state of the object.
#[must_use]
pub fn version(lease: &Value) -> &str {
    lease.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Claim {
        Claim {
            user: "ops".into(),
            host: "laptop".into(),
            pid: 4711,
            run: "20261123-071322".into(),
            version: "0.1.0".into(),
            installation: "mural-system/mural".into(),
            as_user: "operator".into(),
            workstation: "w-1".into(),
        }
    }

    fn now() -> Timestamp {
        "2026-11-23T07:13:22.5Z".parse().unwrap()
    }

    #[test]
    fn who_takes_a_lock_says_who_where_since_when_and_which_step() {
        let place = Place::installation("mural-system");
        let lease = taken(&place, &claim(), "crds", now(), None);
        assert_eq!(lease["spec"]["renewTime"], "2026-11-23T07:13:22.500000Z");
        assert!(lease["metadata"].get("resourceVersion").is_none(), "a new object has none");
        let told = Holder::of(&lease).unwrap().to_string();
        for word in
            ["operator", "ops@laptop", "process 4711", "2026-11-23T07:13:22Z", "crds", "0.1.0", "20261123-071322"]
        {
            assert!(told.contains(word), "{word}: {told}");
        }
        let next = Holder::of(&renewed(&lease, "mural", now())).unwrap();
        assert_eq!((next.step.as_str(), next.identity), ("mural", claim().identity()));
    }

    #[test]
    fn who_takes_over_counts_and_lets_the_server_compare() {
        let before = json!({"metadata": {"resourceVersion": "7", "uid": "u"}, "spec": {"leaseTransitions": 2}});
        let lease = taken(&Place::crds(), &claim(), "lock", now(), Some(&before));
        assert_eq!(
            (&lease["metadata"]["resourceVersion"], &lease["spec"]["leaseTransitions"]),
            (&json!("7"), &json!(3))
        );
    }

    #[test]
    fn a_lease_that_somebody_else_made_is_held_too() {
        assert!(Holder::of(&json!({"spec": {"holderIdentity": ""}})).is_none());
        let strange = json!({"spec": {"holderIdentity": "x", "leaseDurationSeconds": 999_999}});
        let holder = Holder::of(&strange).unwrap();
        assert_eq!((holder.who.as_str(), holder.holds_for), ("x", HOLDS_FOR * 4));
    }

    /// A clock that is off moves nothing: a living holder whose times are old lives, a dead one whose times are to come is dead.
    #[test]
    fn what_a_lease_says_of_times_is_no_sign_of_life() {
        let lease = |version: u64, renewed: &str| json!({"metadata": {"resourceVersion": version.to_string()}, "spec": {"holderIdentity": "x", "renewTime": renewed}});
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        for (renewed, off) in [("2026-11-23T06:13:22Z", "behind"), ("2036-11-23T08:13:22Z", "ahead")] {
            let mut alive = Sighting::first(&lease(1, renewed), begun);
            alive.again(&lease(2, renewed), at(14));
            assert_eq!(alive.life(HOLDS_FOR, at(20)), Life::Alive, "{off}");
            let dead = Sighting::first(&lease(1, renewed), begun);
            assert_eq!(dead.life(HOLDS_FOR, at(15)), Life::Dead, "{off}");
        }
    }

    #[test]
    fn only_what_was_seen_to_stand_still_is_dead() {
        let lease = |version: &str| json!({"metadata": {"resourceVersion": version}});
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut seen = Sighting::first(&lease("1"), begun);
        assert_eq!(seen.life(HOLDS_FOR, at(14)), Life::Unsure);
        assert_eq!(seen.life(HOLDS_FOR, at(15)), Life::Dead);
        seen.again(&lease("2"), at(14));
        assert_eq!(seen.life(HOLDS_FOR, at(20)), Life::Alive);
        seen.again(&lease("2"), at(28));
        assert_eq!(seen.life(HOLDS_FOR, at(29)), Life::Dead, "renewed once, and never again");
    }

    #[test]
    fn who_writes_no_crd_needs_no_right_outside_the_namespace() {
        assert_eq!(Place::of_a_run("a", false), [Place::installation("a")]);
        assert_eq!(Place::of_a_run("a", true), [Place::crds(), Place::installation("a")]);
    }
}
