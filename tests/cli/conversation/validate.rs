//! `kubectl mural validate` with bad input that is refused without a cluster: a clear message, the right exit code, no
//! file left behind.

use crate::stage::Stage;

const VALIDATE: &str = "kubectl-mural-validate";

/// The command line, the exit code, and the expected words.
type Case = (&'static [&'static str], i32, &'static [&'static str]);

const CASES: [Case; 18] = [
    (&["--only", "crd-establish"], 64, &["there is no such check", "did you mean crd-established", "--list-checks"]),
    (&["--skip", "workload"], 64, &["there is no such check", "workloads"]),
    (&["--only", "crds", "--skip", "crds"], 64, &["leave no check", "--list-checks"]),
    (&["--explain", "crd-establish"], 64, &["did you mean crd-established"]),
    (&["--baseline", "nothere.json"], 64, &["cannot read the baseline nothere.json", "check the path"]),
    (&["--baseline", "bad.json"], 64, &["baseline"]),
    (&["--baseline", "other.json"], 64, &["the baseline cannot be used", "another kind of report", "--save-baseline"]),
    (
        &["--save-baseline", "no/such/folder.json"],
        64,
        &["cannot write the baseline no/such/folder.json", "check that the folder exists"],
    ),
    (
        &["--report", "no/such/report.html"],
        64,
        &["cannot write the report no/such/report.html", "check that the folder exists"],
    ),
    (&["--report", "bin.html"], 64, &["cannot write the report bin.html", "it is a folder"]),
    (&["--report", "report.txt"], 64, &["selects no report format", ".html"]),
    (&["--values", "list.yaml"], 64, &["list.yaml cannot be used", "not a map of values"]),
    (&["--values", "nothere.yaml"], 64, &["cannot read the values file nothere.yaml"]),
    (&["--expect", "mural=latest"], 64, &["has no version", "write it like 1.1.0"]),
    (&["--wait", "soon"], 64, &["--wait", "soon"]),
    (&["--wait", "1m", "--all-contexts"], 64, &["cannot be used with"]),
    (&["--namespace", "Not_A_Name"], 64, &["--namespace", "Not_A_Name"]),
    (&["bundle", "report.zip", "--yes"], 64, &["report.zip does not end with .tar.gz"]),
];

fn stage() -> Stage {
    let stage = Stage::new();
    stage.file("bad.json", "{");
    stage.file("other.json", r#"{"apiVersion": "mural/v1", "kind": "CrdCheck"}"#);
    stage.file("list.yaml", "- a\n");
    stage.file("bin.html/page", "");
    stage
}

#[test]
fn bad_input_is_refused_before_any_request() {
    let mut failed = Vec::new();
    for (args, code, says) in CASES {
        let stage = stage();
        let before = files(&stage);
        let ended = stage.run(VALIDATE, args);
        let silent: Vec<&&str> = says.iter().filter(|word| !ended.stderr.contains(**word)).collect();
        let clean = ended.stdout.is_empty() && stage.calls().is_empty() && files(&stage) == before;
        if ended.code != code || !silent.is_empty() || !clean || ended.stderr.contains("panicked") {
            failed.push(format!("{args:?}: {} without {silent:?}, clean: {clean}\n{}", ended.code, ended.stderr));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn an_answer_that_never_came_leaves_the_file_before_as_it_was() {
    let stage = stage();
    stage.file("report.json", "the report before");
    stage.file("before.json", "the baseline before");
    let before = files(&stage);
    let ended = stage.run(VALIDATE, &["--report", "report.json", "--save-baseline", "before.json"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "the cluster is not there: {}", ended.stderr);
    assert_eq!(files(&stage), before, "a file more or less");
    for (name, text) in [("report.json", "the report before"), ("before.json", "the baseline before")] {
        assert_eq!(std::fs::read_to_string(stage.path(name)).expect(name), text);
    }
}

#[test]
fn without_a_terminal_a_bundle_wants_a_yes() {
    let stage = stage();
    let ended = stage.run(VALIDATE, &["bundle", "mural.tar.gz"]);
    assert!(ended.code == 64 && ended.stderr.contains("--yes"), "{}: {}", ended.code, ended.stderr);
    assert!(!stage.path("mural.tar.gz").exists());
}

/// The names in the folder, but for what helm and kubectl may note.
fn files(stage: &Stage) -> Vec<String> {
    let all = std::fs::read_dir(stage.path("")).expect("the folder");
    let mut names: Vec<String> =
        all.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).filter(|name| name != "calls").collect();
    names.sort();
    names
}
