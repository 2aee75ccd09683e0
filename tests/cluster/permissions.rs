//! The permissions of an upgrade: the printed Roles suffice for the whole run, and a missing verb is refused before the first write.

use anyhow::{Context, Result, ensure};
use mural::model::yaml::{self, ErrorDetail};
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::refusals::upgrade;
use crate::small::NEWER;
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[
    ("permissions::the_printed_roles_suffice_with_helm_3_17_2", |test_cluster| suffice(test_cluster, "3.17.2")),
    ("permissions::the_printed_roles_suffice_with_helm_3_22_0", |test_cluster| suffice(test_cluster, "3.22.0")),
    ("permissions::the_printed_roles_suffice_with_helm_4_3_1", |test_cluster| suffice(test_cluster, "4.3.1")),
    ("permissions::a_missing_verb_is_refused", a_missing_verb_is_refused),
];

/// A user without any permission of their own. The operator may impersonate them.
const RUNNER: &str = "runner";

/// The upgrade to the newer pair, as the user without permissions.
fn upgrade_as_runner(test_cluster: &TestCluster) -> Result<CommandOutput> {
    let flags: Vec<&str> = newer().chain(["--as", RUNNER, "--yes"]).collect();
    upgrade(test_cluster, User::Operator, &[], &flags)
}

fn newer() -> impl Iterator<Item = &'static str> {
    NEWER.iter().flat_map(|(flag, value)| [*flag, *value])
}

/// The Roles that the operator prints for the runner.
fn print_roles(test_cluster: &TestCluster) -> Result<String> {
    let flags: Vec<&str> = newer().chain(["--explain-permissions=runner"]).collect();
    let mark = test_cluster.mark()?;
    let printed = upgrade(test_cluster, User::Operator, &["plan"], &flags)?.expect_code(0)?.stdout;
    test_cluster.ensure_nothing_written(mark)?;
    Ok(printed)
}

fn apply(test_cluster: &TestCluster, roles: &str) -> Result<()> {
    test_cluster.run_with(User::Admin, "kubectl", &["apply", "--filename", "-"], roles, &[])?.expect_code(0)?;
    Ok(())
}

/// Removes the Roles of an earlier test: they outlive the snapshot of an installation.
fn remove_roles(test_cluster: &TestCluster, roles: &str) -> Result<()> {
    let delete = ["delete", "--ignore-not-found", "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &delete, roles, &[])?.expect_code(0)?;
    Ok(())
}

fn suffice(test_cluster: &TestCluster, helm: &str) -> Result<()> {
    test_cluster.install_older()?;
    test_cluster.use_helm(helm)?;
    let roles = print_roles(test_cluster)?;
    let mark = test_cluster.mark()?;
    let refused = upgrade_as_runner(test_cluster)?;
    ensure!([1, 3, 5].contains(&refused.code), "without any Role: exit code {}\n{}", refused.code, refused.all_text());
    test_cluster.ensure_nothing_written(mark).context("without any Role")?;
    apply(test_cluster, &roles)?;
    let mark = test_cluster.mark()?;
    let done = upgrade_as_runner(test_cluster);
    let log = test_cluster.entries_since(mark)?;
    remove_roles(test_cluster, &roles)?;
    done?.expect_code(0).with_context(|| format!("with exactly these Roles:\n{roles}"))?;
    let forbidden: Vec<_> =
        log.iter().filter(|entry| entry.as_user.as_deref() == Some(RUNNER) && entry.code == 403).collect();
    ensure!(forbidden.is_empty(), "forbidden in spite of the Roles: {forbidden:?}");
    Ok(())
}

/// Without one verb of the Roles, the run is refused, the verb is named, and nothing is written.
fn a_missing_verb_is_refused(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let roles = print_roles(test_cluster)?;
    let missing = [
        ("apiextensions.k8s.io", "customresourcedefinitions", "patch"),
        ("small.example.com", "gadgets", "create"),
        ("apps", "deployments", "patch"),
        ("coordination.k8s.io", "leases", "update"),
        ("", "secrets", "delete"),
    ];
    for (group, resource, verb) in missing {
        apply(test_cluster, &without_verb(&roles, group, resource, verb)?)?;
        let mark = test_cluster.mark()?;
        let refused = upgrade_as_runner(test_cluster)?;
        let all = refused.all_text();
        test_cluster.ensure_nothing_written(mark).with_context(|| format!("without {verb} {resource}"))?;
        ensure!(refused.code == 5, "without {verb} {resource}: exit code {}\n{all}", refused.code);
        ensure!(
            all.contains("permissions") && all.contains(&format!("{verb} {resource}")),
            "{verb} {resource}:\n{all}"
        );
    }
    remove_roles(test_cluster, &roles)
}

/// The Roles without one verb of one resource.
fn without_verb(roles: &str, group: &str, resource: &str, verb: &str) -> Result<String> {
    let mut documents = yaml::parse_documents(roles, ErrorDetail::Snippet)?;
    let mut count = 0;
    for rules in documents.iter_mut().filter_map(|document| document.get_mut("rules")?.as_array_mut()) {
        let mut changed = Vec::new();
        for rule in rules.iter() {
            let has = |key: &str, word: &str| rule[key].as_array().is_some_and(|words| words.contains(&word.into()));
            if !(has("apiGroups", group) && has("resources", resource) && has("verbs", verb)) {
                changed.push(rule.clone());
                continue;
            }
            count += 1;
            changed.push(with_words(rule, "resources", |word| word != resource));
            let only = with_words(rule, "resources", |word| word == resource);
            changed.push(with_words(&only, "verbs", |word| word != verb));
        }
        changed.retain(|rule| ["resources", "verbs"].iter().all(|key| rule[*key] != serde_json::json!([])));
        *rules = changed;
    }
    ensure!(count > 0, "no rule has {verb} {resource}");
    let texts: Vec<String> = documents.iter().map(yaml::write).collect::<Result<_, _>>()?;
    Ok(texts.join("---\n"))
}

fn with_words(rule: &Value, key: &str, keep: impl Fn(&str) -> bool) -> Value {
    let mut rule = rule.clone();
    if let Some(words) = rule[key].as_array_mut() {
        words.retain(|word| word.as_str().is_some_and(&keep));
    }
    rule
}
