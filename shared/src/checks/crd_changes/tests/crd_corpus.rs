//! Over the public CRD updates and custom resources of the corpus, where it lies beside the project: no false alarm, no
//! miss, and an answer to all that the best other tool says. Without it these tests say so and prove nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::checks::crd_changes::tests::*;
use crate::diff;
use crate::model::yaml::{self, ErrorDetail};
use crate::schema::{Schema, Validity};

/// The verdicts were made as servers up to 1.35 judge.
const CORPUS_SERVER_VERSION: ServerVersion = ServerVersion::new(1, 35);

struct Corpus {
    folder: PathBuf,
    updates: Vec<Value>,
    resources: Vec<Value>,
}

fn read_document(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    yaml::parse_document(&text, ErrorDetail::Snippet).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Corpus {
    fn find() -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let found = here.ancestors().map(|folder| folder.join("shared/corpus")).find(|folder| folder.is_dir());
        let Some(folder) = found else {
            println!("no shared/corpus beside {} or above: nothing was looked at", here.display());
            return None;
        };
        let list = |file: &str, key: &str| -> Vec<Value> {
            let text = std::fs::read_to_string(folder.join("verdicts").join(file)).unwrap();
            let mut all: Value = serde_json::from_str(&text).unwrap();
            serde_json::from_value(all[key].take()).unwrap()
        };
        let (updates, resources) = (list("crd-updates.json", "updates"), list("resources.json", "resources"));
        Some(Self { folder, updates, resources })
    }

    fn read_crd(&self, update: &Value, side: &str) -> Option<Crd> {
        Crd::new(read_document(&self.folder.join(update[side].as_str().unwrap()))).ok()
    }

    /// The resources of an update's kind, and what the API server's code says this update does to them.
    fn resources<'a>(&'a self, update: &'a Value) -> impl Iterator<Item = (&'a Value, Option<&'a Value>)> {
        let step = update["id"].as_str().unwrap().rsplit('/').next().unwrap();
        let step = format!("{}/{step}", update["project"].as_str().unwrap());
        let of_kind = self.resources.iter().filter(|one| one["crd"] == update["crd"]);
        of_kind.map(move |one| {
            let all = one["upgrades"].as_array().into_iter().flatten();
            (one, all.clone().find(|upgrade| upgrade["upgrade"] == step.as_str()))
        })
    }
}

/// Whether the server's own code says that an object is hurt: it is pruned, or could not be made again.
fn is_affected(upgrade: &Value) -> bool {
    ["prunedAfterUpgrade", "invalidAfterUpgrade"].iter().any(|key| upgrade.get(key).is_some())
}

/// Noise is not ours to grade: an update that the server takes, that changes nothing for any object of the corpus, and in
/// which no version leaves service must give no error, of whatever check.
#[derive(Default)]
struct FalseAlarms {
    updates: usize,
    ours: Vec<String>,
    crdify: usize,
}

impl FalseAlarms {
    fn record(&mut self, update: &Value, old: &Crd, new: &Crd, verdict: &CrdVerdict) {
        let served = |crd: &Crd, name: &str| crd.versions().any(|version| version.served && version.name == name);
        let leaves = old.versions().any(|version| version.served && !served(new, version.name));
        if leaves {
            return;
        }
        self.updates += 1;
        self.crdify += usize::from(update["crdify"]["findings"].as_array().is_some_and(|all| !all.is_empty()));
        let errors = verdict.findings.iter().filter(|finding| finding.level == Level::Error);
        self.ours.extend(errors.map(|error| format!("{}: affects no object, but {error:?}", update["id"])));
    }
}

#[test]
fn no_false_alarm_and_no_miss() {
    let Some(corpus) = Corpus::find() else { return };
    let (mut asked, mut objects, mut hurt, mut unused, mut wrong) = (0, 0, 0, 0, Vec::new());
    let mut noise = FalseAlarms::default();
    for update in &corpus.updates {
        let id = update["id"].as_str().unwrap();
        let (Some(old), Some(new)) = (corpus.read_crd(update, "old"), corpus.read_crd(update, "new")) else { continue };
        let (evidence, looked, theirs) = collect_evidence(&corpus, update, &old, &new);
        objects += looked;
        let (ours, unsure) = (evidence.objects_affected, evidence.undetermined.clone());
        // The corpus judges an object in its own version alone: what the next write stores in another one, it does not see.
        let moved_with_loss = evidence.objects_losing_fields > 0;
        let (old_side, new_side, answer) = (Some(&old), Some(&new), ServerAnswer::NotAsked);
        let verdict =
            crate::checks::crd_changes::tests::judge_crd(old_side, new_side, evidence, CORPUS_SERVER_VERSION, answer);
        let accepted = update["apiserver"]["accepted"] == true;
        asked += 1;
        hurt += theirs;
        if accepted != verdict.server_errors.is_empty() && !is_beta(&new) {
            wrong.push(format!("{id}: accepted {accepted}, we say {:?}", verdict.server_errors));
        }
        if accepted && theirs == 0 && unsure.is_none() && !moved_with_loss {
            noise.record(update, &old, &new, &verdict);
        }
        let of_rules = |finding: &&CrdFinding| matches!(finding.check, "rule-unsupported" | "rule-costly");
        for finding in verdict.findings.iter().filter(|_| accepted).filter(of_rules) {
            unused += 1;
            println!("a rule that the server takes: {id} {finding:?}");
        }
        if theirs > 0 && ours == 0 && unsure.is_none() {
            wrong.push(format!("{id}: {theirs} objects are hurt, and none of them was found"));
        }
    }
    println!("{asked} updates, {objects} objects judged, {hurt} hurt in the server's words");
    let (harmless, ours) = (noise.updates, noise.ours.len());
    println!("noise: {harmless} harmless updates; errors of ours {ours}, flagged by crdify {}", noise.crdify);
    println!("rules that the server takes and we doubt: {unused}");
    wrong.extend(noise.ours);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 0 && objects > 0 && hurt > 0);
}

