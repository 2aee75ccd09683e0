//! Public bug reports, the structure of real two-chart products and operators' mistakes, each as one small file.
//!
//! `cargo test -p mural-tests --test cases -- reports/` runs one folder. A case without a `helm` line needs no cluster;
//! the others run from an empty control plane, an ordinary run with the newest of their helm versions; `MURAL_ALL_HELMS=1`
//! runs them with each. With `MURAL_SKIP_CLUSTER=1` they are ignored.
//! A case whose first line is `# open: REASON` shows a fault that is not fixed yet: it runs with `MURAL_OPEN_CASES=1` only.
#![allow(
    missing_docs,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test prints, starts programs and reads the environment"
)]

mod clusters;
mod run_script;
mod script;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clusters::Clusters;
use libtest_mimic::{Arguments, Failed, Trial};
use mural_tests::harness::{SKIP_ENV, is_set};
use run_script::Run;
use script::Script;

/// Extension of a case: a text archive.
const EXTENSION: &str = "txtar";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(64)
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    let clusters = Arc::new(Clusters::new()?);
    arguments.test_threads = Some(clusters.count());
    let mut trials = vec![trial("the_reader_reads_its_example", script::read_its_own_example)];
    for file in files()? {
        add_trials(&mut trials, &file, &clusters)?;
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    clusters.down()?;
    Ok(conclusion.exit_code())
}

/// One trial per case and helm version.
fn add_trials(trials: &mut Vec<Trial>, file: &Path, clusters: &Arc<Clusters>) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let parsed = Script::parse(&text).with_context(|| file.display().to_string())?;
    let name = file.strip_prefix(folder())?.with_extension("").display().to_string();
    let is_report = name.starts_with("reports/");
    ensure!(!is_report || !parsed.sources.is_empty(), "{}: a report has a `# Source: LINK` line", file.display());
    let is_open = text.starts_with("# open: ") && !is_set("MURAL_OPEN_CASES");
    if parsed.helms.is_empty() {
        trials.push(trial(&name, move || run_case(&parsed, None, None)).with_ignored_flag(is_open));
        return Ok(());
    }
    let helms = if is_set("MURAL_ALL_HELMS") { &parsed.helms[..] } else { &parsed.helms[parsed.helms.len() - 1..] };
    for version in helms {
        let title = format!("{name} (helm {version})");
        let (parsed, clusters, helm) = (parsed.clone(), Arc::clone(clusters), version.clone());
        let test = move || clusters.run(&helm, |sandbox| run_case(&parsed, Some(sandbox), Some(&helm)));
        trials.push(trial(&title, test).with_ignored_flag(is_open || is_set(SKIP_ENV)));
    }
    Ok(())
}

fn run_case(script: &Script, sandbox: Option<&mural_tests::sandbox::Sandbox>, helm: Option<&str>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    Run::new(script, sandbox, folder.path())?.run(helm)
}

fn trial(name: &str, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || test().map_err(|error| Failed::from(format!("{error:#}"))))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// Every case, by name.
fn files() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for suite in std::fs::read_dir(folder())? {
        let suite = suite?.path();
        if suite.is_dir() {
            for file in std::fs::read_dir(suite)? {
                files.push(file?.path());
            }
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == EXTENSION));
    files.sort();
    Ok(files)
}
