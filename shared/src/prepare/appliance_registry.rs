//! The appliance's registry, before anything is patched: whether it answers, accepts the login and has both charts.

use std::path::Path;

use serde_json::{Value, json};

use crate::ask::{ReleaseTarget, UpgradeSpec};
use crate::model::chart::ChartRef;
use crate::model::flux::{FluxObject, FluxSource, FluxView, find_appliance_registry};
use crate::model::owner::Owner;
use crate::plan::flux::appliance_checklist;
use crate::prepare::appliance_registry_error::ApplianceRegistryError;
use crate::prepare::prepared::Prepared;
use crate::tools::registry::{Registry, RegistryError};

/// How many versions an error lists.
const MAX_LISTED_VERSIONS: usize = 5;

/// The checklist of the appliance's own steps, if an appliance owns the releases.
#[must_use]
pub fn guide(prepared: &Prepared) -> Option<String> {
    prepared.session.view.owners.values().find_map(|owner| match owner {
        Owner::Appliance { registry, .. } => Some(appliance_checklist::render_checklist(registry)),
        Owner::NotInstalled | Owner::Helm | Owner::Flux { .. } | Owner::Argo { .. } | Owner::Undetermined { .. } => {
            None
        }
    })
}

/// The appliance's registry behind a source.
pub(crate) fn registry_of(source: &FluxSource, flux: &FluxView) -> Option<String> {
    find_appliance_registry(source.url(), flux.registries.as_ref().map_or(&[][..], Vec::as_slice))
}

/// The chart at the address that this workstation reaches, and whether the registry speaks plain http.
pub(crate) fn reachable_chart(chart: &ChartRef, url: &str) -> Option<(ChartRef, bool)> {
    let ChartRef::Oci { repository, digest } = chart else { return None };
    let (scheme, host) = url.split_once("://")?;
    let (_, path) = repository.split_once('/')?;
    let repository = format!("{}/{path}", host.trim_end_matches('/'));
    Some((ChartRef::Oci { repository, digest: digest.clone() }, scheme == "http"))
}

/// The logins, also under the address that this workstation reaches: the Secret has the registry's address in the cluster.
pub(crate) fn rename_login(login: &Value, inside: &str, url: &str) -> Value {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    match login["auths"].get(inside) {
        Some(auth) => json!({"auths": {host: auth}}),
        None => json!({"auths": {}}),
    }
}

/// Checks that the registry answers, accepts the login and has the version.
///
/// # Errors
/// A refusal with the check that failed.
pub(crate) async fn require_chart_version(
    ask: &UpgradeSpec,
    target: &ReleaseTarget,
    source: &FluxSource,
    inside: &str,
    config: Option<&Path>,
) -> Result<(), ApplianceRegistryError> {
    let (ChartRef::Oci { repository, .. }, Some(version)) = (&target.chart, &target.version) else { return Ok(()) };
    let registry = inside.to_owned();
    let client = match Registry::new(repository, &ask.registry, config) {
        Ok(client) => client,
        Err(error) => return Err(ApplianceRegistryError::Unqueryable { registry, error }),
    };
    match client.resolve_digest(version).await {
        Ok(_) => Ok(()),
        Err(RegistryError::NoSuchVersion { .. }) => {
            let available = client.list_versions().await.unwrap_or_default();
            let available: Vec<String> = available.iter().take(MAX_LISTED_VERSIONS).map(ToString::to_string).collect();
            let (release, version) = (&target.release, version.to_string());
            Err(ApplianceRegistryError::no_such_version(inside, release, &version, &available))
        }
        Err(error @ RegistryError::LoginRequired(..)) => {
            let source_ref = source.object_ref();
            let login = match source.secret_name() {
                "" => format!("{source_ref} references no Secret with a login"),
                name => format!("the registry rejects the login of Secret {}/{name}", source_ref.namespace),
            };
            let namespace = source_ref.namespace;
            Err(ApplianceRegistryError::LoginRequired { registry, login, namespace, error })
        }
        Err(error) => Err(ApplianceRegistryError::Unreachable { registry, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_queried_at_the_reachable_address() {
        let chart = ChartRef::Oci { repository: "zot.zot.svc:5000/mural/mural".into(), digest: None };
        let (chart, plain) = reachable_chart(&chart, "http://127.0.0.1:5000").unwrap();
        assert_eq!((chart.to_string().as_str(), plain), ("oci://127.0.0.1:5000/mural/mural", true));
        let login = json!({"auths": {"zot.zot.svc:5000": {"auth": "canary"}}});
        assert_eq!(
            rename_login(&login, "zot.zot.svc:5000", "http://127.0.0.1:5000")["auths"]["127.0.0.1:5000"]["auth"],
            "canary"
        );
    }
}
