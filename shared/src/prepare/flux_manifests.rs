//! Hands an installation over to Flux: the four manifests, applied in an order that evidence keeps.

use serde_json::Value;

use crate::ask::{Ask, Target};
use crate::checks::crd_changes::decision::CrdDecision;
use crate::guards::installed;
use crate::model::chart::{ChartRef, DigestOf};
use crate::model::crd::Crd;
use crate::model::flux::{FluxRef, HELM_RELEASE, Verify};
use crate::model::owner::Owner;
use crate::model::secret::Hidden;
use crate::plan::flux::Wanted;
use crate::plan::flux::manifests::{ChartSource, Manifests};
use crate::plan::{Action, Step};
use crate::prepare;
use crate::prepare::values;
use crate::prepare::{Prepared, Side, Surroundings};
use crate::problem::{Exit, Problem};
use crate::tools::helm::Helm;
use crate::tools::registry::Registry;

/// How the manifests are made, besides versions and values.
#[derive(Debug, Clone, Default)]
pub struct ManifestOptions {
    /// `--pin-digest`: the digest beside the version.
    pub pin: bool,
    /// `--secret-ref`
    pub secret_ref: Option<String>,
    /// `--cert-secret-ref`
    pub cert_secret_ref: Option<String>,
    /// `--verify-provider` and `--verify-secret`
    pub verify: Option<Verify>,
}

/// What Flux has to serve before manifests of these kinds can be applied.
const SERVED: [(&str, &str); 2] =
    [("helmreleases.helm.toolkit.fluxcd.io", "v2"), ("ocirepositories.source.toolkit.fluxcd.io", "v1")];

/// The manifests as text: of what is asked for alone, no cluster is read.
///
/// # Errors
/// A version is missing; a digest cannot be had; helm cannot read the values.
pub async fn written(ask: &Ask, options: &ManifestOptions, around: &Surroundings) -> Result<String, Problem> {
    let (crds, app) = tokio::try_join!(
        asked((&ask.crds, &ask.sources.crds), ask, options, around),
        asked((&ask.app, &ask.sources.app), ask, options, around)
    )?;
    let helm = Helm {
        program: around.programs.helm.clone(),
        cluster: ask.installation.cluster.clone(),
        registry: ask.registry.clone(),
        namespace: ask.installation.namespace.clone(),
    };
    let values = match ask.values.flags.is_empty() {
        true => Value::Object(serde_json::Map::new()),
        false => {
            values::check_files(&ask.values)?;
            let private = prepare::private_folder()?;
            let read = helm.read_values(&ask.values.flags, private.path()).await;
            read.map_err(|error| error.problem("helm cannot read the values"))?
        }
    };
    let made = Manifests {
        namespace: ask.installation.namespace.clone(),
        crds,
        app,
        values: Hidden::new(values),
        secret_ref: options.secret_ref.clone(),
        cert_secret_ref: options.cert_secret_ref.clone(),
        insecure: ask.registry.plain_http,
        verify: options.verify.clone(),
    };
    made.text().map_err(|error| Problem::failed("the manifests cannot be written as YAML").because(error))
}

async fn asked(
    (target, source): (&Target, &Option<String>),
    ask: &Ask,
    options: &ManifestOptions,
    around: &Surroundings,
) -> Result<ChartSource, Problem> {
    let ChartRef::Oci { repository, digest } = &target.chart else {
        return Err(no_registry(&target.chart));
    };
    let Some(version) = &target.version else {
        return Err(Problem::usage(format!("the manifests need a version of {}", target.chart)).hint(BOTH));
    };
    let digest = match (options.pin, digest) {
        (false, _) => None,
        (true, Some(digest)) => Some(digest.clone()),
        (true, None) => {
            let unpinned = |error| {
                Problem::new(Exit::ChecksFailed, format!("the digest of {} {version} could not be had", target.chart))
                    .because(error)
                    .hint(
                        "is the registry reachable from here? helm registry login; without --pin-digest it need not be",
                    )
            };
            let registry = Registry::new(repository, &ask.registry, around.helm_registry_config.as_deref());
            Some(registry.map_err(unpinned)?.digest(version).await.map_err(unpinned)?)
        }
    };
    let (release, url) = (target.release.clone(), format!("oci://{repository}"));
    let source = source.as_ref().unwrap_or(&release).clone();
    Ok(ChartSource { release, source, url, version: version.to_string(), digest })
}

