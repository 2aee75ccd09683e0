//! False alarms of the guards, on charts of public projects from the corpus: each is upgraded from an older to a newer
//! version with its own custom resources on the cluster. Every expected finding carries the reason why it is true; any
//! other is a false alarm.

mod charts;

use anyhow::{Context, Result, ensure};
use mural_tests::plugins;
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::test_cluster::TestCluster;
use charts::{Charts, Corpus};

pub const TESTS: &[Test] = &[("public::every_finding_is_true", every_finding_is_true)];

/// A finding that is expected, and why it is true.
struct TrueFinding {
    guard: &'static str,
    level: &'static str,
    /// A part of each finding's subject.
    subject: &'static str,
    /// Number of findings.
    count: usize,
    because: &'static str,
}

/// An upgrade of a public project.
struct Upgrade {
    project: &'static str,
    from: &'static str,
    to: &'static str,
    code: i32,
    findings: &'static [TrueFinding],
}

const fn silent(project: &'static str, from: &'static str, to: &'static str) -> Upgrade {
    Upgrade { project, from, to, code: 0, findings: &[] }
}

const UPGRADES: &[Upgrade] = &[
    // 27 findings of crdify: defaults, descriptions, enum values that arrive.
    silent("cert-manager", "v1.18.6", "v1.20.3"),
    // 425 findings of crdify: the storage version changes, three versions stay served, patterns and limits are
    // rewritten.
    silent("istio", "1.22.8", "1.28.10"),
    // Two versions are removed that no object is stored in; 11 findings of crdify.
    silent("cluster-api", "v1.11.11", "v1.13.5"),
    Upgrade {
        project: "kyverno",
        from: "v1.12.7",
        to: "v1.13.6",
        code: 5,
        findings: &[
            TrueFinding {
                guard: "custom-resources-fit",
                level: "warning",
                subject: "GlobalContextEntry ingress-2",
                count: 1,
                because: "1.13 allows one source an entry and this one has two: it can be kept, and not made again",
            },
            TrueFinding {
                guard: "live-objects-fit",
                level: "error",
                subject: "globalcontextentries.kyverno.io",
                count: 1,
                because: "the same live object: to be fixed before the upgrade, or to be waived",
            },
        ],
    },
    Upgrade {
        project: "strimzi",
        from: "0.49.0",
        to: "1.0.0",
        code: 5,
        findings: &[TrueFinding {
            guard: "crds-dry-run",
            level: "error",
            subject: "strimzi.io",
            count: 5,
            because: "1.0.0 drops v1beta2, in which 0.49.0 stores: the project has a conversion tool of its own for it",
        }],
    },
];

fn every_finding_is_true(test_cluster: &TestCluster) -> Result<()> {
    let Some(corpus) = Corpus::find()? else {
        println!("skipped: no shared/corpus beside the project or above it, so there are no public charts to look at");
        return Ok(());
    };
    plugins::folder().context("built before the clock runs")?;
    test_cluster.install_older()?;
    let mut wrong = Vec::new();
    println!();
    for upgrade in UPGRADES {
        if let Err(error) = check_upgrade(test_cluster, &corpus, upgrade) {
            wrong.push(format!("{} {} → {}: {error:#}", upgrade.project, upgrade.from, upgrade.to));
        }
    }
    println!();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}

/// Installs the older pair by the vendor's guide, and upgrades it with the plugin.
fn check_upgrade(test_cluster: &TestCluster, corpus: &Corpus, upgrade: &Upgrade) -> Result<()> {
    let charts = corpus.charts(upgrade.project, upgrade.from, upgrade.to, &test_cluster.files().join("public"))?;
    let namespace = format!("public-{}", upgrade.project);
    install(test_cluster, &charts, &namespace)?;
    let before = objects(test_cluster, &charts)?;
    let report = test_cluster.files().join("public").join(upgrade.project).join("report.json");
    let file = report.display().to_string();
    // Examples come and go between versions: helm deletes them, as objects-removed says.
    let args = [
        "--yes",
        "--namespace",
        &namespace,
        "--release",
        "app",
        "--crds-release",
        "crds",
        "--report",
        &file,
        "--allow-removals",
    ];
    let named = ["--chart", &charts.app[1], "--crds-chart", &charts.crds[1]];
    let ended = test_cluster.run(User::Operator, "kubectl-mural-upgrade", &[&args[..], &named].concat())?;
    ensure!(report.exists(), "no report:\n{}", ended.all_text());
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&report)?)?;
    let found = findings(&report)?;
    print_report(upgrade, &report, &before, ended.code, &found);
    ensure_expected_findings(upgrade, &found)?;
    ensure!(ended.code == upgrade.code, "exit code {} instead of {}\n{}", ended.code, upgrade.code, ended.all_text());
    // No finding was right: every object can still be read in every served version, and is unchanged.
    let after = objects(test_cluster, &charts)?;
    ensure!(before.iter().all(|object| after.contains(object)), "objects were lost: {before:?}, {after:?}");
    Ok(())
}

