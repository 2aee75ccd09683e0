//! What the server would say of everything that helm will write, and what stands around it. Dry-runs and reads only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::ask::{Ask, ServerSide};
use crate::cluster::{Cluster, application, around, grants, objects};
use crate::diff;
use crate::model::application::{Application, Live, Method};
use crate::model::around::{Around, Service};
use crate::model::chart::ChartRef;
use crate::model::content::Bundle;
use crate::model::crd::Crd;
use crate::model::dry_run::ServerAnswer;
use crate::model::flux::{FluxObject, FluxRef};
use crate::model::grants::Grants;
use crate::model::images::{self, ImagesSeen};
use crate::model::object::ObjectRef;
use crate::model::release::{ReleaseRecord, next_size};
use crate::model::secret::{Hidden, scrubbed, secrets};
use crate::model::signature::{Signature, SignedBy};
use crate::model::view::{ClusterView, Looked, NotSeen};
use crate::plan::needs::{Work, Written, needs};
use crate::plan::writes;
use crate::prepare::render::{Rendered, Side};
use crate::tools::content as bundles;
use crate::tools::helm::Helm;
use crate::tools::images as registries;
use crate::tools::verify;

/// The field managers: helm's own, in both of its ways to write, and helm-controller's.
const BY_HELM: &str = "helm";
const BY_FLUX: &str = "helm-controller";

/// What surrounds the namespace.
pub(crate) async fn around(cluster: &Cluster, ask: &Ask, rendered: &Rendered) -> Around {
    let conversions: BTreeSet<Service> = rendered.wanted.values().filter_map(Service::converts).collect();
    around::look(cluster, &ask.installation.namespace, &conversions).await
}

/// The application's objects as they live, and the server's word on each that changes; none where it does not move.
pub(crate) async fn application(
    cluster: &Cluster,
    ask: &Ask,
    view: &ClusterView,
    rendered: &Rendered,
    helm_major: u64,
) -> Option<Application> {
    let side = rendered.app.as_ref()?;
    let record = view.current(&ask.installation.app_release).ok().flatten();
    let by_flux = view.flux.maker(&ask.installation.app_release, &ask.installation.namespace).is_some();
    // helm-controller brings a helm of its own, goes on as the record says, and always forces conflicts (`internal/action/upgrade.go`).
    let (manager, helm_major) = if by_flux { (BY_FLUX, 4) } else { (BY_HELM, helm_major) };
    let forces = by_flux || ask.helm.force_conflicts;
    let method = method(ask.helm.server_side, record, helm_major);
    let kinds = application::kinds(cluster).await;
    // One that cannot be read ends the plan elsewhere.
    let old = record.and_then(|record| record.objects().ok()).unwrap_or_default();
    let Ok(known) = &kinds else {
        let (live, stored) = (Live::default(), Hidden::new(old));
        return Some(Application { kinds, stored, live, foreseen: Vec::new(), method });
    };
    let (namespace, new) = (&ask.installation.namespace, side.kept());
    let wanted: Vec<ObjectRef> = old.iter().chain(&new).filter_map(ObjectRef::of).collect();
    let live = application::live(cluster, view, known, namespace, &wanted).await;
    let foreseen = match ask.server_dry_runs {
        false => Vec::new(),
        true => {
            let all = writes::writes(namespace, &old, &new, &live, method);
            let secrets = secrets(rendered.config.reveal());
            let waits = |object: &ObjectRef| waits(object, view, rendered, side);
            application::foresee(cluster, known, namespace, &all, (manager, forces), waits, |words| {
                scrubbed(words, &secrets)
            })
            .await
        }
    };
    Some(Application { kinds, stored: Hidden::new(old), live, foreseen, method })
}

/// What registries say of images that the new chart runs and the installed one does not; none where it is told not to look.
pub(crate) async fn images(
    ask: &Ask,
    view: &ClusterView,
    rendered: &Rendered,
    helm_config: Option<&Path>,
) -> ImagesSeen {
    let side = rendered.app.as_ref().filter(|_| ask.images)?;
    let record = view.current(&ask.installation.app_release).ok().flatten();
    let had = images::of(&record.and_then(|record| record.objects().ok()).unwrap_or_default());
    let new = images::of(&side.rendered).difference(&had).cloned().collect();
    let hosts = [&ask.crds.chart, &ask.app.chart].into_iter().filter_map(ChartRef::host).map(str::to_owned);
    Some(registries::look(&new, &ask.registry, helm_config, &hosts.collect::<Vec<_>>()).await)
}

/// What the content bundle holds; none where none was named. It is tens of gigabytes: read beside everything that waits for the server.
pub(crate) async fn bundle(ask: &Ask, rendered: &Rendered) -> Option<Looked<Bundle>> {
    let file = ask.appliance.bundle.clone()?;
    let name = |side: &Option<Side>, usual: &str| {
        side.as_ref().map_or_else(|| usual.to_owned(), |side| side.fetched.chart.name.clone())
    };
    let (crds, app) = (name(&rendered.crds, "mural-crds"), name(&rendered.app, "mural"));
    let what = file.display().to_string();
    let read = tokio::task::spawn_blocking(move || bundles::read(&file, [&crds, &app])).await;
    let reason = |error: &dyn std::error::Error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let not_seen = |reason: String| NotSeen { what: what.clone(), reason };
    Some(match read {
        Ok(read) => read.map_err(|error| not_seen(reason(&error))),
        Err(gone) => Err(not_seen(gone.to_string())),
    })
}

