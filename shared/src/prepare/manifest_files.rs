//! CRDs and objects from files, with the file and line of each and of each problem.

use std::fs;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

use crate::checks::crd_changes::CrdFinding;
use crate::diff::Segment;
use crate::model::crd::{CRD_KIND, Crd};
use crate::model::yaml::THREAD_STACK_BYTES;
use crate::model::yaml::{self, DuplicateKey, ErrorDetail, YamlText};
use crate::model::yaml_location::{self, PathSegment};
use crate::prepare::manifest_file_error::{ManifestFileDefect, ManifestFileError};

/// File extensions that are read in a directory; a file that is passed by name is always read.
const MANIFEST_EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
/// The most bytes of one file: CRD bundles are far smaller.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// One document and its file.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The file.
    pub file: PathBuf,
    /// The line on which it starts; in a `List`, that of the item.
    pub line: usize,
    /// The document.
    pub document: Value,
}

/// The documents below a path.
#[derive(Debug, Default)]
pub struct ManifestFiles {
    /// The documents, in the order of their file names.
    pub manifests: Vec<Manifest>,
    /// Why files of a directory could not be read. The other files were read.
    pub unreadable: Vec<ManifestFileError>,
    /// Warnings about files that were read, with file and line.
    pub warnings: Vec<String>,
}

impl ManifestFiles {
    /// Combines the documents of several paths.
    pub fn extend(&mut self, mut other: Self) {
        self.manifests.append(&mut other.manifests);
        self.unreadable.append(&mut other.unreadable);
        self.warnings.append(&mut other.warnings);
    }
}

/// Reads every document below a path, recursively, in file name order. A `List` becomes its items.
///
/// An unreadable file of a directory does not end the read: it is in [`ManifestFiles::unreadable`].
///
/// # Errors
/// The path is an unreadable file, or no file of the directory is readable.
pub fn read_manifests(path: &Path) -> Result<ManifestFiles, ManifestFileError> {
    let (mut files, is_folder) = (Vec::new(), path.is_dir());
    collect_files(path, is_folder, &mut files)?;
    let mut all = ManifestFiles::default();
    let mut any_read = false;
    for answer in map_in_parallel(&files, read_file) {
        match answer {
            Ok(read) => {
                any_read = true;
                all.extend(read);
            }
            Err(error) if is_folder => all.unreadable.push(error),
            Err(error) => return Err(error),
        }
    }
    if any_read || all.unreadable.is_empty() { Ok(all) } else { Err(all.unreadable.remove(0)) }
}

fn read_file(file: &Path) -> Result<ManifestFiles, ManifestFileError> {
    let text = read_text(file).map_err(|defect| defect.of(file))?;
    let YamlText { documents, duplicate_key } = parse_text(&text).map_err(|defect| defect.of(file))?;
    let warning = duplicate_key.map(|DuplicateKey { line }| {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{}{line}: the key is in the map twice; the last one counts, as for helm and kubectl", file.display())
    });
    let lines = yaml_location::find_document_lines(&text);
    // A text that separates its documents in another way: only the file name is known.
    let parted = lines.len() == documents.len();
    let mut all = Vec::with_capacity(documents.len());
    for (at, document) in documents.into_iter().enumerate() {
        let line = if parted { lines[at] } else { 1 };
        expand_lists(&Origin { file, text: &text, line }, document, &[], &mut all);
    }
    Ok(ManifestFiles { manifests: all, unreadable: Vec::new(), warnings: warning.into_iter().collect() })
}

/// Applies a function to each item on as many threads as there are processors; the results are in order.
fn map_in_parallel<T: Send>(files: &[PathBuf], act: impl Fn(&Path) -> T + Sync) -> Vec<T> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(files.len());
    if threads < 2 {
        return files.iter().map(|file| act(file)).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < files.len());
        std::iter::from_fn(take).map(|at| (at, act(&files[at]))).collect::<Vec<_>>()
    };
    let mut all: Vec<(usize, T)> = thread::scope(|scope| {
        let start = |_| thread::Builder::new().stack_size(THREAD_STACK_BYTES).spawn_scoped(scope, work).ok();
        let workers: Vec<_> = (1..threads).filter_map(start).collect();
        let mut done = work();
        // A panic in a thread is a panic here.
        done.extend(workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))));
        done
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, answer)| answer).collect()
}

