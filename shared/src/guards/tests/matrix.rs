//! Every guard over every broken variant of `tests/charts/cases/`, as far as values alone can tell: who fires, and that all others
//! are silent; and that all are silent where nothing changes. What only a server can tell is seen in `tests/cluster/variants.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::diff;
use crate::guards::ALL;
use crate::guards::tests::world::{World, record};
use crate::model::chart::{Chart, Files};
use crate::model::check::{Level, Verdict};
use crate::model::crd::{Crd, templates};
use crate::model::dry_run::ServerAnswer;
use crate::model::secret::Hidden;
use crate::model::yaml::{self, Quote};

/// The guards that fire for a variant without a server. A case that is not here fires none of them.
const FIRES: [(&str, &[&str]); 8] = [
    ("crd-in-both-charts", &["crd-in-both-charts"]),
    ("crd-moved-out-of-templates", &["helm-would-delete-crds"]),
    ("crd-twice", &["crd-twice"]),
    ("custom-resource-invalid", &["custom-resources-fit"]),
    ("older-foreign-crds", &["foreign-downgrade"]),
    ("scope-changed", &["crds-dry-run"]),
    ("served-version-dropped", &["stored-manifest-served"]),
    ("stored-version-dropped", &["crds-dry-run"]),
];
/// Charts that contradict themselves do so in every upgrade.
const WRONG_BY_THEMSELVES: [&str; 3] = ["crd-in-both-charts", "crd-twice", "custom-resource-invalid"];

fn charts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/charts")
}

fn cases() -> Vec<String> {
    let folders = std::fs::read_dir(charts().join("cases")).unwrap().map(Result::unwrap);
    let mut names: Vec<String> = folders
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Lays a folder's files over others; an empty file takes away what it lies on.
fn lay(folder: &Path, prefix: &str, files: &mut Files) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            lay(&entry.path(), &format!("{name}/"), files);
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
struct Made {
    chart: Chart,
    rendered: Vec<Value>,
}

impl Made {
    fn new(name: &str, version: &str, layers: &[PathBuf]) -> Self {
        let mut files = Files::new();
        layers.iter().for_each(|layer| lay(layer, "", &mut files));
        files.insert("Chart.yaml".into(), format!("name: {name}\nversion: {version}\n").into_bytes());
        let texts = files.iter().filter(|(name, _)| name.starts_with("crds/") || name.starts_with("templates/"));
        let rendered = texts.flat_map(|(_, bytes)| documents(&rendered(bytes, version))).collect();
        Self { chart: Chart::from_files(&files).unwrap(), rendered }
    }

    fn crds(&self) -> BTreeMap<String, Crd> {
        let crds = self.rendered.iter().filter_map(|document| Crd::new(document.clone()).ok());
        crds.map(|crd| (crd.name().to_owned(), crd)).collect()
    }

    /// What helm keeps in the release's manifest.
    fn manifest(&self) -> String {
        let kept = templates(&self.rendered, &self.chart.crds_folder);
        let is_kept = |one: &&Value| Crd::name_of(one).is_none_or(|name| kept.iter().any(|other| other == name));
        self.rendered.iter().filter(is_kept).map(|one| format!("---\n{one}\n")).collect()
    }
}

fn documents(text: &str) -> Vec<Value> {
    yaml::documents(text, Quote::Snippet).unwrap()
}

/// The few things that the templates of these charts say.
fn rendered(bytes: &[u8], version: &str) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let quoted = format!("{version:?}");
    let known = [
        ("{{ .Release.Namespace }}", "mural-system"),
        ("{{ .Chart.Version | quote }}", &quoted),
        ("{{ .Chart.Version }}", version),
        ("{{ .Values.password | quote }}", "\"none\""),
        ("      {{- with .Values.node }}\n      nodeSelector: {node: {{ . }}}\n      {{- end }}\n", ""),
    ];
    let text = known.iter().fold(text, |text, (said, means)| text.replace(said, means));
    assert!(!text.contains("{{"), "{text}");
    text
}

/// Both charts of a variant, and what is on the cluster besides.
struct Variant {
    older: [Made; 2],
    newer: [Made; 2],
    before: BTreeMap<String, Crd>,
}

