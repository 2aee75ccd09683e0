//! Hands an installation over to Flux: the four manifests, applied in a verified order.

use serde_json::Value;

use crate::ask::{ReleaseTarget, UpgradeSpec, ValueOptions};
use crate::checks::crd_changes::decision::CrdDecision;
use crate::guards::installed;
use crate::model::chart::{ChartRef, DigestKind};
use crate::model::cluster_view::ClusterView;
use crate::model::crd::Crd;
use crate::model::flux::{FluxRef, HELM_RELEASE_KIND, SourceVerification};
use crate::model::release_role::ReleaseRole;
use crate::model::secret::Hidden;
use crate::model::text_format::format_count;
use crate::plan::flux::TargetChart;
use crate::plan::flux::flux_manifests::{ChartSource, FluxManifests};
use crate::plan::{Action, Plan, Step, StepId};
use crate::prepare::handover_error::HandoverError;
use crate::prepare::prepared::{Environment, Prepared, UpgradeWork, Work};
use crate::prepare::rendered_charts::RenderedChart;
use crate::prepare::values_files;
use crate::tools::helm::Helm;
use crate::tools::private_files::create_private_dir;
use crate::tools::registry::Registry;

/// Options of the manifests, besides versions and values.
#[derive(Debug, Clone, Default)]
pub struct ManifestOptions {
    /// `--pin-digest`: adds the digest beside the version.
    pub pin_digest: bool,
    /// `--secret-ref`
    pub secret_ref: Option<String>,
    /// `--cert-secret-ref`
    pub cert_secret_ref: Option<String>,
    /// `--verify-provider` and `--verify-secret`
    pub verify: Option<SourceVerification>,
}

/// The CRDs and versions that the API server must serve before the manifests can be applied.
const REQUIRED_FLUX_CRDS: [(&str, &str); 2] =
    [("helmreleases.helm.toolkit.fluxcd.io", "v2"), ("ocirepositories.source.toolkit.fluxcd.io", "v1")];

/// The manifests as text, from the request alone: it reads no cluster.
///
/// # Errors
/// A version is missing, a digest cannot be read, or helm cannot read the values.
pub async fn render_manifests(
    ask: &UpgradeSpec,
    options: &ManifestOptions,
    env: &Environment,
) -> Result<String, HandoverError> {
    let (crds, app) = tokio::try_join!(
        chart_source_from_target((&ask.crds, &ask.sources.crds), ask, options, env),
        chart_source_from_target((&ask.app, &ask.sources.app), ask, options, env)
    )?;
    let helm = Helm {
        program: env.programs.helm.clone(),
        cluster: ask.installation.cluster.clone(),
        registry: ask.registry.clone(),
        namespace: ask.installation.namespace.clone(),
    };
    let (values, crds_values) =
        (read_given_values(&helm, &ask.values).await?, read_given_values(&helm, &ask.crds_values).await?);
    let made = FluxManifests {
        namespace: ask.installation.namespace.clone(),
        crds,
        app,
        values,
        crds_values,
        secret_ref: options.secret_ref.clone(),
        cert_secret_ref: options.cert_secret_ref.clone(),
        insecure: ask.registry.plain_http,
        verify: options.verify.clone(),
    };
    made.render().map_err(HandoverError::Yaml)
}

/// The values of the flags, merged by helm.
async fn read_given_values(helm: &Helm, values: &ValueOptions) -> Result<Hidden<Value>, HandoverError> {
    if values.flags.is_empty() {
        return Ok(Hidden::new(Value::Object(serde_json::Map::new())));
    }
    values_files::check_files(values)?;
    let private = create_private_dir()?;
    let read = helm.read_values(&values.flags, private.path()).await;
    Ok(Hidden::new(read.map_err(|error| error.into_failure("helm cannot read the values"))?))
}

async fn chart_source_from_target(
    (target, source): (&ReleaseTarget, &Option<String>),
    ask: &UpgradeSpec,
    options: &ManifestOptions,
    env: &Environment,
) -> Result<ChartSource, HandoverError> {
    let chart = target.chart.to_string();
    let ChartRef::Oci { repository, digest } = &target.chart else {
        return Err(HandoverError::NotInRegistry { chart });
    };
    let Some(version) = &target.version else { return Err(HandoverError::NoVersion { chart }) };
    let digest = match (options.pin_digest, digest) {
        (false, _) => None,
        (true, Some(digest)) => Some(digest.clone()),
        (true, None) => {
            let unpinned =
                |error| HandoverError::Unpinned { chart: chart.clone(), version: version.to_string(), error };
            let registry = Registry::new(repository, &ask.registry, env.helm_registry_config.as_deref());
            Some(registry.map_err(unpinned)?.resolve_digest(version).await.map_err(unpinned)?)
        }
    };
    let (release, url) = (target.release.clone(), format!("oci://{repository}"));
    let source = source.as_ref().unwrap_or(&release).clone();
    Ok(ChartSource { release, source_name: source, url, version: version.to_string(), digest })
}

