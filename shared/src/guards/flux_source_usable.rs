//! Each chart that moves has a source that can be told a version.

use crate::guards::context::Admission;
use crate::model::chart::ChartRef;
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::flux::{FluxObject, RefInEffect, Source, SourceKind, appliance_registry};
use crate::model::view::Looked;
use crate::plan::flux::FluxWay;

/// The card.
pub static CARD: Card = Card {
    id: "flux-source-usable",
    section: Section::Guards,
    title: "each chart that moves has a source that can be told a version",
    level: Level::Error,
    why: "The version of a release that Flux makes stands in its source. One that is missing, suspended, in Git or in a bucket cannot be moved by a patch, \
          and a digest beside the version goes before it.",
    fix: "Give the HelmRelease an OCIRepository as on the vendor's page: kubectl mural upgrade flux-manifests writes it.",
};

/// The guard.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let moving: Vec<&FluxWay> = admission.flux.all().filter(|way| way.wanted.is_some()).collect();
    let unseen = moving.iter().find_map(|way| unseen(admission, way));
    if let Some(reason) = unseen {
        return Checked::new(&CARD, moving.len(), Verdict::Undetermined { reason });
    }
    let findings = moving.iter().flat_map(|way| found(admission, way)).collect();
    Checked::new(&CARD, moving.len(), Verdict::from_findings(findings))
}

fn unseen(admission: &Admission<'_>, way: &FluxWay) -> Option<String> {
    let read: &Looked<_> = admission.view.flux.sources.get(way.artifact.as_ref()?)?;
    read.as_ref().err().map(ToString::to_string)
}

fn found(admission: &Admission<'_>, way: &FluxWay) -> Vec<Finding> {
    let release = way.helm_release.named();
    let Some(artifact) = &way.artifact else {
        let hint = "set spec.chartRef to an OCIRepository: kubectl mural upgrade flux-manifests writes both";
        return vec![CARD.finding(release.to_string(), "names no chart: neither spec.chartRef nor spec.chart", hint)];
    };
    let Some(source) = &way.source else {
        let hint = format!("kubectl get {}; is its name right in {release}?", artifact.words());
        return vec![CARD.finding(
            artifact.to_string(),
            format!("is not there, and {release} takes its chart from it"),
            hint,
        )];
    };
    let mut all: Vec<Finding> = insisted(way).into_iter().collect();
    let named = source.named();
    let chart = way.chart.iter().filter(|chart| chart.named() != named);
    for named in chart.chain([source]).filter(|one| one.suspended()).map(FluxObject::named) {
        let hint = format!("kubectl patch {} --type merge --patch '{{\"spec\":{{\"suspend\":false}}}}'", named.words());
        all.push(CARD.finding(named.to_string(), "is suspended: it would not take up the new version", hint));
    }
    if way.place.is_none() {
        all.push(unpatchable(way, source));
    }
    all.extend(elsewhere(admission, way, source));
    all
}

/// A source that was named on the command line and is not the one that the HelmRelease takes its chart from.
fn insisted(way: &FluxWay) -> Option<Finding> {
    let (named, artifact) = (way.insisted.as_ref()?, way.artifact.as_ref()?);
    let behind = way.source.as_ref().is_some_and(|source| source.named().name == *named);
    (artifact.name != *named && !behind).then(|| {
        let message = format!("takes its chart from {artifact}, and not from {named}");
        let hint = "leave --source and --crds-source out: the source is found through the HelmRelease";
        CARD.finding(way.helm_release.named().to_string(), message, hint)
    })
}

fn unpatchable(way: &FluxWay, source: &Source) -> Finding {
    let named = source.named();
    if let (RefInEffect::Digest(pin), SourceKind::OciRepository) = (source.ref_in_effect(), source.kind()) {
        let message =
            format!("is pinned to {pin}, and the digest of the new version could not be had from its registry");
        let hint =
            "log in to the registry (helm registry login), so that the digest can be read and set beside the version";
        return CARD.finding(named.to_string(), message, hint);
    }
    let message = format!("is a {}: it holds no chart versions, so none can be set for {}", named.kind, way.release);
    CARD.finding(named.to_string(), message, "change the chart where that source takes it from, CRDs first")
}

/// A chart that was named on the command line and is not what the source will bring.
fn elsewhere(admission: &Admission<'_>, way: &FluxWay, source: &Source) -> Option<Finding> {
    let chart = admission.charts().find(|chart| chart.release == way.release)?;
    let ChartRef::Oci { repository, .. } = ChartRef::parse(&chart.reference).ok()? else { return None };
    let url = source.url();
    let inside =
        appliance_registry(url, admission.view.flux.registries.as_ref().map_or(&[][..], Vec::as_slice)).is_some();
    let path = |text: &str| text.split_once('/').map(|(_, path)| path.to_owned());
    let wanted = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    let same = repository == wanted || repository.starts_with(&format!("{wanted}/"));
    // The appliance's registry has another address from outside.
    let same = same || (inside && path(&repository) == path(wanted));
    (!same).then(|| {
        let message = format!("brings {} from {url}, and the chart was named as {}", way.release, chart.reference);
        let hint = "leave --chart and --crds-chart out: the source's url is never changed";
        CARD.finding(source.named().to_string(), message, hint)
    })
}
