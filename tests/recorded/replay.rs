//! A program that prints a recorded output.

use std::path::{Path, PathBuf};

use mural::ask::{ClusterAccess, RegistryAccess};
use mural::tools::helm::Helm;
use mural::tools::kubectl::Kubectl;
use tempfile::TempDir;

/// One recorded program.
pub struct Recording {
    pub version: String,
    dir: PathBuf,
}

/// Every recorded version of a program, oldest folder name first.
pub fn list_recordings(program: &str) -> Vec<Recording> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut all: Vec<Recording> = std::fs::read_dir(&samples)
        .expect("the samples")
        .filter_map(|entry| {
            let dir = entry.expect("an entry").path();
            let version = dir.file_name()?.to_str()?.strip_prefix(program)?.strip_prefix('-')?.to_owned();
            Some(Recording { version, dir })
        })
        .collect();
    all.sort_by(|a, b| a.version.cmp(&b.version));
    all
}

/// A script in a folder of its own that answers each verb as recorded.
pub struct Replay {
    folder: TempDir,
    samples: PathBuf,
}

impl Replay {
    pub fn new(recorded: &Recording) -> Self {
        let replay = Self { folder: tempfile::tempdir().expect("a folder"), samples: recorded.dir.clone() };
        for verb in ["version", "template", "read-values", "which-cluster"] {
            replay.answer(verb, verb);
        }
        let script = "case \"$*\" in\n\
            *which-cluster*|*/namespaces/kube-system*) verb=which-cluster ;;\n\
            *read-values*) verb=read-values ;;\n\
            template*) verb=template ;;\n\
            *) verb=version ;;\n\
            esac\n\
            here=$(dirname \"$0\")\n\
            cat \"$here/$verb.out\"\n\
            cat \"$here/$verb.err\" >&2\n\
            exit \"$(cat \"$here/$verb.code\")\"\n";
        mural_tests::scripted::write_program(&replay.program(), script).expect("a script");
        replay
    }

    /// Answers a verb with another recording.
    pub fn answering(self, verb: &str, recording: &str) -> Self {
        self.answer(verb, recording);
        self
    }

    fn answer(&self, verb: &str, recording: &str) {
        for part in ["out", "err", "code"] {
            let from = self.samples.join(format!("{recording}.{part}"));
            // kubectl has no templates.
            if from.is_file() {
                std::fs::copy(from, self.folder.path().join(format!("{verb}.{part}"))).expect("a copy");
            }
        }
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    pub fn helm(&self) -> Helm {
        Helm {
            program: self.program(),
            cluster: ClusterAccess::default(),
            registry: RegistryAccess::default(),
            namespace: "there".to_owned(),
        }
    }

    pub fn kubectl(&self) -> Kubectl {
        Kubectl { program: self.program(), cluster: ClusterAccess::default() }
    }
}