/// What to name.
const BOTH: &str =
    "name both versions: --to (the application) and --crds (the CRD chart); either may be the one that is installed";

fn no_registry(reference: &ChartRef) -> Problem {
    Problem::usage(format!("{reference} comes from no registry: Flux could not take it from there"))
        .hint("push it first (helm push), and give --chart oci://…, --crds-chart oci://…")
}

/// The manifests of what was prepared.
fn manifests(prepared: &Prepared, options: &ManifestOptions) -> Result<Manifests, Problem> {
    let (installation, sources) = (&prepared.ask.installation, &prepared.ask.sources);
    let (crds, app) = (prepared.crds.as_ref(), prepared.app.as_ref());
    let missing = || Problem::usage("the manifests are about both charts").hint(BOTH);
    Ok(Manifests {
        namespace: installation.namespace.clone(),
        crds: chart((&installation.crds_release, &sources.crds), crds.ok_or_else(missing)?, options)?,
        app: chart((&installation.app_release, &sources.app), app.ok_or_else(missing)?, options)?,
        values: prepared.config.clone(),
        secret_ref: options.secret_ref.clone(),
        cert_secret_ref: options.cert_secret_ref.clone(),
        insecure: prepared.ask.registry.plain_http,
        verify: options.verify.clone(),
    })
}

fn chart(
    (release, source): (&str, &Option<String>),
    side: &Side,
    options: &ManifestOptions,
) -> Result<ChartSource, Problem> {
    let reference = &side.fetched.reference;
    let ChartRef::Oci { repository, .. } = reference else {
        return Err(no_registry(reference));
    };
    let digest = (side.fetched.digest.of == DigestOf::Manifest).then(|| side.fetched.digest.sha256.clone());
    if options.pin && digest.is_none() {
        return Err(Problem::new(
            Exit::ChecksFailed,
            format!("the digest of {reference} could not be had from its registry"),
        )
        .hint("log in to the registry (helm registry login), or leave --pin-digest out"));
    }
    let (release, url) = (release.to_owned(), format!("oci://{repository}"));
    Ok(ChartSource {
        source: source.as_ref().unwrap_or(&release).clone(),
        release,
        url,
        version: side.fetched.chart.version.to_string(),
        digest: digest.filter(|_| options.pin),
    })
}

/// What was prepared, with the steps of the handover instead of those of an upgrade.
///
/// # Errors
/// Somebody else keeps the releases; Flux is not there.
pub fn handed_over(mut prepared: Prepared, options: &ManifestOptions) -> Result<Prepared, Problem> {
    let made = manifests(&prepared, options)?;
    not_owned(&prepared)?;
    flux_is_served(&prepared)?;
    prepared.plan.guards.retain(|guard| guard.check != installed::CARD.id);
    prepared.plan.steps = steps(&prepared, &made);
    let all = made.secret().into_iter().chain(made.of_crds()).chain(made.of_app());
    prepared.manifests = Hidden::new(all.collect());
    Ok(prepared)
}

fn not_owned(prepared: &Prepared) -> Result<(), Problem> {
    let owned = prepared
        .view
        .owners
        .iter()
        .find(|(_, owner)| matches!(owner, Owner::Flux { .. } | Owner::Appliance { .. } | Owner::Argo { .. }));
    match owned {
        None => Ok(()),
        Some((release, owner)) => Err(Problem::new(
            Exit::Refused,
            format!("release {release} is kept by {owner}: there is nothing to hand over"),
        )
        .hint("without --apply the manifests are only written, whoever owns the releases")
        .hint("kubectl mural upgrade goes through the owner")),
    }
}