impl Variant {
    fn of(case: &str) -> Self {
        let (own, small) = (charts().join("cases").join(case), charts().join("small"));
        let older = |name: &str| small.join("older").join(name);
        let newer = |name: &str, version: &str| {
            Made::new(name, version, &[older(name), small.join("newer").join(name), own.join(name)])
        };
        let before = std::fs::read_to_string(own.join("before.yaml")).unwrap_or_default();
        let before = documents(&before).into_iter().filter_map(|document| Crd::new(document).ok());
        Self {
            older: [
                Made::new("mural-crds", "0.7.1", &[older("mural-crds"), own.join("older-crds")]),
                Made::new("mural", "1.1.0-rc.0", &[older("mural")]),
            ],
            newer: [newer("mural-crds", "0.7.4"), newer("mural", "1.1.0-rc.3")],
            before: before.map(|crd| (crd.name().to_owned(), crd)).collect(),
        }
    }

    /// The guards that fire where the one pair runs and the other is wanted.
    fn fires(&self, runs: &[Made; 2], wanted: &[Made; 2]) -> Vec<&'static str> {
        let mut live = self.before.clone();
        live.extend(runs.iter().flat_map(Made::crds));
        let live: BTreeMap<String, Crd> = live.into_iter().map(|(name, crd)| (name, stored(&crd))).collect();
        let world = World::bent(|world| {
            world.forecasts = wanted.iter().flat_map(Made::crds).map(|(name, crd)| answer(&live, name, crd)).collect();
            for (name, made) in ["mural-crds", "mural"].into_iter().zip(runs) {
                let mut stored = record(name, &made.chart.version.to_string(), "deployed", "");
                stored.crds.clone_from(&made.chart.crds_folder);
                stored.manifest = Hidden::new(made.manifest());
                world.store(stored);
            }
            world.view.crds = Ok(live);
            let [crds, app] = wanted.clone();
            (world.crds_chart, world.rendered_crds) = (crds.chart, crds.rendered);
            (world.chart, world.rendered) = (app.chart, app.rendered);
        });
        let speaks = |id: &str| match world.ask(id) {
            Verdict::Fail { findings } => findings.iter().any(|finding| finding.level != Level::Info),
            Verdict::Undetermined { reason } => panic!("{id}: {reason}"),
            Verdict::Pass | Verdict::Skipped { .. } => false,
        };
        ALL.iter().map(|(card, _)| card.id).filter(|id| speaks(id)).collect()
    }
}

/// A CRD as the server keeps it: its objects are stored in the storage version.
fn stored(crd: &Crd) -> Crd {
    let mut json = crd.json().clone();
    json["status"] = json!({"storedVersions": [crd.storage_version()]});
    Crd::new(json).unwrap()
}

fn answer(live: &BTreeMap<String, Crd>, name: String, crd: Crd) -> (String, ServerAnswer) {
    let refusals = live.get(&name).map(|old| diff::server_refusals(old.json(), crd.json())).unwrap_or_default();
    let answer = refusals.first().map_or(Ok(crd), |refusal| Err(refusal.to_string()));
    (name, answer)
}

#[test]
fn every_guard_over_every_variant() {
    let mut seen = 0;
    for case in cases() {
        let variant = Variant::of(&case);
        let expected = FIRES.iter().find(|(name, _)| *name == case).map_or(&[][..], |(_, guards)| *guards);
        assert_eq!(variant.fires(&variant.older, &variant.newer), expected, "{case}");
        seen += usize::from(!expected.is_empty());
    }
    assert_eq!(seen, FIRES.len(), "a case of this table has no folder");
}

#[test]
fn no_guard_speaks_where_nothing_changes() {
    for case in cases() {
        let variant = Variant::of(&case);
        assert_eq!(variant.fires(&variant.older, &variant.older), [""; 0], "{case}: older, older");
        let silent = !WRONG_BY_THEMSELVES.contains(&case.as_str());
        assert_eq!(variant.fires(&variant.newer, &variant.newer).is_empty(), silent, "{case}: newer, newer");
    }
}
