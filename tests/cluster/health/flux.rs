//! Checks about Flux, with its real controllers: each finding goes away when its hint's command runs. Also several
//! clusters at once.

use anyhow::{Context, Result, ensure};
use mural_tests::install;
use mural_tests::sandbox::User;
use serde_json::Value;

use super::states::State;
use super::{findings, follow, json, shell, until, validate};
use crate::flux::{helm_release, install_older};
use crate::small::NAMESPACE;
use crate::test_cluster::TestCluster;

const fn state(fires: &'static [&'static str], does: &'static str) -> State {
    State { fires, does }
}

/// Faults that are caused together, on the small Flux installation.
pub const BROKEN: [State; 6] = [
    state(
        &["flux-depends-on"],
        r#"kubectl -n mural-system patch helmrelease mural --type merge --patch '{"spec":{"dependsOn":null}}'"#,
    ),
    state(
        &["flux-suspended"],
        r#"kubectl -n mural-system patch helmrelease mural --type merge --patch '{"spec":{"suspend":true}}'"#,
    ),
    // The source has a digest and a version, and the effective one is not deployed, because the HelmRelease is
    // suspended.
    state(
        &["flux-source-version", "flux-revision"],
        r#"kubectl -n mural-system patch ocirepository mural --type merge --patch '{"spec":{"ref":{"semver":"1.1.0-rc.3","tag":"1.1.0-rc.0"}}}'"#,
    ),
    state(
        &["flux-release-crds-policy"],
        r#"kubectl -n mural-system patch helmrelease mural-crds --type merge --patch '{"spec":{"upgrade":null}}'"#,
    ),
    // A range that matches nothing.
    state(
        &["flux-source-ready"],
        r#"kubectl -n mural-system patch ocirepository mural-crds --type merge --patch '{"spec":{"ref":{"semver":"7.x"}}}'"#,
    ),
    state(
        &["flux-controllers-ready"],
        "kubectl -n flux-system set image deployment/helm-controller '*=x:no-such-image'",
    ),
];

/// Faults that are caused one after another: the check, the action, a part of the message, and the fix.
pub const UPGRADE_STATES: [(&str, &str, &str, &str); 3] = [
    (
        "flux-source-version",
        r#"digest=$(kubectl -n mural-system get ocirepository mural -o jsonpath='{.status.artifact.revision}' | cut -d@ -f2) && kubectl -n mural-system patch ocirepository mural --type merge --patch '{"spec":{"ref":{"digest":"'$digest'","semver":"1.0.0"}}}'"#,
        "digest overrides semver",
        HINT,
    ),
    (
        "flux-source-version",
        r#"kubectl -n mural-system patch ocirepository mural --type merge --patch '{"spec":{"ref":{"semver":">=1.0.0-0 <1.1.0-0"}}}'"#,
        "does not match 1.1.0-rc.0",
        HINT,
    ),
    // An upgrade with a timeout that is too short stays in the history as failed.
    (
        "flux-release-ready",
        r#"kubectl -n mural-system patch helmrelease mural --type merge --patch '{"spec":{"timeout":"1s","values":{"node":"nowhere"}}}'"#,
        "RetriesExceeded",
        r#"kubectl -n mural-system patch helmrelease mural --type merge --patch '{"spec":{"timeout":"1m","values":{"node":""}}}'"#,
    ),
];
const HINT: &str = "";
/// Deployments of the controllers, as `flux install` creates them. The sandbox's controllers run outside of the
/// cluster.
const CONTROLLERS: &str = "kubectl create namespace flux-system && for one in source helm; do kubectl -n flux-system create deployment $one-controller --image=example.com/flux; done";
/// Flags with the expected versions.
const EXPECT_FLAGS: [&str; 6] = ["--expect", "mural=1.1.0-rc.0", "--expect", "crds=0.7.1", "--output", "json"];

