//! Charts become bytes, bytes become objects: pulled once, rendered once.

mod post_render;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ask::{Ask, Target};
use crate::cluster::Cluster;
use crate::model::chart::{DigestOf, SchemaRefusal, packed_as_flux_does, packed_with_values};
use crate::model::crd::{self, Crd};
use crate::model::flux::{FluxObject, SourceKind};
use crate::model::release::ReleaseRecord;
use crate::model::secret::{Hidden, scrubbed, secrets};
use crate::model::view::ClusterView;
use crate::prepare::values;
use crate::prepare::values::Next;
use crate::problem::Problem;
use crate::tools::chart::{Fetched, fetch};
use crate::tools::helm::{Helm, Template};
use crate::tools::helm_read;
use crate::tools::kubectl::Kubectl;

/// One chart that moves: its bytes and what they render to.
pub struct Side {
    /// The chart's bytes.
    pub fetched: Fetched,
    /// What it renders to, CRDs included.
    pub rendered: Vec<Value>,
    /// What its schemas refuse of the values, secrets masked.
    pub schema_refusals: Vec<SchemaRefusal>,
    /// Why the HelmRelease's post-renderers are not in what it renders to; none where they are, or there are none.
    pub not_forecast: Option<String>,
}

impl Side {
    /// What helm will keep in the release's manifest: what stands in `crds/` is installed beside it.
    #[must_use]
    pub fn kept(&self) -> Vec<Value> {
        let chart = &self.fetched.chart;
        self.rendered.iter().filter(|document| !chart.keeps_beside(document)).cloned().collect()
    }
}

/// Both charts, rendered.
pub struct Rendered {
    /// The CRD chart, where it moves.
    pub crds: Option<Side>,
    /// The application, where it moves.
    pub app: Option<Side>,
    /// Every CRD of both, by name; the CRD chart's where both have one.
    pub wanted: BTreeMap<String, Crd>,
    /// The user's values of the application's next revision.
    pub config: Hidden<Value>,
}

impl Rendered {
    /// The CRDs that helm writes as templates of a chart, each with its release; what stands in a `crds/` folder is ours to apply.
    #[must_use]
    pub fn with_release(&self, ask: &Ask) -> BTreeMap<String, String> {
        let installation = &ask.installation;
        let sides = [(&self.app, &installation.app_release), (&self.crds, &installation.crds_release)];
        let sides = sides.into_iter().filter_map(|(side, release)| Some((side.as_ref()?, release)));
        let ours: BTreeSet<&String> =
            [&self.crds, &self.app].into_iter().flatten().flat_map(|side| &side.fetched.chart.crds_folder).collect();
        // The CRD chart's comes last: it is written first, and by then there.
        let all = sides.flat_map(|(side, release)| {
            let names = crd::templates(&side.rendered, &side.fetched.chart.crds_folder);
            names.into_iter().map(|name| (name, release.clone()))
        });
        all.filter(|(name, _)| !ours.contains(name)).collect()
    }

    /// How much the charts render to, in words.
    #[must_use]
    pub fn told(&self) -> String {
        let objects: usize = [&self.crds, &self.app].into_iter().flatten().map(|side| side.rendered.len()).sum();
        format!("{} CRDs, {} other objects", self.wanted.len(), objects.saturating_sub(self.wanted.len()))
    }
}

/// Whether a chart moves: a version is asked for, or the chart carries its own (a local one, or one pinned by its digest).
const fn moves(target: &Target) -> bool {
    target.version.is_some() || !target.chart.needs_version()
}

/// Fetches the charts that move, both at once.
///
/// # Errors
/// As [`fetch`]. Where neither moves, the application's missing version is the problem, with the newest one found.
pub async fn fetch_both(
    helm: &Helm,
    ask: &Ask,
    private: &Path,
    helm_config: Option<&Path>,
) -> Result<(Option<Fetched>, Option<Fetched>), Problem> {
    let one = |target: &Target, wanted: bool| {
        let (chart, version) = (target.chart.clone(), target.version.clone());
        async move {
            if !wanted {
                return Ok(None);
            }
            fetch(helm, &chart, version.as_ref(), private, helm_config).await.map(Some)
        }
    };
    let neither = !moves(&ask.crds) && !moves(&ask.app);
    let (crds, app) = tokio::join!(one(&ask.crds, moves(&ask.crds)), one(&ask.app, moves(&ask.app) || neither));
    Ok((crds?, app?))
}

