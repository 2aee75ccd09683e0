//! The API server's answers to dry runs: accepted, rejected, or no answer about the object.
//!
//! `cluster/dry_run.rs` makes these values from HTTP answers; guards and the plan match them. Only a rejection may be reported as
//! the server's refusal.

use super::crd::Crd;
use super::rejection::Rejection;

/// The API server's answer to the dry run of one CRD.
#[derive(Debug, Clone)]
pub enum CrdDryRunResult {
    /// The server would store this merged CRD.
    Accepted(Crd),
    /// The server refuses the CRD.
    Rejected(DryRunRejection),
    /// The server did not judge the CRD; the reason.
    NoAnswer(String),
    /// No request was sent (`--dry-run=client`): the CRD of the chart.
    NotAsked(Crd),
}

impl CrdDryRunResult {
    /// The CRD that the run writes, as far as it is known; none after a rejection or without an answer.
    #[must_use]
    pub const fn planned_crd(&self) -> Option<&Crd> {
        match self {
            Self::Accepted(crd) | Self::NotAsked(crd) => Some(crd),
            Self::Rejected(_) | Self::NoAnswer(_) => None,
        }
    }

    /// Changes the planned CRD.
    #[must_use]
    pub fn map_planned_crd(self, change: impl FnOnce(Crd) -> Crd) -> Self {
        match self {
            Self::Accepted(crd) => Self::Accepted(change(crd)),
            Self::NotAsked(crd) => Self::NotAsked(change(crd)),
            Self::Rejected(_) | Self::NoAnswer(_) => self,
        }
    }
}

impl From<DryRunFailure> for CrdDryRunResult {
    fn from(failure: DryRunFailure) -> Self {
        match failure {
            DryRunFailure::Rejected(rejection) => Self::Rejected(rejection),
            DryRunFailure::NoAnswer(reason) => Self::NoAnswer(reason),
        }
    }
}

/// Why a dry run has no merged object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DryRunFailure {
    /// The server refuses the object, and would refuse the write.
    Rejected(DryRunRejection),
    /// The server did not judge the object: a timeout, no connection, an overloaded server. The reason.
    NoAnswer(String),
}

/// A refusal in the server's own words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DryRunRejection {
    /// The HTTP status code.
    pub code: u16,
    /// The message of the `Status`.
    pub message: String,
    /// The fields that the server names as causes; empty if it names none.
    pub causes: Vec<Rejection>,
}

/// What a rejection is about, as far as it decides the way on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// A CRD drops a version that is in its `status.storedVersions`.
    StoredVersion,
    /// A field that no update may change.
    ImmutableField,
    /// A resource quota has no room.
    QuotaExceeded,
    /// Another field manager owns a field with another value.
    FieldConflict,
    /// A list has two items with one key, which a server-side apply cannot merge.
    DuplicateItem,
    /// RBAC does not let the user send the request.
    Forbidden,
    /// Anything else.
    Other,
}

impl DryRunRejection {
    /// What the server objects to. The only place that reads the server's words.
    ///
    /// Sources: `ValidateStatefulSetUpdate` and `ValidatePersistentVolumeClaimUpdate` in
    /// <https://github.com/kubernetes/kubernetes/tree/v1.34.0/pkg/apis>, and
    /// <https://github.com/kubernetes-sigs/structured-merge-diff/blob/v6.3.0/typed/helpers.go>.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        let says = |words: &str| self.message.contains(words);
        let is_stored_version = self.causes.iter().any(|cause| cause.field.starts_with("status.storedVersions"));
        match self.code {
            403 if says("exceeded quota") => RejectionKind::QuotaExceeded,
            403 if says("cannot ") && says(" resource \"") => RejectionKind::Forbidden,
            409 if !self.causes.is_empty() => RejectionKind::FieldConflict,
            _ if is_stored_version || says("status.storedVersions") => RejectionKind::StoredVersion,
            _ if says("duplicate entries for key") => RejectionKind::DuplicateItem,
            _ if IMMUTABLE_FIELD_WORDS.iter().any(|words| says(words)) => RejectionKind::ImmutableField,
            _ => RejectionKind::Other,
        }
    }

    /// Whether the refusal is about the object, not about the user's permission or a part of the server that fails.
    #[must_use]
    pub fn is_about_the_object(&self) -> bool {
        (400..500).contains(&self.code) && self.kind() != RejectionKind::Forbidden
    }
}

/// How the API server says that an update may not change a field.
const IMMUTABLE_FIELD_WORDS: [&str; 4] = [
    "immutable",
    "updates to statefulset spec for fields other than",
    "can not be less than",
    "may not change once set",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(code: u16, message: &str, fields: &[&str]) -> DryRunRejection {
        let causes = fields.iter().map(|field| Rejection::new(*field, "")).collect();
        DryRunRejection { code, message: message.into(), causes }
    }

    #[test]
    fn the_kind_of_a_rejection_is_read_from_code_causes_and_words() {
        let cases = [
            (rejection(403, "pods \"a\" is forbidden: exceeded quota: q", &[]), RejectionKind::QuotaExceeded),
            (
                rejection(403, "pods \"a\" is forbidden: User \"bob\" cannot patch resource \"pods\"", &[]),
                RejectionKind::Forbidden,
            ),
            (rejection(403, "admission webhook \"a.b\" denied the request", &[]), RejectionKind::Other),
            (rejection(409, "Apply failed with 1 conflict", &[".spec.replicas"]), RejectionKind::FieldConflict),
            (rejection(409, "deployments.apps \"a\" already exists", &[]), RejectionKind::Other),
            (rejection(422, "invalid", &["status.storedVersions[0]"]), RejectionKind::StoredVersion),
            (rejection(422, "spec.selector: Invalid value: field is immutable", &[]), RejectionKind::ImmutableField),
            (
                rejection(422, "spec: Forbidden: updates to statefulset spec for fields other than 'replicas'", &[]),
                RejectionKind::ImmutableField,
            ),
            (
                rejection(
                    500,
                    "failed to create typed patch object (c40/shop; apps/v1, Kind=Deployment): \
                     .spec.template.spec.containers[name=\"shop\"].env: duplicate entries for key [name=\"LEVEL\"]",
                    &[],
                ),
                RejectionKind::DuplicateItem,
            ),
        ];
        for (rejection, kind) in cases {
            assert_eq!(rejection.kind(), kind, "{rejection:?}");
        }
    }
}
