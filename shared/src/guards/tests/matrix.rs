//! Every guard over every broken variant of `tests/charts/cases/`, as far as values alone can tell: who fires, and that all others
//! are silent; and that all are silent where nothing changes. What only a server can tell is seen in `tests/cluster/variants.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::diff;
use crate::guards::ALL;
use crate::guards::tests::scenario::{GuardScenario, rejected_crd, release_record};
use crate::model::chart::{Chart, ChartFiles};
use crate::model::check::{Level, Verdict};
use crate::model::crd::{Crd, list_template_crds};
use crate::model::dry_run::CrdDryRunResult;
use crate::model::secret::Hidden;
use crate::model::yaml::{self, ErrorDetail};

/// The guards that fire for a variant without a server. A case that is not here fires none of them.
const EXPECTED_GUARDS: [(&str, &[&str]); 8] = [
    ("crd-in-both-charts", &["crd-in-both-charts"]),
    ("crd-moved-out-of-templates", &["helm-would-delete-crds"]),
    ("crd-duplicated", &["crd-duplicated"]),
    ("custom-resource-invalid", &["custom-resources-fit"]),
    ("older-foreign-crds", &["foreign-downgrade"]),
    ("scope-changed", &["crds-dry-run"]),
    ("served-version-dropped", &["stored-manifest-served"]),
    ("stored-version-dropped", &["crds-dry-run"]),
];
/// Charts that contradict themselves do so in every upgrade.
const INVALID_ON_THEIR_OWN: [&str; 3] = ["crd-in-both-charts", "crd-duplicated", "custom-resource-invalid"];

fn charts_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/charts")
}

fn case_names() -> Vec<String> {
    let folders = std::fs::read_dir(charts_dir().join("cases")).unwrap().map(Result::unwrap);
    let mut names: Vec<String> = folders
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Lays a folder's files over others; an empty file takes away what it lies on.
fn read_layer(folder: &Path, prefix: &str, files: &mut ChartFiles) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read_layer(&entry.path(), &format!("{name}/"), files);
            continue;
        }
        match std::fs::read(entry.path()).unwrap() {
            empty if empty.is_empty() => drop(files.remove(&name)),
            bytes => drop(files.insert(name, bytes)),
        }
    }
}

/// One chart in one state: its files, and what they make.
#[derive(Clone)]
struct RenderedFixture {
    chart: Chart,
    rendered: Vec<Value>,
}

impl RenderedFixture {
    fn new(name: &str, version: &str, layers: &[PathBuf]) -> Self {
        let mut files = ChartFiles::new();
        layers.iter().for_each(|layer| read_layer(layer, "", &mut files));
        files.insert("Chart.yaml".into(), format!("name: {name}\nversion: {version}\n").into_bytes());
        let texts = files.iter().filter(|(name, _)| name.starts_with("crds/") || name.starts_with("templates/"));
        let rendered = texts.flat_map(|(_, bytes)| parse_documents(&render_template(bytes, version))).collect();
        Self { chart: Chart::from_files(&files).unwrap(), rendered }
    }

    fn crds(&self) -> BTreeMap<String, Crd> {
        let crds = self.rendered.iter().filter_map(|document| Crd::new(document.clone()).ok());
        crds.map(|crd| (crd.name().to_owned(), crd)).collect()
    }

    /// What helm keeps in the release's manifest.
    fn manifest(&self) -> String {
        let templates = list_template_crds(&self.rendered, &self.chart.folder_crds);
        let is_kept = |one: &&Value| Crd::name_of(one).is_none_or(|name| templates.iter().any(|other| other == name));
        self.rendered.iter().filter(is_kept).map(|one| format!("---\n{one}\n")).collect()
    }
}

fn parse_documents(text: &str) -> Vec<Value> {
    yaml::parse_documents(text, ErrorDetail::Snippet).unwrap()
}

/// The few things that the templates of these charts say.
fn render_template(bytes: &[u8], version: &str) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let quoted = format!("{version:?}");
    let known = [
        ("{{ .Release.Namespace }}", "mural-system"),
        ("{{ .Chart.Version | quote }}", &quoted),
        ("{{ .Chart.Version }}", version),
        ("{{ .Values.password | quote }}", "\"none\""),
        ("      {{- with .Values.node }}\n      nodeSelector: {node: {{ . }}}\n      {{- end }}\n", ""),
    ];
    let text = known.iter().fold(text, |text, (placeholder, means)| text.replace(placeholder, means));
    assert!(!text.contains("{{"), "{text}");
    text
}

/// Both charts of a variant, and what is on the cluster besides.
struct CaseCharts {
    older: [RenderedFixture; 2],
    newer: [RenderedFixture; 2],
    before: BTreeMap<String, Crd>,
}