/// The manifests of a prepared upgrade.
fn build_manifests(upgrade: &UpgradeWork, options: &ManifestOptions) -> Result<FluxManifests, HandoverError> {
    let (installation, sources) = (&upgrade.ask.installation, &upgrade.ask.sources);
    let (Some(crds), Some(app)) = (&upgrade.charts.crds, &upgrade.charts.app) else {
        return Err(HandoverError::OneChart);
    };
    Ok(FluxManifests {
        namespace: installation.namespace.clone(),
        crds: chart_source_from_rendered((&installation.crds_release, &sources.crds), crds, options)?,
        app: chart_source_from_rendered((&installation.app_release, &sources.app), app, options)?,
        values: upgrade.charts.config.clone(),
        crds_values: upgrade.charts.crds_config.clone(),
        secret_ref: options.secret_ref.clone(),
        cert_secret_ref: options.cert_secret_ref.clone(),
        insecure: upgrade.ask.registry.plain_http,
        verify: options.verify.clone(),
    })
}

fn chart_source_from_rendered(
    (release, source): (&str, &Option<String>),
    rendered_chart: &RenderedChart,
    options: &ManifestOptions,
) -> Result<ChartSource, HandoverError> {
    let chart = rendered_chart.fetched.reference.to_string();
    let ChartRef::Oci { repository, .. } = &rendered_chart.fetched.reference else {
        return Err(HandoverError::NotInRegistry { chart });
    };
    let digest = (rendered_chart.fetched.digest.kind == DigestKind::Manifest)
        .then(|| rendered_chart.fetched.digest.sha256.clone());
    if options.pin_digest && digest.is_none() {
        return Err(HandoverError::NoManifestDigest { chart });
    }
    let (release, url) = (release.to_owned(), format!("oci://{repository}"));
    Ok(ChartSource {
        source_name: source.as_ref().unwrap_or(&release).clone(),
        release,
        url,
        version: rendered_chart.fetched.chart.version.to_string(),
        digest: digest.filter(|_| options.pin_digest),
    })
}

/// The prepared upgrade with the steps of the handover.
///
/// # Errors
/// Someone else owns the releases, or Flux is not installed.
pub fn hand_over(prepared: Prepared, options: &ManifestOptions) -> Result<Prepared, HandoverError> {
    let Prepared { session, mut plan, work: Work::Upgrade(mut upgrade) } = prepared else {
        return Err(HandoverError::NotAnUpgrade);
    };
    let manifests = build_manifests(&upgrade, options)?;
    require_no_owner(&session.view)?;
    require_flux_served(&session.view)?;
    plan.guards.retain(|guard| guard.check != installed::CARD.id);
    plan.steps = build_handover_steps(&plan, &upgrade, &manifests);
    let secrets = [ReleaseRole::Crds, ReleaseRole::App].map(|role| manifests.build_values_secret(role));
    let all = secrets.into_iter().flatten().chain(manifests.build_crds_objects()).chain(manifests.build_app_objects());
    upgrade.handover_manifests = Some(Hidden::new(all.collect()));
    Ok(Prepared { session, plan, work: Work::Upgrade(upgrade) })
}

fn require_no_owner(view: &ClusterView) -> Result<(), HandoverError> {
    let owned = view.owners.iter().find(|(_, owner)| owner.is_flux() || owner.follows_commits());
    match owned {
        None => Ok(()),
        Some((release, owner)) => Err(HandoverError::Owned { release: release.clone(), owner: owner.to_string() }),
    }
}

fn require_flux_served(view: &ClusterView) -> Result<(), HandoverError> {
    let live = view.crds.as_ref().map_err(Clone::clone)?;
    let serves = |name: &str, version: &str| {
        live.get(name).is_some_and(|crd: &Crd| crd.versions().any(|one| one.name == version && one.served))
    };
    match REQUIRED_FLUX_CRDS.iter().find(|(name, version)| !serves(name, version)) {
        None => Ok(()),
        Some((crd, version)) => Err(HandoverError::FluxMissing { crd, version }),
    }
}

