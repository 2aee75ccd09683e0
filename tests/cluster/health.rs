//! `kubectl mural validate` on the sample installation: no finding while it is healthy; after a real action breaks it,
//! the right check fails, and its hint repairs it. Also `validate` with each list forbidden in turn.

mod argo;
mod flux;
mod forms;
mod matrix;
mod states;
mod wait;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mural::cluster::USER_AGENT_VALUE;
use mural_tests::install::{self, NAMESPACE};
use mural_tests::proxy::{FaultEffect, FaultProxy, FaultRule};
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::kill::env;
use crate::test_cluster::{CommandOutput, TestCluster};

const TESTS: &[Test] = &[
    ("health::issues_are_reported_until_they_are_fixed", issues_are_reported_until_they_are_fixed),
    ("health::every_check_fires", matrix::every_check_fires),
    ("health::argo_cd_with_several_sources", argo::several_sources),
];
/// With `MURAL_OWNERS`. Each reinstalls the sample charts, which takes half a minute.
const OWNERS: &[Test] = &[
    ("health::silent_by_helm_3_17", |test_cluster| matrix::silent_by_helm(test_cluster, "3.17")),
    ("health::silent_by_helm_3_22", |test_cluster| matrix::silent_by_helm(test_cluster, "3.22")),
    ("health::silent_by_flux", flux::silent),
    ("health::flux_on_real_controllers", flux::on_real_controllers),
];

pub fn tests() -> Vec<Test> {
    let more = if env("MURAL_OWNERS").is_some() { OWNERS } else { &[] };
    [TESTS, more].concat()
}

/// Lists that are never forbidden: nothing works without the first; the second only identifies the cluster.
const NEEDED: [&str; 2] = ["/version", "/api/v1/namespaces/kube-system"];
/// If set, every list is forbidden in turn.
const ALL_LISTS: &str = "MURAL_LISTS";
/// Limit for a finding to appear or to go away.
const WITHIN: Duration = Duration::from_secs(90);

pub fn validate(test_cluster: &TestCluster, flags: &[&str]) -> Result<CommandOutput> {
    test_cluster.run(User::Operator, "kubectl-mural-validate", flags)
}

fn json(ended: &CommandOutput) -> Result<Value> {
    serde_json::from_str(&ended.stdout).with_context(|| format!("no JSON: {}", ended.all_text()))
}

/// A fault of the installation: the action that causes it, the checks that must find it, and the fix. `hint` means the
/// command of the first finding's hint.
struct Case {
    breaks: &'static [&'static str],
    finds: &'static [&'static str],
    fixes: &'static [&'static str],
    /// Whether `--crds-chart` is given; then the hints contain it.
    against: bool,
}

const HINT: &[&str] = &["hint"];

fn case(breaks: &'static [&'static str], found: &'static [&'static str], mends: &'static [&'static str]) -> Case {
    Case { breaks, finds: found, fixes: mends, against: false }
}