/// The CRDs among them, with file and line.
///
/// # Errors
/// There is none, or a CRD is there twice.
pub fn collect_crds(path: &Path, manifests: Vec<Manifest>) -> Result<Vec<(Crd, PathBuf, usize)>, ManifestFileError> {
    let mut found: Vec<(Crd, PathBuf, usize)> = Vec::new();
    for Manifest { file, line, document } in manifests {
        let crd = match Crd::new(document) {
            Ok(crd) => crd,
            Err(other) if other["kind"] == CRD_KIND => return Err(ManifestFileError::UnnamedCrd { file }),
            Err(_) => continue,
        };
        if let Some((_, earlier_file, _)) = found.iter().find(|(other, ..)| other.name() == crd.name()) {
            let (name, earlier_file) = (crd.name().to_owned(), earlier_file.clone());
            return Err(ManifestFileError::Duplicate { name, file: earlier_file, other_file: file });
        }
        found.push((crd, file, line));
    }
    if found.is_empty() { Err(ManifestFileError::NoCrd { path: path.to_owned() }) } else { Ok(found) }
}

fn collect_files(path: &Path, only_known: bool, into: &mut Vec<PathBuf>) -> Result<(), ManifestFileError> {
    let wrong = |error: std::io::Error| ManifestFileError::Unreadable { path: path.to_owned(), error };
    let kind = fs::metadata(path).map_err(wrong)?;
    if kind.is_dir() {
        let mut inside: Vec<PathBuf> = fs::read_dir(path)
            .map_err(wrong)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(wrong)?;
        inside.sort();
        return inside.iter().try_for_each(|path| collect_files(path, true, into));
    }
    let known =
        path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| MANIFEST_EXTENSIONS.contains(&ending));
    if known || !only_known {
        into.push(path.to_owned());
    }
    Ok(())
}

fn read_text(file: &Path) -> Result<String, ManifestFileDefect> {
    let size = fs::metadata(file)?.len();
    if size > MAX_FILE_BYTES {
        return Err(ManifestFileDefect::TooLarge { megabytes: size >> 20, limit: MAX_FILE_BYTES >> 20 });
    }
    let bytes = fs::read(file)?;
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
        ManifestFileDefect::NotText { line }
    })
}

fn parse_text(text: &str) -> Result<YamlText, ManifestFileDefect> {
    let template = text.lines().enumerate().find(|(_, line)| !line.trim_start().starts_with('#') && is_template(line));
    yaml::parse_text(text, ErrorDetail::Snippet).map_err(|error| match template {
        Some((line, _)) => ManifestFileDefect::Template { line: line + 1 },
        None => ManifestFileDefect::Yaml(error),
    })
}

/// `{{ .Values.x }}` and the like. A description may contain `{{` too, so this counts only if the YAML is invalid.
fn is_template(line: &str) -> bool {
    line.contains("{{") && line.contains("}}")
}

/// Where a document is in the files.
struct Origin<'a> {
    file: &'a Path,
    text: &'a str,
    line: usize,
}

fn expand_lists(origin: &Origin<'_>, document: Value, steps: &[PathSegment], into: &mut Vec<Manifest>) {
    let is_list = document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) && document["items"].is_array();
    match document {
        Value::Object(mut list) if is_list => {
            if let Some(Value::Array(items)) = list.remove("items") {
                for (at, item) in items.into_iter().enumerate() {
                    let below = [steps, &[PathSegment::Key("items".to_owned()), PathSegment::Item(at)]].concat();
                    expand_lists(origin, item, &below, into);
                }
            }
        }
        document => {
            let line =
                if steps.is_empty() { origin.line } else { yaml_location::find_line(origin.text, origin.line, steps) };
            into.push(Manifest { file: origin.file.to_owned(), line, document });
        }
    }
}