pub fn on_real_controllers(test_cluster: &TestCluster) -> Result<()> {
    let own = test_cluster;
    own.install_older()?;
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    install_older(test_cluster)?;
    shell(test_cluster, CONTROLLERS)?;
    healthy(test_cluster).context("healthy")?;
    several(own, test_cluster)?;
    for state in &BROKEN {
        shell(test_cluster, state.does)?;
    }
    let ids: Vec<&str> = BROKEN.iter().flat_map(|state| state.fires).copied().collect();
    let report = wait_for_findings(test_cluster, &ids)?;
    by_hints(test_cluster, &report)?;
    shell(test_cluster, "kubectl -n flux-system rollout undo deployment/helm-controller")?;
    healthy(test_cluster).context("after the hints")?;
    for (id, does, word, mends) in UPGRADE_STATES {
        shell(test_cluster, does)?;
        let report = wait_for_message(test_cluster, id, word)?;
        match mends {
            HINT => follow(test_cluster, findings(&report, id)[0])?,
            line => shell(test_cluster, line)?,
        }
    }
    healthy(test_cluster).context("one after another")?;
    whole(test_cluster)
}

fn whole(test_cluster: &TestCluster) -> Result<()> {
    not_looked_at(test_cluster)?;
    healthy(test_cluster).context("with the controller back")?;
    // Flux recreates deleted objects on request.
    shell(test_cluster, "kubectl -n mural-system delete deployment canvas")?;
    let report = wait_for_findings(test_cluster, &["workload-present"])?;
    follow(test_cluster, findings(&report, "workload-present")[0])?;
    healthy(test_cluster).context("put back by Flux")
}

/// The sample installation by Flux has no finding.
pub fn silent(test_cluster: &TestCluster) -> Result<()> {
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    // Objects of an earlier test are removed with the namespace.
    install_older(test_cluster)?;
    install::install(test_cluster.sandbox()?, &install::Args { flux: true, ..install::Args::default() })?;
    shell(test_cluster, CONTROLLERS)?;
    healthy(test_cluster)
}

/// Waits until there is no finding at all.
fn healthy(test_cluster: &TestCluster) -> Result<()> {
    let mut last = String::new();
    until(test_cluster, || {
        let ended = validate(test_cluster, &[&EXPECT_FLAGS[..], &["--strict"]].concat())?;
        last.clone_from(&ended.stdout);
        Ok((ended.code == 0 && json(&ended)?["counts"]["notes"] == 0).then_some(()))
    })
    .with_context(|| last.clone())
}

fn wait_for_findings(test_cluster: &TestCluster, ids: &[&str]) -> Result<Value> {
    let mut silent = Vec::new();
    let report = until(test_cluster, || {
        let report = json(&validate(test_cluster, &EXPECT_FLAGS)?)?;
        silent = ids.iter().copied().filter(|id| findings(&report, id).is_empty()).map(str::to_owned).collect();
        Ok(silent.is_empty().then_some(report))
    });
    report.with_context(|| format!("these find nothing: {silent:?}"))
}

/// Waits until a check has a finding with this text.
fn wait_for_message(test_cluster: &TestCluster, id: &str, word: &str) -> Result<Value> {
    let report = until(test_cluster, || {
        let report = json(&validate(test_cluster, &EXPECT_FLAGS)?)?;
        let told = findings(&report, id)
            .iter()
            .any(|finding| finding["message"].as_str().is_some_and(|text| text.contains(word)));
        Ok(told.then_some(report))
    });
    report.with_context(|| format!("{id} does not say {word:?}"))
}

/// Runs the command of each hint, unchanged.
fn by_hints(test_cluster: &TestCluster, report: &Value) -> Result<()> {
    for id in ["flux-source-version", "flux-release-crds-policy", "flux-depends-on", "flux-suspended"] {
        findings(report, id).iter().try_for_each(|finding| follow(test_cluster, finding))?;
    }
    Ok(())
}