/// Runs a shell command in the sandbox's environment, as the operator.
fn cases() -> Vec<Case> {
    vec![
        case(&["kubectl -n mural-system scale deployment canvas --replicas=0"], &["workload-scaled"], HINT),
        case(
            &["kubectl -n mural-system delete service dex", "kubectl -n mural-system delete deployment hue"],
            &["release-objects-present", "workload-present"],
            HINT,
        ),
        case(
            &[
                "kubectl create namespace tenant-a",
                "kubectl -n tenant-a create configmap mural-project-rbac-viewer --from-literal=rules.yaml='- verbs: [list]'",
            ],
            &["tenant-role-drift"],
            HINT,
        ),
        case(
            &[
                "kubectl annotate crd settings.spectrocloud.com meta.helm.sh/release-name=other meta.helm.sh/release-namespace=other --overwrite",
            ],
            &["crd-foreign-owner"],
            HINT,
        ),
        Case {
            breaks: &[
                "kubectl delete crd scalingpolicies.spectrocloud.com",
                r#"kubectl patch crd tenants.spectrocloud.com --type json --patch '[{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/displayName/maxLength","value":2}]'"#,
            ],
            finds: &["crd-present", "crd-matches-chart", "crd-objects-fit"],
            fixes: HINT,
            against: true,
        },
        case(
            &[
                r#"kubectl patch crd computepools.spectrocloud.com --type json --patch '[{"op":"replace","path":"/spec/versions/0/storage","value":false},{"op":"add","path":"/spec/versions/-","value":{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}]'"#,
            ],
            &["crd-stored-versions"],
            HINT,
        ),
        // helm is killed in the middle.
        case(
            &[
                "helm upgrade mural $APP -n mural-system --reuse-values --wait & helm=$!; until kubectl -n mural-system get secrets --selector status=pending-upgrade --output name | grep -q .; do sleep 0.1; done; kill -9 $helm",
            ],
            &["release-deployed"],
            HINT,
        ),
        case(
            &[
                r#"kubectl patch crd hubs.fleetconfig.open-cluster-management.io --type json --patch '[{"op":"add","path":"/spec/versions/-","value":{"name":"v1","served":true,"storage":false,"deprecated":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}]'"#,
                r#"printf 'apiVersion: fleetconfig.open-cluster-management.io/v1\nkind: Hub\nmetadata: {name: hub-0, namespace: mural-system, annotations: {by: old-tool}}\n' | kubectl apply --server-side --field-manager old-tool --filename -"#,
            ],
            &["crd-version-in-use"],
            &[
                "kubectl -n mural-system annotate hub.v1alpha1.fleetconfig.open-cluster-management.io hub-0 by-",
                r#"printf 'apiVersion: fleetconfig.open-cluster-management.io/v1\nkind: Hub\nmetadata: {name: hub-0, namespace: mural-system}\n' | kubectl apply --server-side --field-manager old-tool --filename -"#,
            ],
        ),
        case(
            &[
                "kubectl -n mural-system set env deployment/dex --from=secret/dex --prefix=DEX_ --keys=config.yaml",
                "kubectl -n mural-system rollout status deployment/dex --timeout=60s",
                "sleep 1",
                r#"kubectl -n mural-system patch secret dex --patch '{"stringData":{"more":"canary-by-hand"}}'"#,
            ],
            &["restart-required"],
            HINT,
        ),
        case(&["kubectl apply --filename hook.yaml"], &["webhook-service", "webhook-ca"], HINT),
        case(
            &["kubectl apply --filename cluster.yaml"],
            &["managed-cluster-available"],
            &["kubectl delete managedcluster edge-1"],
        ),
        case(
            &[
                r#"kubectl -n mural-system patch deployment dex --patch '{"spec":{"template":{"spec":{"containers":[{"name":"dex","image":"registry.example.com/dex:no-such-image"}]}}}}'"#,
            ],
            &["workload-ready"],
            HINT,
        ),
    ]
}

fn issues_are_reported_until_they_are_fixed(test_cluster: &TestCluster) -> Result<()> {
    install::install(test_cluster.sandbox()?, &install::Args::default())?;
    files(test_cluster)?;
    let healthy = healthy(test_cluster)?;
    forbidden(test_cluster, &healthy)?;
    for case in cases() {
        let first = case.breaks[0];
        broken(test_cluster, &case).with_context(|| format!("broken by: {first}"))?;
    }
    wait::waits_until_healthy(test_cluster)
}

/// Makes sure that the report has no finding, no undetermined check and no secret.
fn healthy(test_cluster: &TestCluster) -> Result<Value> {
    let mark = test_cluster.mark()?;
    let ended = until(test_cluster, || {
        let ended = validate(test_cluster, &["--strict", "--output", "json"])?;
        Ok((ended.code == 0).then_some(ended))
    })?;
    test_cluster.ensure_nothing_written(mark)?;
    let report = json(&ended)?;
    let counts = &report["counts"];
    ensure!(counts["notes"] == 0 && counts["undetermined"] == 0, "{counts}: {}", ended.stdout);
    ensure!(!ended.stdout.contains("canary-"), "a secret is shown");
    let written = test_cluster.files().join("healthy.html").display().to_string();
    let baseline_file = test_cluster.files().join("before.json").display().to_string();
    validate(test_cluster, &["--report", &written, "--save-baseline", &baseline_file])?.expect_code(0)?;
    ensure!(std::fs::read_to_string(&written)?.ends_with("</html>\n"), "the page is not whole");
    let bundle = test_cluster.files().join("mural.tar.gz");
    validate(test_cluster, &["bundle", "--yes", &bundle.display().to_string()])?
        .expect_code(0)
        .context("the bundle")?;
    let packed = flate2::read::GzDecoder::new(std::fs::File::open(&bundle)?);
    let all = std::io::read_to_string(packed)?;
    ensure!(all.contains("mural-bundle/report.json") && !all.contains("canary-"), "a secret is in the bundle");
    Ok(report)
}