/// What helm and cosign say of the charts' signatures, where they are asked for.
pub(crate) async fn signatures(ask: &Ask, rendered: &Rendered, helm: &Helm, private: &Path) -> Vec<Signature> {
    let (asked, installation) = (&ask.signature, &ask.installation);
    let sides = [(&rendered.crds, &installation.crds_release), (&rendered.app, &installation.app_release)];
    let mut all = Vec::new();
    for (side, release) in sides {
        let Some(fetched) = side.as_ref().map(|side| &side.fetched) else { continue };
        let one = |by, answer| Signature { release: release.clone(), by, answer };
        if asked.provenance {
            let answer = verify::provenance(helm, fetched, asked.keyring.as_deref(), private).await;
            all.push(one(SignedBy::Helm, answer));
        }
        if let Some(key) = &asked.cosign_key {
            all.push(one(SignedBy::Cosign, verify::cosign(fetched, key, &helm.registry, private).await));
        }
    }
    all
}

/// The bytes that the next records take: the work of a processor, beside everything that waits for the server.
pub(crate) async fn record_sizes(ask: &Ask, rendered: &Rendered) -> Vec<(String, Option<usize>)> {
    let installation = &ask.installation;
    let sides = [(&rendered.crds, &installation.crds_release), (&rendered.app, &installation.app_release)];
    let mut all = Vec::new();
    for (side, release) in sides {
        let Some(side) = side else { continue };
        let (files, manifest, config) = (Arc::clone(&side.fetched.files), side.kept(), rendered.config.clone());
        let work = move || next_size(&files, &manifest, config.reveal());
        all.push((release.clone(), tokio::task::spawn_blocking(work).await.ok().flatten()));
    }
    all
}

/// What of all that the run does is granted.
pub(crate) async fn grants(
    cluster: &Cluster,
    ask: &Ask,
    view: &ClusterView,
    rendered: &Rendered,
    forecasts: &BTreeMap<String, ServerAnswer>,
    application: Option<&Application>,
    saves: bool,
) -> Grants {
    let looked_at = if saves { objects::either_way } else { objects::worth_a_look };
    let planned = forecasts.values().filter_map(|answer| answer.as_ref().ok());
    let live = |name: &str| view.crds.as_ref().ok().and_then(|live| live.get(name));
    let crds = planned.map(|next| match live(next.name()) {
        None => Written::New,
        Some(now) if diff::same(now.json(), next.json()) => Written::None,
        Some(_) => Written::Changed,
    });
    let new = rendered.app.as_ref().map(Side::kept);
    let brought: Vec<&Crd> = rendered.wanted.values().collect();
    let judged: Vec<&Crd> = forecasts
        .values()
        .filter_map(|answer| answer.as_ref().ok())
        .filter(|next| live(next.name()).is_some_and(|now| looked_at(now, next)))
        .collect();
    let work = Work {
        judged: &judged,
        namespace: &ask.installation.namespace,
        crds: crds.max().unwrap_or(Written::None),
        app: application
            .zip(new.as_ref())
            .map(|(application, new)| (application.stored.reveal().as_slice(), new.as_slice())),
        kinds: application.and_then(|application| application.kinds.as_ref().ok()),
        brought: &brought,
        patched: &patched(ask, view, rendered),
    };
    grants::look(cluster, &needs(&work)).await
}

/// The objects of Flux that are patched; none where helm writes.
fn patched(ask: &Ask, view: &ClusterView, rendered: &Rendered) -> Vec<FluxRef> {
    let installation = &ask.installation;
    let sides = [(&rendered.crds, &installation.crds_release), (&rendered.app, &installation.app_release)];
    let moving = sides.into_iter().filter(|(side, _)| side.is_some());
    let makers = moving.filter_map(|(_, release)| view.flux.maker(release, &installation.namespace));
    makers.flat_map(|maker| [Some(maker.named()), maker.chart_from().map(|from| from.object())]).flatten().collect()
}

/// How this helm will write: helm 4 keeps the way in which the release was made (`apply_method` in the record).
fn method(asked: Option<ServerSide>, record: Option<&ReleaseRecord>, helm_major: u64) -> Method {
    let server_side = match asked {
        Some(ServerSide::True) => true,
        Some(ServerSide::False) => false,
        Some(ServerSide::Auto) | None => record.is_none_or(|record| record.apply_method == "ssa"),
    };
    if helm_major >= 4 && server_side { Method::ServerSide } else { Method::ClientSide }
}

/// Why the server cannot be asked about an object yet: what it would be judged by comes with this very upgrade.
fn waits(object: &ObjectRef, view: &ClusterView, rendered: &Rendered, side: &Side) -> Option<&'static str> {
    let of_kind = |crd: &&Crd| crd.group() == object.group() && crd.kind() == object.kind;
    if let Some(next) = rendered.wanted.values().find(of_kind) {
        let now = view.crds.as_ref().ok().and_then(|live| live.get(next.name()));
        if now.is_none_or(|now| !diff::same(now.json(), next.json())) {
            return Some("its CRD changes first");
        }
    }
    let makes_namespace =
        |document: &Value| document["kind"] == "Namespace" && document["metadata"]["name"] == object.namespace;
    side.rendered.iter().any(makes_namespace).then_some("its namespace comes with the chart")
}