fn install(test_cluster: &TestCluster, charts: &Charts, namespace: &str) -> Result<()> {
    let crds = format!("{}/crds", charts.crds[0]);
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", &crds];
    test_cluster.run(User::Admin, "kubectl", &apply)?.expect_code(0)?;
    let wait = ["wait", "--for=condition=Established", "--filename", &crds];
    test_cluster.run(User::Admin, "kubectl", &wait)?.expect_code(0)?;
    let install = ["install", "app", &charts.app[0], "--namespace", namespace, "--create-namespace"];
    test_cluster.run(User::Admin, "helm", &install)?.expect_code(0).context("the older application")?;
    Ok(())
}

/// The custom resources of the charts' kinds, by name.
fn objects(test_cluster: &TestCluster, charts: &Charts) -> Result<Vec<String>> {
    let list = test_cluster.get(&[&charts.kinds.join(","), "--all-namespaces"])?;
    let items = list["items"].as_array().into_iter().flatten();
    let name = |item: &Value| format!("{} {}", item["kind"].as_str().unwrap_or("?"), item["metadata"]["name"]);
    let names: Vec<String> = items.map(name).collect();
    ensure!(!names.is_empty(), "no objects: the test would prove nothing");
    Ok(names)
}

/// All findings above the level info: guard, level, subject, message.
fn findings(report: &Value) -> Result<Vec<[String; 4]>> {
    let guards = report.pointer("/plan/guards").and_then(Value::as_array).context("guards in the report")?;
    let undetermined = guards.iter().find(|guard| guard["verdict"] == "undetermined");
    ensure!(undetermined.is_none(), "could not look: {undetermined:?}");
    let all = guards.iter().flat_map(|guard| guard["findings"].as_array().into_iter().flatten());
    let texts = all.map(|one| {
        ["check", "level", "subject", "message"].map(|key| one[key].as_str().unwrap_or_default().to_owned())
    });
    Ok(texts.filter(|[_, level, ..]| level != "info").collect())
}

fn ensure_expected_findings(upgrade: &Upgrade, found: &[[String; 4]]) -> Result<()> {
    let is = |one: &[String; 4], known: &TrueFinding| {
        one[0] == known.guard && one[1] == known.level && one[2].contains(known.subject)
    };
    let unknown: Vec<_> = found.iter().filter(|one| !upgrade.findings.iter().any(|known| is(one, known))).collect();
    ensure!(unknown.is_empty(), "a false alarm, or a new one to look at: {unknown:#?}");
    for known in upgrade.findings {
        let count = found.iter().filter(|one| is(one, known)).count();
        ensure!(count == known.count, "{} {} findings instead of {}", count, known.guard, known.count);
    }
    Ok(())
}

fn print_report(upgrade: &Upgrade, report: &Value, objects: &[String], code: i32, found: &[[String; 4]]) {
    let crds = report.pointer("/plan/crds").and_then(Value::as_array).into_iter().flatten();
    let mut decisions = std::collections::BTreeMap::<&str, usize>::new();
    for crd in crds {
        *decisions.entry(crd["decision"].as_str().unwrap_or("?")).or_default() += 1;
    }
    let Upgrade { project, from, to, .. } = upgrade;
    println!("{project:<14} {from} → {to}: exit {code}, {} objects, CRDs {decisions:?}", objects.len());
    for known in upgrade.findings {
        println!("    {} ×{} ({}), true: {}", known.guard, known.count, known.level, known.because);
    }
    if found.is_empty() {
        println!("    no finding");
    }
}
