//! The plugins with scripted helm and kubectl and without a cluster: bad input gets one clear message and the right
//! exit code.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at once, and it starts programs"
)]

#[path = "conversation/stage.rs"]
mod stage;
#[path = "conversation/validate.rs"]
mod validate;

use stage::{CANARY, CommandOutput, Stage};

const UPGRADE: &str = "kubectl-mural-upgrade";

/// One bad input: how the stage differs, what is typed, and what must come of it.
struct Case {
    name: &'static str,
    stage: fn() -> Stage,
    args: &'static [&'static str],
    code: i32,
    /// Words that name the object and the reason.
    says: &'static [&'static str],
    /// A word of the next step.
    next: &'static str,
}

/// What is known to be wrong still: the case and the fault. A gap that has been closed fails the test until it leaves
/// this list.
const GAPS: &[(&str, &str)] = &[];

fn cases() -> Vec<Case> {
    let mut all = environment_cases();
    all.extend(usage());
    all.extend(charts());
    all
}

const PLAN: &[&str] = &["plan", "--to", "1.1.0", "--crds", "0.7.4"];

/// Cluster, tools, files.
fn environment_cases() -> Vec<Case> {
    fn without(name: &'static str) -> Stage {
        let stage = Stage::new();
        stage.without(name);
        stage
    }
    fn kubeconfig(text: &str) -> Stage {
        let stage = Stage::new();
        stage.file("kubeconfig", text);
        stage
    }
    let case = |name, stage, code, says, next| Case { name, stage, args: PLAN, code, says, next };
    vec![
        case(
            "no kubeconfig",
            || {
                let mut stage = Stage::new();
                stage.env("KUBECONFIG", "/no/such/kubeconfig");
                stage
            },
            1,
            &["kubeconfig", "/no/such/kubeconfig"],
            "--kubeconfig",
        ),
        case("a kubeconfig that is not YAML", || kubeconfig("a: [b"), 1, &["kubeconfig"], "--kubeconfig"),
        case(
            "no current context",
            || kubeconfig("apiVersion: v1\nkind: Config\n"),
            1,
            &["no current context"],
            "--context",
        ),
        case("unreachable cluster", Stage::new, 1, &["context here", "127.0.0.1", "refused"], "context"),
        case("helm missing", || without("helm"), 9, &["helm is not installed"], "install helm"),
        case("kubectl missing", || without("kubectl"), 9, &["kubectl is not installed"], "install kubectl"),
        case(
            "helm too old",
            || {
                let stage = Stage::new();
                stage.script("helm", "printf v3.16.0");
                stage
            },
            9,
            &["helm 3.16.0", "too old"],
            "3.17.0 or newer",
        ),
        case(
            "kubectl too old",
            || {
                let stage = Stage::new();
                stage.kubectl("v1.30.4");
                stage
            },
            9,
            &["kubectl 1.30.4", "too old"],
            "1.31.0 or newer",
        ),
        case(
            "helm that prints no version",
            || {
                let stage = Stage::new();
                stage.script("helm", "printf 'segmentation fault' >&2; exit 139");
                stage
            },
            1,
            &["helm", "segmentation fault"],
            "helm version",
        ),
    ]
}

/// Flags and files.
fn usage() -> Vec<Case> {
    fn values(text: &str) -> Stage {
        let stage = Stage::new();
        stage.file("bad.yaml", text);
        stage
    }
    const BAD: &[&str] = &["plan", "--to", "1.1.0", "--crds", "0.7.4", "-f", "bad.yaml"];
    let file = |name, stage, says, next| Case { name, stage, args: BAD, code: 64, says, next };
    let flag = |name, args, says, next| Case { name, stage: Stage::new, args, code: 64, says, next };
    vec![
        file("values that are not YAML", || values("a: 1\n password: canary-7f3a\n"), &["bad.yaml"], "correct"),
        file("values that are a list", || values("- canary-7f3a\n"), &["bad.yaml", "map"], "keys"),
        file("no values file", Stage::new, &["bad.yaml", "No such file"], "path"),
        flag("values from standard input", &["plan", "--to", "1.1.0", "-f", "-"], &["not a file"], "save"),
        Case {
            code: 1,
            ..flag("a wrong context", &["plan", "--to", "1.1.0", "--context", "there"], &["context", "there"], "here")
        },
        flag("a release that begins with a dash", &["plan", "--release=-x"], &["--release", "-x"], "lower-case"),
        flag("a namespace that begins with a dash", &["plan", "--namespace=-x"], &["--namespace", "-x"], "lower-case"),
        flag("an unknown flag", &["plan", "--no-such-flag"], &["--no-such-flag"], "--help"),
        flag("a version that is none", &["plan", "--to", "latest"], &["latest", "--to"], "--help"),
        flag("a duration that is none", &["plan", "--timeout", "soon"], &["--timeout", "soon"], "5m"),
        flag("no terminal to confirm on", &["--to", "1.1.0"], &["no terminal"], "--yes"),
        flag("a guard that is none", &["--explain", "nonsense"], &["nonsense"], "same-cluster"),
    ]
}