impl CaseCharts {
    fn read(case: &str) -> Self {
        let (case_dir, small) = (charts_dir().join("cases").join(case), charts_dir().join("small"));
        let older = |name: &str| small.join("older").join(name);
        let newer = |name: &str, version: &str| {
            RenderedFixture::new(name, version, &[older(name), small.join("newer").join(name), case_dir.join(name)])
        };
        let before = std::fs::read_to_string(case_dir.join("before.yaml")).unwrap_or_default();
        let before = parse_documents(&before).into_iter().filter_map(|document| Crd::new(document).ok());
        Self {
            older: [
                RenderedFixture::new("mural-crds", "0.7.1", &[older("mural-crds"), case_dir.join("older-crds")]),
                RenderedFixture::new("mural", "1.1.0-rc.0", &[older("mural")]),
            ],
            newer: [newer("mural-crds", "0.7.4"), newer("mural", "1.1.0-rc.3")],
            before: before.map(|crd| (crd.name().to_owned(), crd)).collect(),
        }
    }

    /// The guards that fire where the one pair runs and the other is wanted.
    fn firing_guards(&self, runs: &[RenderedFixture; 2], wanted: &[RenderedFixture; 2]) -> Vec<&'static str> {
        let mut live = self.before.clone();
        live.extend(runs.iter().flat_map(RenderedFixture::crds));
        let live: BTreeMap<String, Crd> =
            live.into_iter().map(|(name, crd)| (name, with_stored_version(&crd))).collect();
        let scenario = GuardScenario::with(|scenario| {
            scenario.forecasts = wanted
                .iter()
                .flat_map(RenderedFixture::crds)
                .map(|(name, crd)| predict_dry_run(&live, name, crd))
                .collect();
            for (name, fixture) in ["mural-crds", "mural"].into_iter().zip(runs) {
                let mut stored = release_record(name, &fixture.chart.version.to_string(), "deployed", "");
                stored.crd_names.clone_from(&fixture.chart.folder_crds);
                stored.manifest = Hidden::new(fixture.manifest());
                scenario.set_record(stored);
            }
            scenario.view.crds = Ok(live);
            let [crds, app] = wanted.clone();
            (scenario.crds_chart, scenario.rendered_crds) = (crds.chart, crds.rendered);
            (scenario.app_chart, scenario.rendered_app) = (app.chart, app.rendered);
        });
        let speaks = |id: &str| match scenario.run_guard(id) {
            Verdict::Fail { findings } => findings.iter().any(|finding| finding.level != Level::Info),
            Verdict::Undetermined { reason } => panic!("{id}: {reason}"),
            Verdict::Pass | Verdict::Skipped { .. } => false,
        };
        ALL.iter().map(|guard| guard.card.id).filter(|id| speaks(id)).collect()
    }
}

/// A CRD as the server keeps it: its objects are stored in the storage version.
fn with_stored_version(crd: &Crd) -> Crd {
    let mut json = crd.json().clone();
    json["status"] = json!({"storedVersions": [crd.storage_version()]});
    Crd::new(json).unwrap()
}

fn predict_dry_run(live: &BTreeMap<String, Crd>, name: String, crd: Crd) -> (String, CrdDryRunResult) {
    let refusals =
        live.get(&name).map(|old| diff::predict_update_rejections(old.json(), crd.json())).unwrap_or_default();
    let answer = refusals.first().map_or(CrdDryRunResult::Accepted(crd), |refusal| rejected_crd(&refusal.to_string()));
    (name, answer)
}

#[test]
fn every_guard_over_every_variant() {
    let mut matched_cases = 0;
    for case in case_names() {
        let variant = CaseCharts::read(&case);
        let expected = EXPECTED_GUARDS.iter().find(|(name, _)| *name == case).map_or(&[][..], |(_, guards)| *guards);
        assert_eq!(variant.firing_guards(&variant.older, &variant.newer), expected, "{case}");
        matched_cases += usize::from(!expected.is_empty());
    }
    assert_eq!(matched_cases, EXPECTED_GUARDS.len(), "a case of this table has no folder");
}

#[test]
fn no_guard_speaks_where_nothing_changes() {
    for case in case_names() {
        let variant = CaseCharts::read(&case);
        assert_eq!(variant.firing_guards(&variant.older, &variant.older), [""; 0], "{case}: older, older");
        let silent = !INVALID_ON_THEIR_OWN.contains(&case.as_str());
        assert_eq!(variant.firing_guards(&variant.newer, &variant.newer).is_empty(), silent, "{case}: newer, newer");
    }
}