/// Causes the fault, waits until each check finds it, fixes it, and waits until the findings are gone.
fn broken(test_cluster: &TestCluster, case: &Case) -> Result<()> {
    for command in case.breaks {
        shell(test_cluster, command)?;
    }
    let only = case.finds.join(",");
    let crds = installed("mural-crds")?.display().to_string();
    let against: &[&str] = if case.against { &["--crds-chart", &crds] } else { &[] };
    let look = || json(&validate(test_cluster, &[&["--only", &only, "--output", "json"], against].concat())?);
    let report = until(test_cluster, || {
        let report = look()?;
        let all = case.finds.iter().all(|id| !findings(&report, id).is_empty());
        Ok(all.then_some(report))
    })
    .with_context(|| format!("{only} does not find it"))?;
    let first = findings(&report, case.finds[0]);
    ensure!(!first[0]["subject"].as_str().unwrap_or_default().is_empty(), "{first:?}");
    for command in case.fixes {
        match *command == HINT[0] {
            true => first.iter().try_for_each(|finding| follow(test_cluster, finding))?,
            false => shell(test_cluster, command)?,
        }
    }
    until(test_cluster, || {
        let report = look()?;
        Ok(case.finds.iter().all(|id| findings(&report, id).is_empty()).then_some(()))
    })
    .with_context(|| format!("{only} is still there after it was fixed"))
}

/// Runs the command of a finding's hint. Of several commands, the last is the fix. Questions are answered with yes.
fn follow(test_cluster: &TestCluster, finding: &Value) -> Result<()> {
    let hint = finding["hint"].as_str().unwrap_or_default();
    let last = hint.rsplit(['?', ';']).next().unwrap_or_default().trim();
    let after = |program: &&str| last.find(&format!(": {program}")).map(|at| at + 2);
    let at = ["kubectl ", "helm "]
        .iter()
        .filter_map(|program| if last.starts_with(program) { Some(0) } else { after(program) })
        .min();
    let command = &last[at.with_context(|| format!("no command in {hint:?}"))?..];
    let asks = command.starts_with("helm mural ");
    shell(test_cluster, &format!("{command}{}", if asks { " --yes" } else { "" })).with_context(|| hint.to_owned())
}

fn findings<'a>(report: &'a Value, id: &str) -> Vec<&'a Value> {
    let checks = report["checks"].as_array().into_iter().flatten().filter(|checked| checked["check"] == id);
    checks.flat_map(|checked| checked["findings"].as_array().into_iter().flatten()).collect()
}