/// Charts, judged before the cluster is queried, which has nothing installed.
fn charts() -> Vec<Case> {
    let chart = |name, stage, args, code, says, next| Case { name, stage, args, code, says, next };
    vec![
        chart("a version missing", Stage::with_server, &["plan"], 64, &["needs a version"], "--to"),
        chart(
            "a chart that is not there",
            Stage::with_server,
            &["plan", "--chart", "./none"],
            64,
            &["./none", "not a chart"],
            "oci://",
        ),
        chart(
            "a file that is no chart",
            || {
                let stage = Stage::with_server();
                stage.file("chart.tgz", "canary-7f3a");
                stage
            },
            &["plan", "--chart", "./chart.tgz"],
            64,
            &["chart.tgz", "not a chart"],
            "helm package",
        ),
        chart(
            "a folder without Chart.yaml",
            || {
                let stage = Stage::with_server();
                stage.file("chart/values.yaml", "");
                stage
            },
            &["plan", "--chart", "./chart"],
            64,
            &["./chart", "Chart.yaml"],
            "folder",
        ),
        chart(
            "a registry that is not there",
            Stage::with_server,
            &["plan", "--plain-http", "--to", "1.1.0", "--chart", "oci://127.0.0.1:1/mural/mural"],
            3,
            &["127.0.0.1:1"],
            "check the port",
        ),
    ]
}

/// What is wrong with how a case ended; empty where nothing is.
fn faults(case: &Case, ended: &CommandOutput, calls: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    must(ended.code == case.code, format!("exit code {} instead of {}", ended.code, case.code));
    must(ended.stdout.is_empty(), format!("standard output is for answers, not for {:?}", ended.stdout));
    for word in case.says {
        must(ended.stderr.contains(word), format!("does not say {word:?}"));
    }
    let hints = ended.stderr.lines().map(str::trim_start);
    let hinted = hints.filter(|line| line.starts_with("hint:") || line.contains("--help") || line.contains("tip:"));
    let hinted: Vec<&str> = hinted.collect();
    must(
        hinted.iter().any(|line| line.contains(case.next)),
        format!("no next step with {:?} in {hinted:?}", case.next),
    );
    let all = format!("{}{}", ended.stdout, ended.stderr);
    must(!all.contains(CANARY), "tells a secret".to_owned());
    must(!all.contains('\u{1b}'), "colours a pipe".to_owned());
    must(!all.contains("panicked"), "panicked".to_owned());
    must(ended.stderr.lines().count() <= 12, "is longer than a screen".to_owned());
    let writes = calls.iter().filter(|call| {
        ["upgrade", "install", "apply", "create"].iter().any(|verb| call.split(' ').any(|word| word == *verb))
    });
    must(writes.count() == 0, format!("wrote something: {calls:?}"));
    wrong
}

#[test]
fn bad_input_gets_one_clear_message() {
    let mut failed = Vec::new();
    let mut gaps: Vec<(&str, &str)> = GAPS.to_vec();
    for case in cases() {
        let stage = (case.stage)();
        let ended = stage.run(UPGRADE, case.args);
        for fault in faults(&case, &ended, &stage.calls()) {
            match gaps.iter().position(|gap| gap.0 == case.name && fault.contains(gap.1)) {
                Some(known) => drop(gaps.remove(known)),
                None => failed.push(format!("{}: {fault}\n    {}", case.name, ended.stderr.replace('\n', "\n    "))),
            }
        }
    }
    assert!(failed.is_empty(), "{} faults:\n{}", failed.len(), failed.join("\n"));
    assert!(gaps.is_empty(), "closed, so take them from GAPS: {gaps:?}");
}

/// Validate reads a cluster by the same rules, and says the same where it cannot.
#[test]
fn validate_is_as_clear() {
    let mut failed = Vec::new();
    let cluster = |case: &Case| case.code == 1 && !case.name.contains("helm");
    for case in environment_cases().into_iter().filter(cluster) {
        let stage = (case.stage)();
        let ended = stage.run("kubectl-mural-validate", &[]);
        let wrong = faults(&case, &ended, &stage.calls());
        let unknown =
            wrong.into_iter().filter(|fault| !GAPS.iter().any(|gap| gap.0 == case.name && fault.contains(gap.1)));
        failed.extend(unknown.map(|fault| format!("{}: {fault}\n{}", case.name, ended.stderr)));
    }
    assert!(failed.is_empty(), "{} faults:\n{}", failed.len(), failed.join("\n"));
    let ended = Stage::new().run("kubectl-mural-validate", &["--namespace=-x"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (64, ""), "{}", ended.stderr);
}

#[test]
fn help_and_version_are_answers() {
    let stage = Stage::new();
    for (args, word) in [(["--help"], "Exit codes"), (["--version"], env!("CARGO_PKG_VERSION"))] {
        let ended = stage.run(UPGRADE, &args);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{args:?}");
        assert!(ended.stdout.contains(word), "{args:?}: {}", ended.stdout);
    }
    assert_eq!(stage.calls(), [""; 0], "neither needs helm or kubectl");
}

#[test]
fn colour_is_only_used_on_request() {
    let mut stage = Stage::new();
    let coloured = |stage: &Stage, args: &[&str]| stage.run(UPGRADE, args).stderr.contains('\u{1b}');
    let always = ["plan", "--release=-x", "--color", "always"];
    assert!(coloured(&stage, &always), "--color always");
    assert!(!coloured(&stage, &["plan", "--release=-x"]), "a pipe");
    stage.env("NO_COLOR", "1");
    assert!(coloured(&stage, &always), "a flag is nearer than the environment");
    stage.env("LANG", "C");
    let plain = stage.run(UPGRADE, &["plan", "--release=-x"]).stderr;
    assert!(plain.is_ascii(), "a poor locale gets words for marks: {plain}");
}

#[test]
fn versions_are_checked_first() {
    let stage = Stage::new();
    stage.run(UPGRADE, PLAN);
    let mut first: Vec<String> = stage.calls().into_iter().take(2).collect();
    first.sort_unstable();
    assert_eq!(first, ["helm version --template {{.Version}}", "kubectl version --client --output json"]);
}
