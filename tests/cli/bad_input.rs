//! `helm mural crds` with invalid files: the message contains the file, the line and the reason, and the exit code is
//! right. No panic, no guess; both sides are files, so no cluster is needed.
#![allow(
    missing_docs,
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at once, and it starts programs; the stage is shared with another tier"
)]

#[path = "conversation/stage.rs"]
mod stage;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use stage::{CommandOutput, Stage};

const USAGE: i32 = 64;
const FINDINGS: i32 = 3;

const GOOD: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: pools.a.b}
spec:
  group: a.b
  scope: Namespaced
  names: {kind: Pool, plural: pools, singular: pool, listKind: PoolList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: string}}}}}}
";

/// What the new side holds, and what must come of it.
struct Case {
    name: &'static str,
    text: Vec<u8>,
    code: i32,
    says: &'static [&'static str],
}

fn case(name: &'static str, text: impl Into<Vec<u8>>, code: i32, says: &'static [&'static str]) -> Case {
    Case { name, text: text.into(), code, says }
}

/// The good CRD with one thing changed.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from:?} is not in the sample");
    GOOD.replace(from, to)
}

fn readable() -> Vec<Case> {
    let list =
        GOOD.lines().enumerate().fold("apiVersion: v1\nkind: List\nitems:\n".to_owned(), |mut text, (at, line)| {
            let _ = writeln!(text, "{}{line}", if at == 0 { "- " } else { "  " });
            text
        });
    let anchors = with("{size: {type: string}}", "{size: &text {type: string}, other: *text}");
    let nested = format!("{}{{type: string}}{}", "{type: object, properties: {a: ".repeat(100), "}}".repeat(100));
    let nested = with("{size: {type: string}}", &format!("{{size: {{type: string}}, deep: {nested}}}"));
    vec![
        case("a schema of 100 levels", nested, 0, &["1 safe"]),
        case("several documents", format!("{GOOD}---\na: 1\n---\n"), 0, &["no findings in 1 CRD", "1 unchanged"]),
        case("a List", list, 0, &["1 unchanged"]),
        case("CRLF", GOOD.replace('\n', "\r\n"), 0, &["1 unchanged"]),
        case("anchors", anchors, 0, &["1 safe"]),
        case(
            "a key twice",
            format!("{GOOD}kind: CustomResourceDefinition\n"),
            0,
            &["1 unchanged", "new.yaml:13: the key is in the map twice"],
        ),
        case("a plain =", with("{type: string}", "{type: string, enum: [=, a]}"), FINDINGS, &["\"=\"", "^.spec.size"]),
        case("v1beta1", with("k8s.io/v1", "k8s.io/v1beta1"), FINDINGS, &["no matches for kind", "v1beta1"]),
        case(
            "no schema",
            GOOD.lines().filter(|line| !line.contains("schema:")).collect::<Vec<_>>().join("\n"),
            FINDINGS,
            &["openAPIV3Schema: Required value"],
        ),
    ]
}

fn unusable() -> Vec<Case> {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (one, next) in "abcdefghi".chars().zip("bcdefghij".chars()) {
        let all = vec![format!("*{one}"); 9].join(",");
        let _ = writeln!(bomb, "{next}: &{next} [{all}]");
    }
    let deep = |levels: usize| format!("apiVersion: v1\nkind: X\na: {}{}\n", "[".repeat(levels), "]".repeat(levels));
    vec![
        case(
            "a template",
            with("{name: pools.a.b}", "{name: {{ .Release.Name }}}"),
            USAGE,
            &["line 3", "unrendered template", "helm template"],
        ),
        case("a bomb", bomb, USAGE, &["new.yaml", "line 7", "beyond all measure"]),
        case("100 levels", deep(100), USAGE, &["there is no CRD in", "new.yaml"]),
        case("100,000 levels", deep(100_000), USAGE, &["line 3", "recursion limit"]),
        case("not UTF-8", b"apiVersion: v1\nkind: \xff\xfe\n".to_vec(), USAGE, &["line 2", "not UTF-8"]),
        case("nothing", "", USAGE, &["there is no CRD in"]),
        case("a scalar", "hello\n", USAGE, &["there is no CRD in"]),
        case("no name", with("{name: pools.a.b}", "{}"), USAGE, &["new.yaml", "metadata.name"]),
        case("not YAML", "a: [\n", USAGE, &["new.yaml", "line 1"]),
        case("twice in one file", format!("{GOOD}---\n{GOOD}"), USAGE, &["pools.a.b is there twice"]),
    ]
}

/// A stage, with our own programs built: no time that is taken afterwards is a compiler's.
fn built() -> Stage {
    mural_tests::plugins::folder().expect("our own programs");
    Stage::new()
}

fn checked(stage: &Stage, args: &[&str]) -> CommandOutput {
    let ended = stage.run("helm-mural", &[&["crds", "check"], args].concat());
    assert!(!ended.stderr.contains("panicked"), "{args:?}: {}", ended.stderr);
    ended
}

fn holds(name: &str, ended: &CommandOutput, code: i32, says: &[&str]) {
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, code, "{name}: {all}");
    for word in says {
        assert!(all.contains(word), "{name} does not say {word:?}:\n{all}");
    }
}

#[test]
fn files_that_are_not_what_they_should_be() {
    let stage = built();
    stage.file("old.yaml", GOOD);
    for case in readable().into_iter().chain(unusable()) {
        stage.file("new.yaml", &case.text);
        let began = Instant::now();
        holds(case.name, &checked(&stage, &["old.yaml", "new.yaml"]), case.code, case.says);
        assert!(began.elapsed() < Duration::from_secs(30), "{} takes {:?}", case.name, began.elapsed());
    }
}