fn until<T>(_: &TestCluster, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if began.elapsed() > WITHIN {
            bail!("not within {WITHIN:?}");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Writes the files that the faults use: a webhook without a Service and with an expired certificate; a managed cluster
/// that was not accepted.
fn files(test_cluster: &TestCluster) -> Result<()> {
    let mut params = rcgen::CertificateParams::new(vec!["ghost.mural-system.svc".to_owned()])?;
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
    let pem = params.self_signed(&rcgen::KeyPair::generate()?)?.pem();
    let bundle = STANDARD.encode(pem);
    let hook = format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {{name: ghost}}\nwebhooks:\n\
         - {{name: ghost.example.com, admissionReviewVersions: [v1], sideEffects: None, failurePolicy: Ignore, timeoutSeconds: 1,\n\
         clientConfig: {{service: {{namespace: {NAMESPACE}, name: ghost}}, caBundle: {bundle}}},\n\
         rules: [{{apiGroups: [spectrocloud.com], apiVersions: [\"*\"], operations: [CREATE], resources: [settings]}}]}}\n"
    );
    std::fs::write(test_cluster.files().join("hook.yaml"), hook)?;
    let cluster = "apiVersion: cluster.open-cluster-management.io/v1\nkind: ManagedCluster\nmetadata: {name: edge-1}\nspec: {hubAcceptsClient: false}\n";
    std::fs::write(test_cluster.files().join("cluster.yaml"), cluster)?;
    Ok(())
}

/// The installed chart.
fn installed(name: &str) -> Result<PathBuf> {
    let (crds, app) = mural_tests::charts::PAIRS[0];
    let version = if name == "mural" { app } else { crds };
    mural_tests::charts::assemble()?.get(&format!("{name}-{version}")).cloned().context("the chart")
}

/// What the lines name.
fn variables(test_cluster: &TestCluster) -> Result<[(&'static str, PathBuf); 3]> {
    Ok([
        ("CRDS", installed("mural-crds")?),
        ("APP", installed("mural")?),
        ("LESSER", test_cluster.files().join("lesser")),
    ])
}

/// A line of a person, in the sandbox's environment and in the folder of the files. `helm mural` is ours, as helm would
/// start it.
fn shell(test_cluster: &TestCluster, line: &str) -> Result<()> {
    let ours = mural_tests::plugins::folder()?.join("helm-mural").display().to_string();
    let mut command = test_cluster.sandbox()?.command(User::Operator, "sh");
    command
        .current_dir(test_cluster.files())
        .envs(variables(test_cluster)?)
        .args(["-c", &line.replace("helm mural", &ours)]);
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{line}: {said}{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

/// Each list that a look reads, forbidden: undetermined there, everything else answered as before.
fn forbidden(test_cluster: &TestCluster, healthy: &Value) -> Result<()> {
    let proxy = FaultProxy::start(&test_cluster.sandbox()?.kubeconfig(User::Operator), test_cluster.files())?;
    let look = || -> Result<CommandOutput> {
        let kubeconfig = proxy.kubeconfig().to_owned();
        test_cluster.run_with(
            User::Operator,
            "kubectl-mural-validate",
            &["--skip", "tools", "--output", "json"],
            "",
            &[("KUBECONFIG", &kubeconfig)],
        )
    };
    look()?.expect_code(0)?;
    let mut paths: Vec<String> = proxy
        .requests()
        .into_iter()
        .filter(|seen| seen.agent == USER_AGENT_VALUE && seen.method == "GET")
        .map(|seen| seen.path)
        .collect();
    paths.sort();
    paths.dedup();
    ensure!(paths.len() > 40 && paths.len() < 140, "{} paths: {paths:#?}", paths.len());
    // One request of each kind: the objects of forty kinds are read in the same way.
    let streamed = |path: &String| path.starts_with("/apis/") && path.contains("?limit=50");
    let (objects, lists): (Vec<String>, Vec<String>) =
        paths.into_iter().filter(|path| !NEEDED.contains(&path.as_str())).partition(streamed);
    let documents = |path: &&String| path.starts_with("/openapi/v3/");
    let document = lists.iter().find(documents).cloned();
    // Objects that are read by name are all read in the same way.
    let by_name = lists.iter().find(|path| !path.contains("limit=") && path.contains("/namespaces/mural-system/"));
    let lists = lists.iter().filter(|path| path.contains("limit=") || path.starts_with("/api?") || *path == "/apis");
    // Each costs a whole look: the tier takes every fourth.
    let every = if std::env::var_os(ALL_LISTS).is_some() { 1 } else { 4 };
    let asked = lists.chain(&document).chain(objects.first()).chain(by_name).step_by(every);
    // No tool is called here.
    let before = healthy["checks"].as_array().map_or(0, Vec::len) - 3;
    for path in asked {
        proxy.clear();
        proxy.add_fault(
            FaultRule::for_path(path.clone(), FaultEffect::Status(403, None)).for_agent(USER_AGENT_VALUE).times(9),
        );
        let ended = look()?.expect_code(3).with_context(|| format!("{path} forbidden"))?;
        let report = json(&ended)?;
        let checks = report["checks"].as_array().context("no checks")?;
        let unsure = checks.iter().filter(|checked| checked["verdict"] == "undetermined").count();
        ensure!(checks.len() == before && unsure > 0, "{path} forbidden: {unsure} undetermined of {}", checks.len());
        ensure!(report["counts"]["errors"] == 0, "{path} forbidden: {}", report["counts"]);
        ensure!(
            checks.iter().filter(|checked| checked["verdict"] == "pass").count() > 8,
            "{path} forbidden: {}",
            report["counts"]
        );
    }
    Ok(())
}