/// A controller that does not observe a new generation.
fn not_looked_at(test_cluster: &TestCluster) -> Result<()> {
    let sandbox = test_cluster.sandbox()?;
    let state = mural_tests::sandbox::State::read(&mural_tests::sandbox::Folder::of(sandbox.name())?);
    let controller = state.children.get("helm-controller").context("helm-controller runs")?.to_string();
    let signal = |signal: &str| -> Result<()> {
        ensure!(std::process::Command::new("kill").args([signal, &controller]).status()?.success(), "kill {signal}");
        Ok(())
    };
    signal("-STOP")?;
    let patch = r#"kubectl -n mural-system patch helmrelease mural --type merge --patch '{"spec":{"interval":"11m"}}'"#;
    let told = shell(test_cluster, patch)
        .and_then(|()| wait_for_message(test_cluster, "flux-release-ready", "has not observed its newest spec"));
    signal("-CONT")?;
    told?;
    ensure!(helm_release(test_cluster, "mural")?["spec"]["interval"] == "11m", "the patch is gone");
    Ok(())
}

/// One report about two clusters with different owners and one that does not answer. A context without an installation
/// is omitted.
fn several(own: &TestCluster, flux: &TestCluster) -> Result<()> {
    let dead = own.files().join("dead.yaml");
    let [first, second] =
        [own, flux].map(|test_cluster| test_cluster.sandbox().map(mural_tests::sandbox::Sandbox::context));
    let (first, second) = (first?, second?);
    std::fs::write(
        &dead,
        "apiVersion: v1\nkind: Config\nclusters: [{name: dead, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: me, user: {}}]\ncontexts: [{name: dead, context: {cluster: dead, user: me}}]\n",
    )?;
    // Two kubeconfigs must not use the same user name.
    let renamed = |test_cluster: &TestCluster, name: &str| -> Result<std::path::PathBuf> {
        let text = std::fs::read_to_string(test_cluster.sandbox()?.kubeconfig(User::Operator))?;
        let file = own.files().join(format!("{name}.yaml"));
        std::fs::write(&file, text.replace("operator", name))?;
        Ok(file)
    };
    let files = [renamed(own, "first")?, renamed(flux, "second")?, dead];
    let all = std::env::join_paths(files)?;
    let look = |flags: &[&str]| {
        let env = [("KUBECONFIG", std::path::Path::new(&all))];
        own.run_with(User::Operator, "kubectl-mural-validate", &[flags, &["--skip", "tools"]].concat(), "", &env)
    };
    let ended = look(&["--all-contexts", "--output", "json"])?.expect_code(3)?;
    let list = json(&ended)?;
    ensure!(list["kind"] == "ValidateReportList", "{}", ended.stdout);
    let items = list["items"].as_array().context("no items")?;
    let of = |context: &str| {
        items.iter().find(|one| one["cluster"]["context"] == context).with_context(|| context.to_owned())
    };
    ensure!(items.len() == 3 && of("dead")?["readFailure"].is_string(), "{}", ended.stdout);
    ensure!(
        of(&first)?["owners"]["mural"]["owner"] == "helm" && of(&second)?["owners"]["mural"]["owner"] == "flux",
        "{}",
        ended.stdout
    );
    let both = format!("{first},{second}");
    for form in ["table", "junit", "markdown", "html", "yaml"] {
        let ended = look(&["--contexts", &both, "--output", form])?.expect_code(0).context(form)?;
        ensure!(ended.stdout.contains(&first) && ended.stdout.contains(&second), "{form}: {}", ended.stdout);
    }
    let none = look(&["--all-contexts", "--namespace", "nowhere"])?.expect_code(3)?;
    let told = none.stderr.matches("the installation was not found, skipped").count();
    ensure!(told == 2 && none.stdout.contains("could not be read"), "{}", none.all_text());
    ensure!(NAMESPACE == "mural-system", "the patches name the namespace");
    Ok(())
}