/// The objects of an update as a cluster holds them, in the storage version and valid: how many, and how many of them the
/// server's own code calls hurt.
fn collect_evidence(corpus: &Corpus, update: &Value, old: &Crd, new: &Crd) -> (Evidence, usize, usize) {
    let mut judge = EvidenceCollector::new(old, new, CORPUS_SERVER_VERSION, ObjectSource::Live);
    let (stored, mut looked, mut theirs) = (format!("{}/{}", old.group(), old.storage_version()), 0, 0);
    let before = Schema::from_crd(old, old.storage_version(), CORPUS_SERVER_VERSION).unwrap();
    for (resource, upgrade) in corpus.resources(update) {
        let object = read_document(&corpus.folder.join(resource["resource"].as_str().unwrap()));
        if resource["apiVersion"] != stored || before.validate(&object).create != Validity::Valid {
            continue;
        }
        judge.add_live_object(&object);
        theirs += usize::from(upgrade.is_some_and(is_affected));
        looked += 1;
    }
    (judge.finish(), looked, theirs)
}

/// A manifest of the API that ended with 1.22; the verdicts convert it first.
fn is_beta(crd: &Crd) -> bool {
    crd.json()["apiVersion"] == "apiextensions.k8s.io/v1beta1"
}

#[test]
fn every_finding_of_crdify_has_an_answer() {
    let Some(corpus) = Corpus::find() else { return };
    let mut rows: BTreeMap<String, (usize, Vec<String>)> = BTreeMap::new();
    for update in &corpus.updates {
        let (Some(old), Some(new)) = (corpus.read_crd(update, "old"), corpus.read_crd(update, "new")) else { continue };
        if is_beta(&old) || is_beta(&new) {
            continue;
        }
        let answer = Answers::new(&old, &new);
        for finding in update["crdify"]["findings"].as_array().into_iter().flatten() {
            let text = |key: &str| finding[key].as_str().unwrap_or_default();
            let row = rows.entry(format!("{} {}", text("scope"), text("rule"))).or_default();
            row.0 += 1;
            if !answer.has_answer(text("scope"), text("version"), text("property")) {
                row.1.push(format!("{}: {finding}", update["id"].as_str().unwrap()));
            }
        }
    }
    rows.iter()
        .for_each(|(rule, (count, missed))| println!("{rule:<40} {count:>4}, without an answer {}", missed.len()));
    let missed: Vec<&String> = rows.values().flat_map(|(_, missed)| missed).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(rows.values().map(|(count, _)| count).sum::<usize>() > 0);
}

/// What we say of an update, by place.
struct Answers {
    changes: Vec<(Option<String>, String)>,
    version_pairs: Vec<(String, String)>,
    crd_changed: bool,
}

impl Answers {
    fn new(old: &Crd, new: &Crd) -> Self {
        let changes = diff::compare_crds(old.json(), new.json());
        let crd_changed = !changes.is_empty() || !diff::predict_update_rejections(old.json(), new.json()).is_empty();
        let place = |change: &diff::Change| change.path.as_ref().map(ToString::to_string).unwrap_or_default();
        Self {
            changes: changes.iter().map(|change| (change.version.clone(), place(change))).collect(),
            version_pairs: compare_version_pairs(new),
            crd_changed,
        }
    }

    /// At that place, or right above or below it: a field that goes takes all below with it, and `required` names a field
    /// where the other tool names its parent.
    fn has_answer(&self, scope: &str, version: &str, property: &str) -> bool {
        let near = |place: &str| place.starts_with(property) || property.starts_with(place);
        match scope {
            "sameVersion" => {
                self.changes.iter().any(|(of, place)| of.as_deref().is_none_or(|of| of == version) && near(place))
            }
            "servedVersion" => self
                .version_pairs
                .iter()
                .any(|(pair, what)| pair == version && near(what.split(' ').next().unwrap_or_default())),
            _ => self.crd_changed,
        }
    }
}

/// Where the versions of a CRD differ, whatever that does.
fn compare_version_pairs(crd: &Crd) -> Vec<(String, String)> {
    let versions = crd.json()["spec"]["versions"].as_array().unwrap();
    let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
    let both = versions.iter().flat_map(|from| versions.iter().map(move |to| (from, to)));
    let places = both.flat_map(|(from, to)| {
        let pair = format!("{} -> {}", from["name"].as_str().unwrap(), to["name"].as_str().unwrap());
        let changes = diff::compare_schemas(&schema(from), &schema(to));
        changes
            .into_iter()
            .map(move |change| (pair.clone(), change.path.map(|path| path.to_string()).unwrap_or_default()))
    });
    places.collect()
}
