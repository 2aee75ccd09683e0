//! Which change of a schema can be the cause of what is wrong with an object.
//!
//! A change has a path in the schema, an error or a lost field has a path in an object. Both are compared by the names of the
//! properties on the way. `object_evidence` collects the places, and asks here which change they belong to.

use crate::diff::{Change, ChangeKind, FieldChange, SchemaPath, Segment};

/// The version, and the field of an object without its indices.
pub(super) type AffectedField = (String, String);

/// The names of the properties on the way to a position. Below `additionalProperties` the names are the object's own.
fn property_names(path: &SchemaPath) -> Vec<&str> {
    let named = path.segments().iter().take_while(|segment| **segment != Segment::Values);
    let names = named.filter_map(|segment| match segment {
        Segment::Property(name) => Some(name.split('.')),
        Segment::Items | Segment::Values | Segment::AllOf(_) | Segment::AnyOf(_) | Segment::OneOf(_) | Segment::Not => {
            None
        }
    });
    names.flatten().collect()
}

fn field_names(field: &str) -> Vec<&str> {
    field.split('.').filter(|part| !part.is_empty()).collect()
}

/// Whether a field of an object is the one at the path, or one that holds it.
pub(super) fn is_at_or_above(field: &str, path: &SchemaPath) -> bool {
    let (of_object, of_change) = (field_names(field), property_names(path));
    of_object.len() <= of_change.len() && of_object.iter().zip(&of_change).all(|(one, other)| one == other)
}

/// Whether a change can be the cause of what is wrong at a place: it is there or above; some kinds of change also below.
pub(super) fn can_cause(change: &Change, (version, field): &AffectedField) -> bool {
    if change.version.as_ref().is_some_and(|changed_version| changed_version != version) {
        return false;
    }
    let Some(path) = &change.path else { return true };
    let (of_change, of_object) = (property_names(path), field_names(field));
    let along = of_change.iter().zip(&of_object).all(|(one, other)| one == other);
    along && (of_object.len() >= of_change.len() || !is_local(change))
}

/// Whether a change can be the cause of what is wrong at its place and below alone. A default or a field that goes may be missed by
/// what stands around it, and a branch speaks for the whole of it.
fn is_local(change: &Change) -> bool {
    let in_branch =
        |segment: &Segment| matches!(segment, Segment::AllOf(_) | Segment::AnyOf(_) | Segment::OneOf(_) | Segment::Not);
    let kind = matches!(
        change.kind,
        ChangeKind::Limit(_)
            | ChangeKind::Rule(_)
            | ChangeKind::List(_)
            | ChangeKind::Field(FieldChange::RequiredAdded { .. })
    );
    kind && change.path.as_ref().is_none_or(|path| !path.segments().iter().any(in_branch))
}

/// `spec.a[0].b` as `spec.a.b`
pub(super) fn strip_indices(path: &str) -> String {
    let mut depth = 0_usize;
    let outside = path.chars().filter(|sign| {
        match sign {
            '[' => depth += 1,
            ']' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    });
    outside.collect()
}
