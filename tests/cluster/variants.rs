//! Broken charts, one folder a case below `tests/charts/cases/`: each is refused, or fails, with its own reason, exit code and
//! hint, and what ran before still runs.

mod archives;
mod overlay;
mod table;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use mural_tests::audit;
use mural_tests::plugins;
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::ground::{Ended, Ground};
use crate::small::{self, CANARY, NAMESPACE};
use overlay::Charts;
use table::{CASES, Case, Expect};

pub const TESTS: &[Test] = &[
    ("variants::every_case_has_its_folder", every_case_has_its_folder),
    ("variants::every_case_ends_as_it_should", every_case_ends_as_it_should),
];

/// One line of the closing table.
struct Line {
    case: &'static str,
    code: i32,
    guard: String,
    hint: String,
    seconds: f64,
}

fn every_case_has_its_folder(_: &Ground) -> Result<()> {
    let folders = overlay::folders()?;
    let cases: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    let without: Vec<&&str> = cases.iter().filter(|case| !folders.contains(&(**case).to_owned())).collect();
    let unused: Vec<&String> = folders.iter().filter(|folder| !cases.contains(&folder.as_str())).collect();
    ensure!(without.is_empty() && unused.is_empty(), "no folder: {without:?}; not in the table: {unused:?}");
    Ok(())
}

fn every_case_ends_as_it_should(ground: &Ground) -> Result<()> {
    let chosen = std::env::var("MURAL_CASES").unwrap_or_default();
    plugins::folder().context("built before the clock runs")?;
    let (mut lines, mut wrong, mut clean) = (Vec::new(), Vec::new(), false);
    for case in CASES.iter().filter(|case| chosen.is_empty() || chosen.split(',').any(|name| name == case.name)) {
        if !clean {
            ground.older()?;
        }
        let (began, known) = (Instant::now(), wrong.len());
        match one(ground, case).with_context(|| case.name) {
            Ok(mut line) => {
                line.seconds = began.elapsed().as_secs_f64();
                lines.push(line);
            }
            Err(error) => wrong.push(format!("{error:#}")),
        }
        // A refusal wrote nothing: what the case itself brought is taken away again, and the ground serves the next.
        clean = !case.expect.writes && case.today.is_none() && wrong.len() == known;
        if clean {
            take_away(ground, case)?;
        }
    }
    print(&lines);
    ensure!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), wrong.len() + lines.len(), wrong.join("\n\n"));
    Ok(())
}

/// Brings the case's world about, runs it, and looks at everything that must hold.
fn one(ground: &Ground, case: &'static Case) -> Result<Line> {
    let charts = overlay::charts(ground, case.name)?;
    prepare(ground, case, &charts)?;
    let before = living(ground)?;
    if let Some(code) = case.client {
        let mark = ground.mark()?;
        let ended = run(ground, case, &charts, &["--dry-run=client"])?;
        safe_to_show(&ended)?;
        ground.nothing_written(mark)?;
        ensure!(ended.code == code, "--dry-run=client: exit code {} instead of {code}\n{}", ended.code, ended.all());
    }
    let mark = ground.mark()?;
    let ended = run(ground, case, &charts, &["--yes"])?;
    safe_to_show(&ended)?;
    judged(case, &ended)?;
    let expect = case.today.as_ref().map_or(&case.expect, |today| &today.expect);
    if !expect.writes {
        ground.nothing_written(mark)?;
    } else {
        let log = ground.since(mark)?;
        ensure!(!audit::writes_by(&log, "operator").is_empty(), "it should have begun:\n{}", ended.all());
    }
    still_runs(&before, &living(ground)?, expect)?;
    let hint = ended.all().lines().map(str::trim).find(|line| line.starts_with('→')).unwrap_or_default().to_owned();
    let guard = case.today.as_ref().map_or(expect.guard.to_owned(), |today| format!("waits for {}", today.waits_for));
    Ok(Line { case: case.name, code: ended.code, guard, hint, seconds: 0.0 })
}

/// As the table says; where a guard is waited for, still as it is without it.
fn judged(case: &Case, ended: &Ended) -> Result<()> {
    let Some(today) = &case.today else { return as_expected(&case.expect, ended) };
    if as_expected(&case.expect, ended).is_ok() {
        bail!("{} has landed: take `today` from this case", today.waits_for);
    }
    as_expected(&today.expect, ended).with_context(|| format!("without {}", today.waits_for))
}

fn as_expected(expect: &Expect, ended: &Ended) -> Result<()> {
    let all = ended.all();
    ensure!(ended.code == expect.code, "exit code {} instead of {}\n{all}", ended.code, expect.code);
    for word in std::iter::once(&expect.guard).chain(expect.says) {
        ensure!(all.contains(word), "does not say {word:?}:\n{all}");
    }
    let hints: Vec<&str> = all.lines().map(str::trim).filter(|line| line.starts_with('→')).collect();
    let hinted = expect.hint.is_empty() || hints.iter().any(|line| line.contains(expect.hint));
    ensure!(hinted, "no next step with {:?} in {hints:?}:\n{all}", expect.hint);
    Ok(())
}