fn flux_is_served(prepared: &Prepared) -> Result<(), Problem> {
    let live =
        prepared.view.crds.as_ref().map_err(|not_seen| Problem::new(Exit::ChecksFailed, not_seen.to_string()))?;
    let serves = |name: &str, version: &str| {
        live.get(name).is_some_and(|crd: &Crd| crd.versions().any(|one| one.name == version && one.served))
    };
    match SERVED.iter().find(|(name, version)| !serves(name, version)) {
        None => Ok(()),
        Some((name, version)) => {
            Err(Problem::new(Exit::Refused, format!("Flux is not here, or too old: {name} does not serve {version}"))
                .hint("install Flux 2.6 or newer first: flux install, or its manifests"))
        }
    }
}

fn steps(prepared: &Prepared, made: &Manifests) -> Vec<Step> {
    // What is done before any release is written stays: marks, and objects that are moved.
    let before = prepared.plan.steps.iter().filter(|step| {
        matches!(step.action, Action::KeepCrds { .. } | Action::MigrateObjects { .. } | Action::UnlockRelease { .. })
    });
    let mut steps: Vec<Step> = before.cloned().collect();
    let ours = prepared.plan.crds.iter().filter(|crd| crd.decision != CrdDecision::Gone);
    let names: Vec<String> = ours.map(|crd| crd.name.clone()).collect();
    let secret = made.values_secret();
    let sides = [(true, &made.crds, prepared.crds.as_ref()), (false, &made.app, prepared.app.as_ref())];
    for (crds, chart, side) in sides {
        let named = |kind: &str| FluxRef::new(kind, &made.namespace, &chart.release);
        let source = FluxRef::new("OCIRepository", &made.namespace, &chart.source);
        let objects = [source, named(HELM_RELEASE)];
        let objects: Vec<FluxRef> = secret.iter().filter(|_| !crds).cloned().chain(objects).collect();
        let title = format!("apply {}", objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        let because =
            if crds { "the CRDs come before the application" } else { "the CRDs are served: now the application" };
        steps.push(step(
            &format!("{}-manifests", chart.release),
            title,
            Action::ApplyManifests { crds, objects },
            because,
        ));
        let digest = side.map(|side| &side.fetched.digest).filter(|digest| digest.of == DigestOf::Manifest);
        let wanted = Wanted { version: chart.version.clone(), digest: digest.map(|digest| digest.sha256.clone()) };
        let title = format!("{} is Ready at {}, by its history", named(HELM_RELEASE), chart.version);
        let because = "helm-controller takes the release over as it is, and its history says at which chart";
        let action = Action::AwaitRelease { crds, asks: true, helm_release: named(HELM_RELEASE), wanted: Some(wanted) };
        steps.push(step(&chart.release, title, action, because));
        if crds && !names.is_empty() {
            let title = format!("{} CRDs established, names accepted, served with the chart's schema", names.len());
            let because = "helm-controller calls a release Ready whatever its CRDs serve";
            steps.push(step("served", title, Action::ProveServed { names: names.clone() }, because));
        }
    }
    let because = "what was written is looked at in the end";
    steps.push(step("validate", "look at everything again".to_owned(), Action::Validate, because));
    steps
}

fn step(id: &str, title: String, action: Action, because: &str) -> Step {
    Step { id: id.to_owned(), title, action, because: because.to_owned(), command: Vec::new() }
}

/// The manifests of these objects.
pub(crate) fn of<'a>(all: &'a Hidden<Vec<Value>>, objects: &[FluxRef]) -> Vec<&'a Value> {
    let is = |manifest: &&Value| {
        objects.iter().any(|object| {
            manifest["kind"] == object.kind.as_str()
                && manifest["metadata"]["name"] == object.name.as_str()
                && manifest["metadata"]["namespace"] == object.namespace.as_str()
        })
    };
    all.reveal().iter().filter(is).collect()
}
