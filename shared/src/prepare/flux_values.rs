//! The values of releases that Flux owns, as helm-controller composes them: `valuesFrom` in order, then `spec.values`.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::ask::{StoredValues, UpgradeSpec, ValueFlag, ValueOptions};
use crate::cluster::Cluster;
use crate::diff::value_changes::merge_values;
use crate::model::flux::{FluxObject, HelmRelease, ValuesReference};
use crate::model::secret::Hidden;
use crate::model::yaml::{self, ErrorDetail};
use crate::prepare::flux_request_error::{FluxRequestError, ValuesFromDefect, values_plural};
use crate::tools::helm::Helm;
use crate::tools::private_files::{PrivateFileError, write_private_file};

/// The application's values. Given values replace only `spec.values`.
pub(super) async fn compose_application_values(
    ask: &mut UpgradeSpec,
    app: &HelmRelease,
    helm: &Helm,
    cluster: &Cluster,
    private: &Path,
) -> Result<Option<Hidden<Value>>, FluxRequestError> {
    let old = app.values();
    let given = !ask.values.flags.is_empty();
    let flags = match given {
        true => helm
            .read_values(&ask.values.flags, private)
            .await
            .map_err(|error| error.into_failure("helm cannot read the values"))?,
        false => Value::Object(Map::new()),
    };
    let new = match ask.values.stored {
        StoredValues::Reuse | StoredValues::ResetThenReuse => merge_values(old.reveal(), &flags),
        StoredValues::Reset => flags,
        StoredValues::HelmDefault if given => flags,
        StoredValues::HelmDefault => old.reveal().clone(),
    };
    let composed = compose_values(app, &new, cluster).await?;
    ask.values = write_values(&composed, private, "flux-values.json")?;
    Ok((new != *old.reveal()).then(|| Hidden::new(new)))
}

/// The values of the CRD chart are those of its HelmRelease: this upgrade patches no other field of it.
pub(super) fn refuse_crds_values(ask: &UpgradeSpec, crds: &HelmRelease) -> Result<(), FluxRequestError> {
    match ask.crds_values.flags.is_empty() {
        true => Ok(()),
        false => Err(FluxRequestError::CrdsValues { helm_release: Box::new(crds.object_ref()) }),
    }
}

/// The values of a HelmRelease with these `spec.values`.
pub(super) async fn compose_values(
    maker: &HelmRelease,
    spec_values: &Value,
    cluster: &Cluster,
) -> Result<Value, FluxRequestError> {
    let mut composed = Value::Object(Map::new());
    for from in maker.values_from() {
        composed = merge_values_from(composed, &from, read_values_from(cluster, maker, &from).await?)?;
    }
    Ok(merge_values(&composed, spec_values))
}

/// Composed values as the only ones of a release, in a private file.
pub(super) fn write_values(values: &Value, private: &Path, name: &str) -> Result<ValueOptions, PrivateFileError> {
    let file = private.join(name);
    write_private_file(&file, values.to_string()).map_err(PrivateFileError::File)?;
    Ok(ValueOptions { flags: vec![ValueFlag::File(file)], stored: StoredValues::Reset })
}

/// The text of an entry of `valuesFrom`; none if it is optional and missing.
async fn read_values_from(
    cluster: &Cluster,
    app: &HelmRelease,
    from: &ValuesReference,
) -> Result<Option<String>, FluxRequestError> {
    let (kind, namespace, name) = (&from.object.kind, &from.object.namespace, &from.object.name);
    let plural = values_plural(kind);
    let found = cluster.get(&format!("/api/v1/namespaces/{namespace}/{plural}/{name}")).await;
    let failure = |defect, error| FluxRequestError::ValuesFrom {
        helm_release: Box::new(app.object_ref()),
        object: Box::new(from.object.clone()),
        defect,
        error,
    };
    let object = match found {
        Ok(object) => object,
        Err(error) if error.is_not_found() && from.optional => return Ok(None),
        Err(error) if error.is_not_found() => return Err(failure(ValuesFromDefect::Missing, None)),
        Err(error) => return Err(failure(ValuesFromDefect::Unreadable, Some(Box::new(error)))),
    };
    let text = object["data"].get(&from.key).and_then(Value::as_str);
    let text = match (text, kind.as_str()) {
        (Some(text), "Secret") => STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()),
        (text, _) => text.map(str::to_owned),
    };
    match text {
        Some(text) => Ok(Some(text)),
        None if from.optional => Ok(None),
        None => Err(failure(ValuesFromDefect::NoKey(from.key.clone()), None)),
    }
}

/// Merges the content of an entry over the values before it.
fn merge_values_from(under: Value, from: &ValuesReference, text: Option<String>) -> Result<Value, FluxRequestError> {
    let Some(text) = text else { return Ok(under) };
    if !from.target.is_empty() {
        return Ok(merge_values(&under, &nest_at_path(&from.target, parse_scalar(&text))));
    }
    let read = yaml::parse_document(&text, ErrorDetail::LocationOnly).map_err(|error| {
        let (kind, name) = (from.object.kind.clone(), from.object.name.clone());
        FluxRequestError::InvalidValues { kind, name, key: from.key.clone(), error }
    })?;
    Ok(if read.is_object() { merge_values(&under, &read) } else { under })
}

/// A value at a dotted path, as in `targetPath`.
fn nest_at_path(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |inner, key| json!({key: inner}))
}

/// Parses a text like helm's `--set`: whole numbers, true, false and null are not strings (helm `pkg/strvals`).
fn parse_scalar(text: &str) -> Value {
    match text {
        "true" => true.into(),
        "false" => false.into(),
        "null" => Value::Null,
        "0" => 0.into(),
        _ if text.starts_with('0') => text.into(),
        _ => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::flux::FluxRef;

    #[test]
    fn values_from_are_laid_over_each_other_in_order() {
        let entry = |target: &str| ValuesReference {
            object: FluxRef::new("Secret", "m", "s"),
            key: "k".into(),
            target: target.into(),
            optional: false,
        };
        let first = merge_values_from(json!({}), &entry(""), Some("a: {b: 1, c: 2}".into())).unwrap();
        let second = merge_values_from(first, &entry("a.b"), Some("true".into())).unwrap();
        assert_eq!(second, json!({"a": {"b": true, "c": 2}}));
        assert_eq!(merge_values_from(second.clone(), &entry(""), None).unwrap(), second);
        assert_eq!((parse_scalar("007"), parse_scalar("7"), parse_scalar("x")), ("007".into(), 7.into(), "x".into()));
    }
}