/// The line of a finding about a CRD, or the nearest line. `start` is the first line of the CRD.
#[must_use]
pub fn find_line(text: &str, start: usize, crd: &Crd, finding: &CrdFinding) -> usize {
    let key = |name: &str| PathSegment::Key(name.to_owned());
    let Some(version) = finding.affected_version() else { return start };
    let mut steps = vec![key("spec"), key("versions")];
    let Some(at) = crd.versions().position(|one| one.name == version) else {
        return yaml_location::find_line(text, start, &steps);
    };
    steps.push(PathSegment::Item(at));
    if let Some(path) = &finding.path {
        steps.extend([key("schema"), key("openAPIV3Schema")]);
        for segment in path.segments() {
            match segment {
                Segment::Property(name) => steps.extend([key("properties"), key(name)]),
                Segment::Items => steps.push(key("items")),
                Segment::Values => steps.push(key("additionalProperties")),
                Segment::AllOf(at) => steps.extend([key("allOf"), PathSegment::Item(*at)]),
                Segment::AnyOf(at) => steps.extend([key("anyOf"), PathSegment::Item(*at)]),
                Segment::OneOf(at) => steps.extend([key("oneOf"), PathSegment::Item(*at)]),
                Segment::Not => steps.push(key("not")),
            }
        }
    }
    yaml_location::find_line(text, start, &steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    const CRD: &str =
        "apiVersion: apiextensions.k8s.io/v1\r\nkind: CustomResourceDefinition\r\nmetadata: {name: hubs.x}\r\n";

    fn error_text(files: &[(&str, &[u8])]) -> String {
        let folder = folder(files);
        let error =
            read_manifests(folder.path()).and_then(|all| collect_crds(folder.path(), all.manifests)).unwrap_err();
        let problem = Problem::from(error);
        assert_eq!(problem.exit.code(), 64);
        format!("{} {}", problem.message, problem.causes().join(" "))
    }

    #[test]
    fn crds_are_found_among_other_documents() {
        let list = format!("kind: List\nitems:\n- {}", CRD.replace("\r\n", "\n  ").replace("hubs.x", "spokes.x"));
        let odd = b"# {{ a comment }}\nkind: ConfigMap\ndata: {a: &a =, b: *a}\n---\n---\n# nothing\n";
        let folder = folder(&[
            ("a/crd.yaml", CRD.as_bytes()),
            ("list.yml", list.as_bytes()),
            ("odd.yaml", odd),
            ("notes.txt", b"\xff"),
        ]);
        let found = collect_crds(folder.path(), read_manifests(folder.path()).unwrap().manifests).unwrap();
        let names: Vec<(&str, usize)> = found.iter().map(|(crd, _, line)| (crd.name(), *line)).collect();
        assert_eq!(names, [("hubs.x", 1), ("spokes.x", 3)]);
    }

    /// The public repositories of jobset, kubevela, crossplane and rook have such samples.
    #[test]
    fn one_unreadable_file_does_not_end_the_reading() {
        let twice = CRD.replace("metadata:", "kind: CustomResourceDefinition\r\nmetadata:");
        let folder = folder(&[("a.yaml", b"a: [1\nb: 2\n"), ("b.yaml", twice.as_bytes())]);
        let read = read_manifests(folder.path()).unwrap();
        assert_eq!((read.manifests.len(), read.unreadable.len()), (1, 1));
        assert!(read.unreadable[0].to_string().contains("a.yaml"), "{:?}", read.unreadable);
        assert!(read.warnings[0].contains("b.yaml:3: "), "{:?}", read.warnings);
        let problem = Problem::from(read_manifests(&folder.path().join("a.yaml")).unwrap_err());
        assert_eq!(
            (problem.exit.code(), problem.hints),
            (64, vec!["correct the line, or leave the file out".to_owned()])
        );
    }

    #[test]
    fn a_problem_has_file_and_line() {
        let bomb = format!(
            "a: &a [{}]\n{}",
            "x,".repeat(9),
            (0..40).map(|n| format!("b{n}: &b{n} [{}]\n", "*a,".repeat(9))).collect::<String>()
        );
        let deep = format!("{}1{}", "[".repeat(2000), "]".repeat(2000));
        let cases: [(&[u8], &str); 5] = [
            (b"a: 1\nb: \xff\n", "line 2 is not UTF-8"),
            (b"a: 1\n{{- if .Values.crds }}\nb: 2\n{{- end }}\n", "line 2 is an unrendered template"),
            (b"a: [1\nb: 2\n", "line"),
            (deep.as_bytes(), "f.yaml"),
            (b"kind: ConfigMap\n", "no CRD"),
        ];
        for (bytes, word) in cases {
            let text = error_text(&[("f.yaml", bytes)]);
            assert!(text.contains(word) && !text.contains('\u{1b}'), "{word}: {text}");
        }
        // A small bomb is only a large list: read, and without CRDs.
        assert!(self::error_text(&[("f.yaml", bomb.as_bytes())]).contains("no CRD"));
        assert!(self::error_text(&[("a.yaml", CRD.as_bytes()), ("b.yaml", CRD.as_bytes())]).contains("is there twice"));
        let missing = Problem::from(read_manifests(Path::new("/no/such")).unwrap_err());
        assert_eq!((missing.exit.code(), missing.hints), (64, vec!["check the path".to_owned()]));
    }
}