#[test]
fn folders_and_paths() {
    let stage = built();
    stage.file("old.yaml", GOOD);
    stage.file("mixed/crd.yaml", GOOD);
    stage.file("mixed/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n");
    stage.file("mixed/notes.yml", "just: text\n");
    stage.file("mixed/README.md", "# Not YAML: [\n");
    holds("a folder with other YAML", &checked(&stage, &["old.yaml", "mixed"]), 0, &["1 unchanged"]);
    stage.file("mixed/broken.yaml", "a: [\n");
    holds(
        "a folder with a broken file",
        &checked(&stage, &["old.yaml", "mixed"]),
        FINDINGS,
        &["1 unchanged", "broken.yaml", "the other files are checked"],
    );
    stage.file("twice/a.yaml", GOOD);
    stage.file("twice/b.yaml", GOOD);
    holds(
        "one CRD in two files",
        &checked(&stage, &["old.yaml", "twice"]),
        USAGE,
        &["is there twice", "a.yaml", "b.yaml"],
    );
    holds(
        "no such file",
        &checked(&stage, &["old.yaml", "nothere.yaml"]),
        USAGE,
        &["nothere.yaml cannot be read", "check the path"],
    );
    holds(
        "no such objects",
        &checked(&stage, &["old.yaml", "old.yaml", "--objects", "nothere"]),
        USAGE,
        &["nothere cannot be read"],
    );
    stage.file("objects.yaml", b"kind: \xff\n");
    let unread = checked(&stage, &["old.yaml", "old.yaml", "--objects", "objects.yaml"]);
    holds("objects that are not text", &unread, USAGE, &["objects.yaml", "line 1", "not UTF-8"]);
}

#[test]
fn waivers_and_flags_with_a_typo() {
    let stage = built();
    stage.file("old.yaml", GOOD);
    let waived = |text: &str| {
        stage.file(
            "w.yaml",
            format!("waivers:\n- {{check: enum-changed, subject: a, reason: b, expires: 2027-01-31}}\n{text}"),
        );
        checked(&stage, &["old.yaml", "old.yaml", "--waivers", "w.yaml"])
    };
    let form = "write check, subject, reason and expires";
    for (text, says) in [
        (
            "- {chek: enum-changed, subject: a, reason: b, expires: 2027-01-31}",
            ["waiver 2", "unknown field `chek`", form],
        ),
        (
            "- {check: enum-chnged, subject: a, reason: b, expires: 2027-01-31}",
            ["enum-chnged", "did you mean enum-changed", form],
        ),
        (
            "- {check: enum-changed, subject: a, reason: b, expires: 2027-13-01}",
            ["waiver 2", "2027-13-01", "is not a date"],
        ),
        ("- {check: enum-changed, subject: a, reason: b}", ["waiver 2", "missing field `expires`", form]),
        (
            "- {check: enum-changed, subject: a, reason: ' ', expires: 2027-01-31}",
            ["enum-changed", "has no reason", form],
        ),
        ("levls: {}", ["w.yaml", "unknown field `levls`", form]),
        ("- [", ["w.yaml", "line 3", form]),
    ] {
        holds(text, &waived(text), USAGE, &says);
    }
    holds(
        "waivers that are a folder",
        &checked(&stage, &["old.yaml", "old.yaml", "--waivers", "bin"]),
        USAGE,
        &["waivers file bin is invalid"],
    );
    let flags: [(&[&str], &str); 5] = [
        (&["old.yaml", "old.yaml", "-o", "nope"], "possible values"),
        (&["old.yaml", "old.yaml", "--stored-versions", "v9"], "NAME=v1,v1beta1"),
        (&["--explain", "enum-chnged"], "did you mean enum-changed"),
        (&["old.yaml", "old.yaml", "--explain", "enum-changed"], "cannot be used with"),
        (&[], "required"),
    ];
    for (args, says) in flags {
        holds(&args.join(" "), &checked(&stage, args), USAGE, &[says]);
    }
}

/// A registry is queried over TLS even without a cluster: the first client needs a TLS provider
/// (<https://docs.rs/rustls/latest/rustls/crypto/struct.CryptoProvider.html>).
#[test]
fn a_chart_in_a_registry_that_does_not_answer_is_no_panic() {
    let stage = built();
    let chart = "oci://127.0.0.1:1/mural/mural-crds";
    let list: &[&str] = &["crds", "list", chart, "--version", "0.9.0"];
    let check: &[&str] =
        &["crds", "check", chart, chart, "--old-version", "0.9.0", "--version", "0.9.1", "--plain-http"];
    for args in [list, check] {
        holds(&args.join(" "), &stage.run("helm-mural", args), FINDINGS, &["does not answer", "127.0.0.1:1"]);
    }
}

/// 50 MB of other manifests beside the CRD: read, and passed over.
#[test]
fn a_large_file_is_read_in_good_time() {
    let stage = built();
    stage.file("old.yaml", GOOD);
    let mut text = GOOD.to_owned();
    let filler = "y".repeat(1000);
    for at in 0..50_000 {
        let _ =
            writeln!(text, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x{at}}}\ndata: {{a: {filler}}}");
    }
    stage.file("new.yaml", &text);
    let began = Instant::now();
    holds("50 MB", &checked(&stage, &["old.yaml", "new.yaml"]), 0, &["1 unchanged"]);
    assert!(began.elapsed() < Duration::from_secs(60), "{} MB in {:?}", text.len() >> 20, began.elapsed());
}