fn build_handover_steps(plan: &Plan, upgrade: &UpgradeWork, manifests: &FluxManifests) -> Vec<Step> {
    let mut steps: Vec<Step> = plan.steps.iter().filter(|step| precedes_releases(step.id)).cloned().collect();
    let ours = plan.crds.iter().filter(|crd| crd.decision != CrdDecision::RemovedFromChart);
    let names: Vec<String> = ours.map(|crd| crd.name.clone()).collect();
    steps.push(apply_manifests_step(ReleaseRole::Crds, manifests));
    steps.push(await_release_step(ReleaseRole::Crds, manifests, upgrade));
    if !names.is_empty() {
        let title = format!(
            "verify {}: established, names accepted, served with the chart's schema",
            format_count(names.len(), "CRD")
        );
        let reason = "helm-controller reports Ready without a check of the served CRD schemas";
        steps.push(new_step(StepId::Served, title, Action::VerifyServedSchema { names }, reason));
    }
    steps.push(apply_manifests_step(ReleaseRole::App, manifests));
    steps.push(await_release_step(ReleaseRole::App, manifests, upgrade));
    let reason = "the final check verifies what was written";
    steps.push(new_step(StepId::Validate, "run the final check".to_owned(), Action::Validate, reason));
    steps
}

/// Whether a step of the upgrade plan stays in a handover: the steps before any release is written.
const fn precedes_releases(id: StepId) -> bool {
    match id {
        StepId::AnnotateKeep | StepId::Migrate | StepId::Unlock(_) => true,
        StepId::Crds
        | StepId::Served
        | StepId::ServedTemplates(_)
        | StepId::Adopt(_)
        | StepId::Record
        | StepId::Release(_)
        | StepId::Source(_)
        | StepId::Manifests(_)
        | StepId::Suspend
        | StepId::Resume
        | StepId::Ready
        | StepId::Objects
        | StepId::RemoveKeepAnnotation
        | StepId::DiscardRuns
        | StepId::Validate => false,
    }
}

/// Applies the source and the HelmRelease of one chart; values that hold a secret come with them.
fn apply_manifests_step(role: ReleaseRole, manifests: &FluxManifests) -> Step {
    let (chart, reason) = match role {
        ReleaseRole::Crds => (&manifests.crds, "the CRDs come before the application"),
        ReleaseRole::App => (&manifests.app, "the API server serves the CRDs; now the application"),
    };
    let secret = manifests.values_secret(role);
    let source = FluxRef::new("OCIRepository", &manifests.namespace, &chart.source_name);
    let helm_release = FluxRef::new(HELM_RELEASE_KIND, &manifests.namespace, &chart.release);
    let objects: Vec<FluxRef> = secret.into_iter().chain([source, helm_release]).collect();
    let title = format!("apply {}", objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    new_step(StepId::Manifests(role), title, Action::ApplyManifests { role, objects }, reason)
}

/// Waits until helm-controller has taken over the release at the chart's version and digest.
fn await_release_step(role: ReleaseRole, manifests: &FluxManifests, upgrade: &UpgradeWork) -> Step {
    let (chart, rendered) = match role {
        ReleaseRole::Crds => (&manifests.crds, &upgrade.charts.crds),
        ReleaseRole::App => (&manifests.app, &upgrade.charts.app),
    };
    let helm_release = FluxRef::new(HELM_RELEASE_KIND, &manifests.namespace, &chart.release);
    let digest = rendered.as_ref().map(|rendered| &rendered.fetched.digest);
    let digest = digest.filter(|digest| digest.kind == DigestKind::Manifest).map(|digest| digest.sha256.clone());
    let target = Some(TargetChart { version: chart.version.clone(), digest });
    let title = format!("wait until {helm_release} is Ready at {} in its history", chart.version);
    let reason = "helm-controller adopts the release as it is, and its history has the chart version";
    let action = Action::AwaitHelmRelease { role, requests_reconcile: true, helm_release, target };
    new_step(StepId::Release(role), title, action, reason)
}

fn new_step(id: StepId, title: String, action: Action, because: &str) -> Step {
    Step { id, title, action, reason: because.to_owned(), command: Vec::new() }
}

/// The manifests of these objects.
pub(crate) fn select_manifests<'a>(all: &'a Hidden<Vec<Value>>, objects: &[FluxRef]) -> Vec<&'a Value> {
    let is = |manifest: &&Value| {
        objects.iter().any(|object| {
            manifest["kind"] == object.kind.as_str()
                && manifest["metadata"]["name"] == object.name.as_str()
                && manifest["metadata"]["namespace"] == object.namespace.as_str()
        })
    };
    all.reveal().iter().filter(is).collect()
}
