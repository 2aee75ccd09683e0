//! Builds charts from the corpus: the CRDs of a public project in two versions, and an application of its sample
//! resources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mural::model::yaml::{self, ErrorDetail};
use serde_json::Value;

/// How many resources of one kind and version an application has. Those that the newer CRDs refuse are all taken.
const EACH: usize = 3;

/// The corpus, where it is.
pub struct Corpus {
    folder: PathBuf,
    /// What the API server's own code says of each resource at each version of its CRD.
    verdicts: Vec<Value>,
}

/// Paths, as they are typed: the older and the newer.
pub struct Charts {
    pub crds: [String; 2],
    pub app: [String; 2],
    /// The names of the CRDs.
    pub kinds: Vec<String>,
}

impl Corpus {
    /// `shared/corpus` beside the project or above it.
    pub fn find() -> Result<Option<Self>> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = here.ancestors().map(|folder| folder.join("shared/corpus"));
        let Some(folder) = folders.into_iter().find(|folder| folder.is_dir()) else { return Ok(None) };
        let text = std::fs::read_to_string(folder.join("verdicts/resources.json"))?;
        let mut verdicts: Value = serde_json::from_str(&text)?;
        let Value::Array(verdicts) = verdicts["resources"].take() else { anyhow::bail!("no verdicts") };
        Ok(Some(Self { folder, verdicts }))
    }

    /// Both pairs of charts of a project.
    pub fn charts(&self, project: &str, from: &str, to: &str, into: &Path) -> Result<Charts> {
        let into = into.join(project);
        let old = self.crds(project, from, &into)?;
        let new = self.crds(project, to, &into)?;
        let at = [format!("{project}/{from}"), format!("{project}/{to}")];
        let older = self.resources(&at, false)?;
        let newer = self.resources(&at, true)?;
        ensure!(!older.is_empty() && !newer.is_empty(), "no resources of {project}: the test would prove nothing");
        let app = |version: &str, objects: &[Value]| app(&into.join(format!("app-{version}")), version, objects);
        let kinds = names(&old)?;
        let crds = [old, new].map(|folder| folder.display().to_string());
        Ok(Charts { crds, app: [app(from, &older)?, app(to, &newer)?], kinds })
    }

    fn crds(&self, project: &str, version: &str, into: &Path) -> Result<PathBuf> {
        let folder = into.join(format!("crds-{version}"));
        std::fs::create_dir_all(folder.join("crds"))?;
        for entry in std::fs::read_dir(self.folder.join("pairs").join(project).join(version))? {
            let entry = entry?;
            std::fs::copy(entry.path(), folder.join("crds").join(entry.file_name()))?;
        }
        write(&folder, "Chart.yaml", &meta("public-crds", version))?;
        Ok(folder)
    }

    /// The project's samples that the older CRDs take; for the newer application, those whose version the newer CRDs
    /// still serve.
    fn resources(&self, at: &[String; 2], newer: bool) -> Result<Vec<Value>> {
        let (mut all, mut names, mut counts) = (Vec::new(), BTreeSet::new(), std::collections::BTreeMap::new());
        for verdict in &self.verdicts {
            let of = |version: &String| {
                let mut judged = verdict["at"].as_array().into_iter().flatten();
                judged.find(|one| one["crdVersion"] == version.as_str())
            };
            let [Some(old), Some(new)] = [of(&at[0]), of(&at[1])] else { continue };
            let taken = old["valid"] == true && old["served"] == true;
            if !taken || newer && new["served"] != true {
                continue;
            }
            let count: &mut usize =
                counts.entry(verdict["apiVersion"].to_string() + &verdict["kind"].to_string()).or_default();
            let file = verdict["resource"].as_str().context("a file")?;
            let object = read(&self.folder.join(file))?;
            let name = format!("{} {}", verdict["kind"], object["metadata"]["name"]);
            if (*count < EACH || new["valid"] != true) && names.insert(name) {
                *count += 1;
                all.push(object);
            }
        }
        Ok(all)
    }
}

fn read(file: &Path) -> Result<Value> {
    // A sample may be a template of its project's own command, which asks for a name.
    let text = std::fs::read_to_string(file)?.replace("${CLUSTER_NAME}", "first");
    let mut object = yaml::parse_document(&text, ErrorDetail::Snippet).with_context(|| file.display().to_string())?;
    let metadata = object["metadata"].as_object_mut().context("metadata")?;
    // They come into the release's namespace.
    metadata.remove("namespace");
    Ok(object)
}

fn names(chart: &Path) -> Result<Vec<String>> {
    let files = std::fs::read_dir(chart.join("crds"))?;
    let names = files.map(|file| Ok(file?.path().file_stem().context("a name")?.to_string_lossy().into_owned()));
    names.collect()
}

fn meta(name: &str, version: &str) -> String {
    let version = version.trim_start_matches('v');
    format!(
        "apiVersion: v2\nname: {name}\nversion: {version}\nannotations: {{mural.spectrocloud.com/crds-version: \"{version}\"}}\n"
    )
}

/// The objects come as a file, since some have braces of their own.
fn app(folder: &Path, version: &str, objects: &[Value]) -> Result<String> {
    let texts: Vec<String> = objects.iter().map(|object| format!("---\n{object}\n")).collect();
    write(folder, "Chart.yaml", &meta("public-app", version))?;
    write(folder, "objects.yaml", &texts.concat())?;
    let notes = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: version}\ndata: {version: {{ .Chart.Version | quote }}}\n";
    write(folder, "templates/all.yaml", &format!("{{{{ .Files.Get \"objects.yaml\" }}}}\n{notes}"))?;
    Ok(folder.display().to_string())
}

fn write(folder: &Path, file: &str, text: &str) -> Result<()> {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    Ok(std::fs::write(path, text)?)
}
