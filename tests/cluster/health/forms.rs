//! All output formats of one report with many findings: an independent reader gets the same facts from each, the text
//! fits every width, and no format and no support bundle contains a secret.

use std::io::Read;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use mural_tests::charts;
use mural_tests::sandbox::User;
use serde_json::Value;

use super::{shell, validate};
use crate::test_cluster::TestCluster;

/// Each output format with its file.
const FORMS: [(&str, &str); 5] = [
    ("table", "report.yaml"),
    ("wide", "report.json"),
    ("junit", "report.sarif"),
    ("markdown", "report.html"),
    ("github", "report.prom"),
];
/// The forms that do not name each check.
const SHORT_FORMS: [&str; 4] = ["table", "markdown", "github", METRICS];
/// The form that names no check.
const METRICS: &str = "report.prom";
/// `MURAL_KEEP`: folder that receives all outputs for inspection.
const KEEP: &str = "MURAL_KEEP";

pub fn every_form(test_cluster: &TestCluster, asked: &[String], report: &Value) -> Result<()> {
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let secrets = secrets()?;
    let first = report["checks"][0]["check"].as_str().context("no checks")?;
    for (form, file) in FORMS {
        let ended =
            validate(test_cluster, &[&asked[..], &["--output", form, "--report", file]].concat())?.expect_code(3)?;
        let written = std::fs::read_to_string(test_cluster.files().join(file))?;
        shows_no_secret(&secrets, form, &ended.all_text())?;
        shows_no_secret(&secrets, file, &written)?;
        keep(form, &ended.stdout)?;
        keep(file, &written)?;
        for (what, text) in [(form, &ended.stdout), (file, &written)] {
            ensure!(!text.contains('\u{1b}'), "{what} has escape sequences");
            ensure!(text.contains(first) || SHORT_FORMS.contains(&what), "{what} leaves {first} out");
            ensure!(what == METRICS || text.contains("workload-ready"), "{what} leaves workload-ready out");
        }
    }
    widths(test_cluster)?;
    yaml_is_read_by_helm(test_cluster)?;
    bundle(test_cluster, &secrets)
}

/// 60 and 200 columns, with and without colour.
fn widths(test_cluster: &TestCluster) -> Result<()> {
    for columns in [60, 200] {
        let mut command = test_cluster.command(User::Operator, "kubectl-mural-validate")?;
        let output = command.env("COLUMNS", columns.to_string()).output()?;
        let text = String::from_utf8(output.stdout)?;
        keep(&format!("table-{columns}.txt"), &text)?;
        // Commands are not wrapped, nor are words that are longer than the line.
        let long = |line: &&str| line.chars().count() > columns && !line.contains('→') && line.trim().contains(' ');
        let long: Vec<&str> = text.lines().filter(long).collect();
        ensure!(long.is_empty(), "wider than {columns} columns: {long:#?}");
    }
    let coloured = validate(test_cluster, &["--only", "cluster", "--color", "always"])?.stdout;
    ensure!(coloured.contains('\u{1b}'), "--color always does not colour");
    Ok(())
}

/// helm's YAML parser reads the same data from the YAML format as from JSON.
fn yaml_is_read_by_helm(test_cluster: &TestCluster) -> Result<()> {
    let chart = "mkdir -p reader/templates && printf 'apiVersion: v2\\nname: reader\\nversion: 1.0.0\\n' > reader/Chart.yaml && printf '{{ .Values | toJson }}' > reader/templates/all.json";
    shell(test_cluster, chart)?;
    let template = ["template", "reader", "reader", "--values", "report.yaml"];
    let read = test_cluster.run(User::Operator, "helm", &template)?.expect_code(0)?.stdout;
    let line = read.lines().find(|line| line.starts_with('{')).context("helm has written no values")?;
    let read: Value = serde_json::from_str(line)?;
    let ours: Value = serde_json::from_str(&std::fs::read_to_string(test_cluster.files().join("report.json"))?)?;
    for key in ["apiVersion", "kind", "hub", "owners", "releases"] {
        ensure!(read[key] == ours[key], "{key}: {} instead of {}", read[key], ours[key]);
    }
    let verdicts = |report: &Value| -> Vec<(String, String)> {
        let checks = report["checks"].as_array().into_iter().flatten();
        checks.map(|checked| (checked["check"].to_string(), checked["verdict"].to_string())).collect()
    };
    ensure!(verdicts(&read) == verdicts(&ours), "{:?} instead of {:?}", verdicts(&read), verdicts(&ours));
    Ok(())
}

/// The sample operator's secrets in plain text, in base64, and as the middle of a longer base64 text.
fn secrets() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(charts::values_file())?;
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let plain: Vec<&str> = words.filter(|word| word.starts_with("canary-")).chain(["canary-by-hand"]).collect();
    ensure!(plain.len() > 5, "no secrets among the sample values: the test would prove nothing");
    let shifted = |word: &str| {
        (0..3)
            .filter_map(move |skip| {
                let whole = word.get(skip..)?;
                let whole = &whole[..whole.len() / 3 * 3];
                Some(STANDARD_NO_PAD.encode(whole))
            })
            .collect::<Vec<_>>()
    };
    Ok(plain.iter().flat_map(|word| [vec![(*word).to_owned()], shifted(word)].concat()).collect())
}

fn shows_no_secret(secrets: &[String], what: &str, text: &str) -> Result<()> {
    let told: Vec<&String> = secrets.iter().filter(|secret| text.contains(*secret)).collect();
    ensure!(told.is_empty(), "{what} tells {told:?}");
    Ok(())
}

/// The support bundle lists its content before it is written, and contains no secret.
fn bundle(test_cluster: &TestCluster, secrets: &[String]) -> Result<()> {
    let file = test_cluster.files().join("broken.tar.gz");
    let ended = validate(test_cluster, &["bundle", "--yes", &file.display().to_string()])?.expect_code(0)?;
    let packed = std::fs::File::open(&file)?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    let mut count = 0;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        shows_no_secret(secrets, &path, &text)?;
        count += 1;
    }
    ensure!(ended.stderr.contains(&format!("{count} files")), "{count} files, and it says:\n{}", ended.stderr);
    shows_no_secret(secrets, "the list", &ended.all_text())
}

fn keep(name: &str, text: &str) -> Result<()> {
    let Some(folder) = std::env::var_os(KEEP) else { return Ok(()) };
    std::fs::create_dir_all(&folder)?;
    Ok(std::fs::write(std::path::Path::new(&folder).join(name), text)?)
}
