//! Lists the charts and the images of both releases after an upgrade, with digests where the registries give them.
//!
//! A release that moves is listed by its rendered chart, any other by its record. Input: a prepared upgrade. Output: [`ImageList`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::ask::UpgradeSpec;
use crate::model::chart::ChartRef;
use crate::model::container_images::{ImageAvailability, collect_images};
use crate::model::release_role::ReleaseRole;
use crate::prepare::prepared::{Prepared, UpgradeWork};
use crate::prepare::rendered_charts::RenderedChart;
use crate::report::image_list::{ChartRow, ImageList, ImageRow};
use crate::tools::image_lookup;

/// Builds the list. Registries are asked for digests unless the operator skips them.
pub async fn list_images(prepared: &Prepared, upgrade: &UpgradeWork, resolves_digests: DigestLookup) -> ImageList {
    let installation = &prepared.session.installation;
    let roles = [(ReleaseRole::Crds, &upgrade.charts.crds), (ReleaseRole::App, &upgrade.charts.app)];
    let mut charts = Vec::new();
    let mut releases: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (role, rendered) in roles {
        let release = installation.release(role);
        let Some((chart, objects)) = describe_release(prepared, release, rendered.as_ref()) else { continue };
        charts.push(chart);
        for image in collect_images(&objects) {
            releases.entry(image).or_default().insert(release.to_owned());
        }
    }
    let digests = match resolves_digests {
        DigestLookup::Registries => resolve_digests(&upgrade.ask, prepared, releases.keys().cloned().collect()).await,
        DigestLookup::Skipped => BTreeMap::new(),
    };
    let images = releases.into_iter().map(|(image, releases)| {
        let (digest, unresolved) = match digests.get(&image) {
            Some(ImageAvailability::Available { digest }) => (Some(digest.clone()), None),
            Some(ImageAvailability::Missing) => (None, Some("the registry does not have it".to_owned())),
            Some(ImageAvailability::Undetermined { reason, .. }) => (None, Some(reason.clone())),
            None => (None, None),
        };
        ImageRow { image, releases: releases.into_iter().collect(), digest, unresolved }
    });
    ImageList::new(charts, images.collect())
}

/// Whether registries are asked for the digests of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestLookup {
    /// They are.
    Registries,
    /// They are not: `--skip-images`.
    Skipped,
}

/// The chart of a release and its objects; `None` if it is neither upgraded nor installed.
fn describe_release(
    prepared: &Prepared,
    release: &str,
    rendered: Option<&RenderedChart>,
) -> Option<(ChartRow, Vec<Value>)> {
    let release_name = release.to_owned();
    if let Some(RenderedChart { fetched, rendered, .. }) = rendered {
        let (reference, version) = (fetched.reference.to_string(), fetched.chart.version.to_string());
        let digest = Some(fetched.digest.sha256.clone());
        return Some((ChartRow { release: release_name, reference, version, digest }, rendered.clone()));
    }
    let record = prepared.session.view.current_revision(release).ok().flatten()?;
    let hooks: Vec<Value> = record.hook_objects().collect();
    let objects = record.manifest_objects().unwrap_or_default().into_iter().chain(hooks).collect();
    let (reference, version) = (String::new(), record.chart_version.clone());
    Some((ChartRow { release: release_name, reference, version, digest: None }, objects))
}

async fn resolve_digests(
    ask: &UpgradeSpec,
    prepared: &Prepared,
    images: BTreeSet<String>,
) -> BTreeMap<String, ImageAvailability> {
    let hosts = [&ask.crds.chart, &ask.app.chart].into_iter().filter_map(ChartRef::host).map(str::to_owned);
    let helm_config = prepared.session.env.helm_registry_config.as_deref();
    image_lookup::check_images(&images, &ask.registry, helm_config, &hosts.collect::<Vec<_>>()).await
}
