//! What the server would say of everything that helm will write, and what stands around it. Dry-runs and reads only.

use std::collections::BTreeSet;

use serde_json::Value;

use super::render::{Rendered, Side};
use crate::ask::Ask;
use crate::cluster::{Cluster, application, around};
use crate::diff;
use crate::model::application::{Application, Live, Method};
use crate::model::around::{Around, Service};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::release::ReleaseRecord;
use crate::model::secret::{scrubbed, secrets};
use crate::model::view::ClusterView;
use crate::plan::writes;

/// What surrounds the namespace.
pub(super) async fn around(cluster: &Cluster, ask: &Ask, rendered: &Rendered) -> Around {
    let conversions: BTreeSet<Service> = rendered.wanted.values().filter_map(Service::converts).collect();
    around::look(cluster, &ask.installation.namespace, &conversions).await
}

/// The application's objects as they live, and the server's word on each that changes; none where it does not move.
pub(super) async fn application(
    cluster: &Cluster,
    ask: &Ask,
    view: &ClusterView,
    rendered: &Rendered,
    helm_major: u64,
) -> Option<Application> {
    let side = rendered.app.as_ref()?;
    let record = view.current(&ask.installation.app_release).ok().flatten();
    let method = method(record, helm_major);
    let kinds = application::kinds(cluster).await;
    let Ok(known) = &kinds else {
        return Some(Application { kinds, live: Live::default(), foreseen: Vec::new(), method });
    };
    let (namespace, new) = (&ask.installation.namespace, side.kept());
    let old = record.and_then(|record| record.objects().ok()).unwrap_or_default();
    let wanted: Vec<ObjectRef> = old.iter().chain(&new).filter_map(ObjectRef::of).collect();
    let live = application::live(cluster, view, known, namespace, &wanted).await;
    let foreseen = match ask.server_dry_runs {
        false => Vec::new(),
        true => {
            let all = writes::writes(namespace, &old, &new, &live, method);
            let secrets = secrets(rendered.config.reveal());
            let waits = |object: &ObjectRef| waits(object, view, rendered, side);
            application::foresee(cluster, known, namespace, &all, waits, |words| scrubbed(words, &secrets)).await
        }
    };
    Some(Application { kinds, live, foreseen, method })
}

/// How this helm will write: helm 4 keeps the way in which the release was made (`apply_method` in the record).
fn method(record: Option<&ReleaseRecord>, helm_major: u64) -> Method {
    let server_side = record.is_none_or(|record| record.apply_method == "ssa");
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