/// No secret, nothing that a terminal obeys, no panic.
fn safe_to_show(ended: &Ended) -> Result<()> {
    let all = ended.all();
    ensure!(!all.contains(CANARY), "tells a secret:\n{all}");
    ensure!(!all.contains("panicked"), "{all}");
    let harmful = all.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    ensure!(harmful.is_none(), "{harmful:?} reaches the terminal:\n{all:?}");
    Ok(())
}

fn run(ground: &Ground, case: &Case, charts: &Charts, more: &[&str]) -> Result<Ended> {
    let values = small::values(ground)?;
    let (crds, app) = archives::stand_in(ground, case.name, charts)?;
    let mut args = vec!["--plain-http", "--values", &values];
    let registry = ground.sandbox()?.registry();
    let flags: Vec<String> = case.flags.iter().map(|flag| flag.replace("REGISTRY", &registry)).collect();
    let named = |flag: &str| flags.iter().any(|given| given == flag);
    if !named("--crds-chart") {
        args.extend(["--crds-chart", &crds]);
    }
    if !named("--chart") {
        args.extend(["--chart", &app]);
    }
    args.extend(flags.iter().map(String::as_str));
    args.extend(more);
    ground.run(User::Operator, "kubectl-mural-upgrade", &args)
}

/// What the case needs on the cluster before: another older CRD chart, and objects of its own.
fn prepare(ground: &Ground, case: &Case, charts: &Charts) -> Result<()> {
    if let Some(older) = &charts.older_crds {
        // As helm would have it: what the page applied is helm's now.
        let install = ["upgrade", "--install", "mural-crds", older, "--namespace", NAMESPACE];
        ground.run(User::Admin, "helm", &install)?.with(0)?;
        ground.run(User::Admin, "kubectl", &["wait", "--for=condition=Established", "crd", "--all"])?.with(0)?;
    }
    for file in charts.before.iter().chain(&charts.objects) {
        apply(ground, file).with_context(|| format!("{} of {}", file, case.name))?;
    }
    Ok(())
}

/// Applies a file whose later documents may be of kinds that its earlier ones define.
fn apply(ground: &Ground, file: &str) -> Result<()> {
    let args = ["apply", "--server-side", "--force-conflicts", "--filename", file];
    let first = ground.run(User::Admin, "kubectl", &args)?;
    if first.code != 0 {
        ground.run(User::Admin, "kubectl", &["wait", "--for=condition=Established", "crd", "--all"])?.with(0)?;
        let again = (0..20).map_while(|_| {
            let ended = ground.run(User::Admin, "kubectl", &args).ok()?;
            std::thread::sleep(std::time::Duration::from_millis(200));
            (ended.code != 0).then_some(())
        });
        ensure!(again.count() < 20, "{}", first.all());
    }
    Ok(())
}

fn take_away(ground: &Ground, case: &Case) -> Result<()> {
    let charts = overlay::charts(ground, case.name)?;
    if charts.older_crds.is_some() {
        return ground.older();
    }
    for file in charts.objects.iter().chain(&charts.before) {
        ground.run(User::Admin, "kubectl", &["delete", "--ignore-not-found", "--filename", file])?.with(0)?;
    }
    Ok(())
}

/// What lives, by name: ready pods, and custom resources with their specs.
fn living(ground: &Ground) -> Result<BTreeMap<String, Value>> {
    let mut all = BTreeMap::new();
    let name = |item: &Value| format!("{} {}", item["kind"].as_str().unwrap_or("?"), item["metadata"]["name"]);
    let pods = ground.get(&["pods", "--namespace", NAMESPACE])?;
    for pod in pods["items"].as_array().into_iter().flatten().filter(|pod| ready(pod)) {
        all.insert(name(pod), pod["metadata"]["uid"].clone());
    }
    let crds = ground.get(&["crd"])?;
    for crd in crds["items"].as_array().into_iter().flatten() {
        let Some(kind) = crd["metadata"]["name"].as_str() else { continue };
        let objects = ground.get(&[kind, "--all-namespaces"])?;
        for object in objects["items"].as_array().into_iter().flatten() {
            let what = serde_json::json!({"uid": object["metadata"]["uid"], "spec": object["spec"]});
            all.insert(name(object), what);
        }
    }
    Ok(all)
}

fn ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

/// A refusal leaves everything as it was. What begins may replace pods, but two are ready at any time, and no custom resource changes.
fn still_runs(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>, expect: &Expect) -> Result<()> {
    let is_pod = |name: &str| name.starts_with("Pod ");
    let stays = |name: &str| !is_pod(name) || !expect.writes;
    let gone = before.iter().filter(|(name, what)| stays(name) && after.get(*name) != Some(what));
    let gone: Vec<&String> = gone.map(|(name, _)| name).collect();
    ensure!(gone.is_empty(), "no longer as it was: {gone:?}");
    ensure!(expect.writes || before.len() == after.len(), "a refusal made something: {:?}", after.keys());
    for world in [before, after] {
        ensure!(world.keys().filter(|name| is_pod(name)).count() >= 2, "nothing runs: {:?}", world.keys());
    }
    Ok(())
}

fn print(lines: &[Line]) {
    println!("\n{:<28} {:>4}  {:<34} {:>5}  hint", "case", "exit", "guard", "s");
    for line in lines {
        println!("{:<28} {:>4}  {:<34} {:>5.1}  {}", line.case, line.code, line.guard, line.seconds, line.hint);
    }
    println!();
}