/// Renders what was fetched: the CRD chart first, since the application's forecast is told what it brings.
///
/// # Errors
/// A chart does not render, or helm refuses the values.
pub async fn both(
    (helm, kubectl): (&Helm, &Kubectl),
    ask: &Ask,
    view: &ClusterView,
    cluster: &Cluster,
    charts: (Option<Fetched>, Option<Fetched>),
    private: &Path,
) -> Result<Rendered, Problem> {
    let record = view.newest(&ask.installation.app_release).ok().flatten();
    let crds = async {
        match charts.0 {
            Some(fetched) => crds_side((helm, kubectl), ask, view, fetched, private).await.map(Some),
            None => Ok(None),
        }
    };
    let (next, crds) = tokio::join!(values::next(helm, &ask.values, record, private), crds);
    let (next, crds) = (next?, crds?);
    let app = match charts.1 {
        Some(fetched) => {
            Some(app_side((helm, kubectl), ask, view, cluster, fetched, crds.as_ref(), (&next, private), record).await?)
        }
        None => None,
    };
    let wanted = wanted(crds.as_ref(), app.as_ref());
    Ok(Rendered { crds, app, wanted, config: next.config })
}

async fn crds_side(
    (helm, kubectl): (&Helm, &Kubectl),
    ask: &Ask,
    view: &ClusterView,
    fetched: Fetched,
    private: &Path,
) -> Result<Side, Problem> {
    let release = &ask.installation.crds_release;
    let as_flux = as_flux_names_it(ask, view, release, &fetched)?;
    let template = Template {
        release,
        chart: as_flux.as_deref().unwrap_or(&fetched.file),
        values_files: &[],
        values: &[],
        kube_version: &view.hub.version,
        api_versions: &[],
        include_crds: true,
        is_upgrade: view.newest(release).ok().flatten().is_some(),
        passed: &hooks(ask),
    };
    let (mut rendered, schema_refusals) = rendered(helm, template, &fetched).await?;
    let not_forecast = by_flux((ask, view), kubectl, release, &fetched, private, &mut rendered).await;
    Ok(Side { fetched, rendered, schema_refusals, not_forecast })
}

#[expect(clippy::too_many_arguments, reason = "a forecast needs all of this, and it is asked for in one place")]
async fn app_side(
    (helm, kubectl): (&Helm, &Kubectl),
    ask: &Ask,
    view: &ClusterView,
    cluster: &Cluster,
    fetched: Fetched,
    crds: Option<&Side>,
    (next, private): (&Next, &Path),
    record: Option<&ReleaseRecord>,
) -> Result<Side, Problem> {
    let mut api_versions = cluster.api_versions().await.map_err(|error| error.problem(&cluster.context))?;
    api_versions.extend(brought(crds));
    api_versions.sort();
    api_versions.dedup();
    let values_files = [next.file.clone()];
    let reusing = next.instead.as_ref().map(|values| reusing(&fetched, values)).transpose()?;
    let as_flux = as_flux_names_it(ask, view, &ask.installation.app_release, &fetched)?;
    let chart = reusing.as_deref().or(as_flux.as_deref()).unwrap_or(&fetched.file);
    let passed: Vec<String> = hooks(ask).into_iter().chain(ask.helm.post_renderer_words()).collect();
    let template = Template {
        release: &ask.installation.app_release,
        chart,
        values_files: &values_files,
        values: &[],
        kube_version: &view.hub.version,
        api_versions: &api_versions,
        include_crds: true,
        is_upgrade: record.is_some(),
        passed: &passed,
    };
    let (mut rendered, mut schema_refusals) = rendered(helm, template, &fetched).await?;
    let secrets = secrets(next.config.reveal());
    for refusal in &mut schema_refusals {
        // A pattern's refusal quotes the value.
        refusal.words = scrubbed(&refusal.words, &secrets);
    }
    let release = &ask.installation.app_release;
    let not_forecast = by_flux((ask, view), kubectl, release, &fetched, private, &mut rendered).await;
    Ok(Side { fetched, rendered, schema_refusals, not_forecast })
}

/// What a chart renders to. Where its schema refuses the values, what it would render to without: so that all that is wrong is
/// told at once, and a guard refuses.
async fn rendered(
    helm: &Helm,
    template: Template<'_>,
    fetched: &Fetched,
) -> Result<(Vec<Value>, Vec<SchemaRefusal>), Problem> {
    let error = match helm.template(&template).await {
        Ok(rendered) => return Ok((rendered, Vec::new())),
        Err(error) => error,
    };
    let refusals = helm_read::schema_refusals(error.stderr());
    if refusals.is_empty() {
        return Err(unrendered(fetched, error));
    }
    let passed = [template.passed, &["--skip-schema-validation".to_owned()]].concat();
    let without = helm.template(&Template { passed: &passed, ..template }).await;
    Ok((without.map_err(|_| unrendered(fetched, error))?, refusals))
}

/// The chart as `--reuse-values` changes it, beside the one that helm is given.
fn reusing(fetched: &Fetched, values: &Hidden<Value>) -> Result<PathBuf, Problem> {
    let file = fetched.file.with_file_name("reused-values.tgz");
    let written = packed_with_values(&fetched.files, values.reveal()).and_then(|bytes| std::fs::write(&file, bytes));
    written.map_err(|error| Problem::failed("cannot write a private file").because(error))?;
    Ok(file)
}

/// The chart under the version that helm-controller will give it, beside the one that was fetched; none where helm writes the release.
fn as_flux_names_it(
    ask: &Ask,
    view: &ClusterView,
    release: &str,
    fetched: &Fetched,
) -> Result<Option<PathBuf>, Problem> {
    let maker = view.flux.maker(release, &ask.installation.namespace);
    let source = maker.and_then(|maker| view.flux.source_of(maker));
    let from_oci = source.is_some_and(|source| source.kind() == SourceKind::OciRepository);
    if !from_oci || fetched.digest.of != DigestOf::Manifest {
        return Ok(None);
    }
    let file = fetched.file.with_file_name("as-flux-names-it.tgz");
    let packed = packed_as_flux_does(&fetched.files, &fetched.chart.version, &fetched.digest);
    packed
        .and_then(|bytes| std::fs::write(&file, bytes))
        .map_err(|error| Problem::failed("cannot write a private file").because(error))?;
    Ok(Some(file))
}

/// What helm-controller makes of what a chart renders to; the reason where that cannot be told.
async fn by_flux(
    (ask, view): (&Ask, &ClusterView),
    kubectl: &Kubectl,
    release: &str,
    fetched: &Fetched,
    private: &Path,
    rendered: &mut Vec<Value>,
) -> Option<String> {
    let renderers = view.flux.maker(release, &ask.installation.namespace)?.post_renderers();
    let post = match renderers.is_empty() {
        true => Ok(()),
        false => post_render::rendered(kubectl, &renderers, &fetched.chart, private, rendered).await,
    };
    marked_by_flux(ask, view, release, fetched, rendered);
    post.err()
}

/// The labels that helm-controller gives every object of a release, but for what stands in `crds/` (`internal/postrender`, origin labels).
fn marked_by_flux(ask: &Ask, view: &ClusterView, release: &str, fetched: &Fetched, rendered: &mut [Value]) {
    let Some(maker) = view.flux.maker(release, &ask.installation.namespace) else { return };
    let named = maker.named();
    for document in rendered.iter_mut().filter(|document| !fetched.chart.keeps_beside(document)) {
        for (key, value) in [("name", &named.name), ("namespace", &named.namespace)] {
            document["metadata"]["labels"][format!("{MARK}{key}")] = value.as_str().into();
        }
    }
}

/// What the labels of helm-controller begin with.
const MARK: &str = "helm.toolkit.fluxcd.io/";

/// Of helm's own flags, what `helm template` takes too.
fn hooks(ask: &Ask) -> Vec<String> {
    if ask.helm.no_hooks { vec!["--no-hooks".to_owned()] } else { Vec::new() }
}

/// What chart 1 will serve, as charts ask for it: `group/version` and `group/version/Kind`.
fn brought(crds: Option<&Side>) -> Vec<String> {
    let all = crds.into_iter().flat_map(|side| &side.rendered).filter_map(|document| Crd::new(document.clone()).ok());
    all.flat_map(|crd| {
        let served: Vec<String> =
            crd.versions().filter(|version| version.served).map(|version| version.name.to_owned()).collect();
        let name = |version: &String| format!("{}/{version}", crd.group());
        served
            .iter()
            .flat_map(|version| [name(version), format!("{}/{}", name(version), crd.kind())])
            .collect::<Vec<_>>()
    })
    .collect()
}

fn wanted(crds: Option<&Side>, app: Option<&Side>) -> BTreeMap<String, Crd> {
    let mut all = BTreeMap::new();
    for document in [crds, app].into_iter().flatten().flat_map(|side| &side.rendered) {
        if let Ok(crd) = Crd::new(document.clone()) {
            all.entry(crd.name().to_owned()).or_insert(crd);
        }
    }
    all
}

fn unrendered(fetched: &Fetched, error: crate::tools::error::ToolError) -> Problem {
    let chart = &fetched.chart;
    error
        .problem(format!("the chart {} {} does not render", chart.name, chart.version))
        .hint("helm's own words are above: a value that its schema refuses, or one that is missing?")
}
