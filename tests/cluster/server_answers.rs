//! What the API server answers before the first write: refusals that helm would meet half-way, and missing answers that refuse nothing.
//!
//! The charts are small versions of public bug reports; each test carries the link.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use mural_tests::proxy::{FaultEffect, FaultProxy, FaultRule};
use mural_tests::sandbox::User;

use crate::Test;
use crate::refusals::upgrade;
use crate::small::{self, NEWER};
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[
    ("server_answers::a_missing_answer_is_no_refusal", a_missing_answer_is_no_refusal),
    ("server_answers::a_duplicate_item_is_refused_where_helm_applies", a_duplicate_item_is_refused_where_helm_applies),
    ("server_answers::a_claim_grown_by_hand_is_named", a_claim_grown_by_hand_is_named),
    ("server_answers::replicas_of_an_autoscaler_are_reported", replicas_of_an_autoscaler_are_reported),
    ("server_answers::lookups_are_answered_as_in_the_upgrade", lookups_are_answered_as_in_the_upgrade),
    ("server_answers::a_conversion_url_that_nothing_has_tried", a_conversion_url_that_nothing_has_tried),
];

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\nspec:\n  replicas: 1\n  \
    selector: {matchLabels: {app: shop}}\n  template:\n    metadata: {labels: {app: shop}}\n    spec:\n      containers:\n      \
    - name: shop\n        image: example.com/shop:{{ .Chart.Version }}\n";

/// Writes a chart of the application with these templates. Returns its folder.
fn write_chart(test_cluster: &TestCluster, case: &str, version: &str, templates: &[(&str, &str)]) -> Result<String> {
    let folder = test_cluster.files().join(format!("{case}-{version}"));
    std::fs::create_dir_all(folder.join("templates"))?;
    std::fs::write(folder.join("Chart.yaml"), format!("apiVersion: v2\nname: mural\nversion: {version}\n"))?;
    std::fs::write(folder.join("values.yaml"), "password: none\n")?;
    for (name, text) in templates {
        std::fs::write(folder.join("templates").join(name), text)?;
    }
    Ok(folder.display().to_string())
}

/// Installs the older chart of a case with helm, in a namespace of its own.
fn install(test_cluster: &TestCluster, case: &str, templates: &[(&str, &str)]) -> Result<()> {
    let chart = write_chart(test_cluster, case, "1.1.0-rc.0", templates)?;
    let args = ["install", "mural", &chart, "--namespace", case, "--create-namespace"];
    test_cluster.run(User::Admin, "helm", &args)?.expect_code(0)?;
    Ok(())
}

fn remove(test_cluster: &TestCluster, case: &str) -> Result<()> {
    test_cluster.run(User::Admin, "kubectl", &["delete", "namespace", case, "--wait=true"])?.expect_code(0)?;
    Ok(())
}

/// Plans the upgrade of a case to these templates. Nothing is written.
fn plan(test_cluster: &TestCluster, case: &str, templates: &[(&str, &str)]) -> Result<CommandOutput> {
    let chart = write_chart(test_cluster, case, "1.1.0-rc.3", templates)?;
    let mark = test_cluster.mark()?;
    let flags = ["--chart", &chart, "--namespace", case, "--skip-images"];
    let planned = upgrade(test_cluster, User::Operator, &["plan"], &flags)?;
    test_cluster.ensure_nothing_written(mark)?;
    Ok(planned)
}

fn ensure_says(planned: &CommandOutput, words: &[&str]) -> Result<()> {
    let all = planned.all_text();
    for word in words {
        ensure!(all.contains(word), "does not say {word:?}:\n{all}");
    }
    Ok(())
}

/// A server that is away or busy has refused nothing: undetermined, with the real reason. A short trouble is no trouble.
fn a_missing_answer_is_no_refusal(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let proxy = FaultProxy::start(&test_cluster.sandbox()?.kubeconfig(User::Operator), test_cluster.files())?;
    let faults = [
        (FaultEffect::Status(503, None), "fault proxy"),
        (FaultEffect::Status(500, None), "fault proxy"),
        (FaultEffect::Reset, "127.0.0.1"),
    ];
    for (fault, reason) in faults {
        proxy.clear();
        let rule = FaultRule::for_path_containing("pools.small.example.com?dryRun", fault.clone());
        proxy.add_fault(rule.times(1000));
        let planned = plan_through(test_cluster, proxy.kubeconfig())?;
        let planned = planned.expect_code(3).with_context(|| format!("{fault:?}"))?;
        ensure_says(&planned, &["crds-dry-run", "no answer to the dry run of CRD pools.small.example.com", reason])?;
        ensure!(!planned.all_text().contains("rejects it"), "{fault:?}: {}", planned.all_text());
        proxy.clear();
        proxy.add_fault(FaultRule::for_path_containing("pools.small.example.com?dryRun", fault.clone()));
        plan_through(test_cluster, proxy.kubeconfig())?.expect_code(2).with_context(|| format!("{fault:?} once"))?;
    }
    Ok(())
}

/// The plan of the newer pair through a kubeconfig.
fn plan_through(test_cluster: &TestCluster, kubeconfig: &Path) -> Result<CommandOutput> {
    let charts = small::charts(test_cluster)?;
    let values = small::values(test_cluster)?;
    let mut args = vec!["plan", "--plain-http", "--values", &values, "--request-timeout", "4s"];
    args.extend(charts.iter().flat_map(|(flag, chart)| [*flag, chart.as_str()]));
    args.extend(NEWER.iter().flat_map(|(flag, value)| [*flag, *value]));
    let env = [("KUBECONFIG", kubeconfig)];
    test_cluster.run_with(User::Operator, "kubectl-mural-upgrade", &args, "", &env)
}

/// <https://github.com/helm/helm/issues/31529>, <https://github.com/camunda/camunda-platform-helm/issues/6158>
fn a_duplicate_item_is_refused_where_helm_applies(test_cluster: &TestCluster) -> Result<()> {
    let twice = format!("{DEPLOYMENT}        env: [{{name: LEVEL, value: info}}, {{name: LEVEL, value: debug}}]\n");
    for (helm, case, code) in [("4.3.1", "twice-4", 5), ("3.22.0", "twice-3", 2)] {
        test_cluster.use_helm(helm)?;
        install(test_cluster, case, &[("shop.yaml", DEPLOYMENT)])?;
        let planned = plan(test_cluster, case, &[("shop.yaml", &twice)])?.expect_code(code)?;
        if code == 5 {
            ensure_says(&planned, &["objects-dry-run", "Deployment shop", "LEVEL", "--server-side=false"])?;
        }
        remove(test_cluster, case)?;
    }
    Ok(())
}

/// <https://github.com/minio/minio/issues/17762>, <https://github.com/goharbor/harbor-helm/issues/1564>
fn a_claim_grown_by_hand_is_named(test_cluster: &TestCluster) -> Result<()> {
    let store = |size: &str, image: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: store}}\nspec:\n  serviceName: store\n  \
             selector: {{matchLabels: {{app: store}}}}\n  template:\n    metadata: {{labels: {{app: store}}}}\n    \
             spec: {{containers: [{{name: store, image: \"example.com/store:{image}\"}}]}}\n  volumeClaimTemplates:\n  \
             - metadata: {{name: data}}\n    \
             spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: {size}}}}}}}\n"
        )
    };
    test_cluster.use_helm("3.22.0")?;
    let case = "grown";
    install(test_cluster, case, &[("store.yaml", &store("1Gi", "1"))])?;
    let delete = ["delete", "statefulset", "store", "--namespace", case, "--cascade=orphan"];
    test_cluster.run(User::Admin, "kubectl", &delete)?.expect_code(0)?;
    let owned = store("5Gi", "1").replace(
        "metadata: {name: store}\nspec:",
        "metadata: {name: store, labels: {app.kubernetes.io/managed-by: Helm}, annotations: {meta.helm.sh/release-name: mural, \
         meta.helm.sh/release-namespace: grown}}\nspec:",
    );
    let create = ["create", "--namespace", case, "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &create, &owned, &[])?.expect_code(0)?;
    let planned = plan(test_cluster, case, &[("store.yaml", &store("1Gi", "2"))])?.expect_code(5)?;
    let field =
        "spec.volumeClaimTemplates[data].spec.resources.requests.storage is 5Gi on the cluster and 1Gi in the chart";
    ensure_says(&planned, &["StatefulSet store", field, "--cascade=orphan"])?;
    remove(test_cluster, case)
}

/// <https://github.com/helm/helm/issues/12650>, <https://github.com/helm/helm/issues/7090>
fn replicas_of_an_autoscaler_are_reported(test_cluster: &TestCluster) -> Result<()> {
    let autoscaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: shop}\nspec:\n  minReplicas: 3\n  \
        maxReplicas: 9\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}\n  metrics:\n  \
        - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}\n";
    let templates = [("shop.yaml", DEPLOYMENT), ("scale.yaml", autoscaler)];
    let says = "the upgrade sets 1 until HorizontalPodAutoscaler shop restores them";
    for (helm, case, code) in [("3.22.0", "scaled-3", 2), ("4.3.1", "scaled-4", 5)] {
        test_cluster.use_helm(helm)?;
        install(test_cluster, case, &templates)?;
        let scale = ["scale", "deployment", "shop", "--replicas=3", "--namespace", case];
        test_cluster.run(User::Admin, "kubectl", &scale)?.expect_code(0)?;
        let planned = plan(test_cluster, case, &templates)?.expect_code(code)?;
        ensure_says(&planned, &["manual-changes", says])?;
        if code == 5 {
            ensure_says(&planned, &["objects-dry-run", ".spec.replicas", "--force-conflicts"])?;
        }
        remove(test_cluster, case)?;
    }
    Ok(())
}

/// A chart that requires an object, and one that keeps a generated password:
/// <https://github.com/cockroachdb/helm-charts/issues/394>, <https://github.com/databus23/helm-diff/issues/219>
fn lookups_are_answered_as_in_the_upgrade(test_cluster: &TestCluster) -> Result<()> {
    let required = "{{- if not (lookup \"v1\" \"Secret\" .Release.Namespace \"ca\") }}{{ fail \"the Secret ca is missing\" }}{{ end }}\n\
        apiVersion: v1\nkind: ConfigMap\nmetadata: {name: guarded}\n";
    let kept = "{{- $was := lookup \"v1\" \"Secret\" .Release.Namespace \"login\" }}\napiVersion: v1\nkind: Secret\n\
        metadata: {name: login}\ndata:\n  word: {{ if $was }}{{ index $was.data \"word\" }}{{ else }}{{ randAlphaNum 24 | b64enc }}{{ end }}\n";
    for (helm, case) in [("3.22.0", "lookup-3"), ("4.3.1", "lookup-4")] {
        test_cluster.use_helm(helm)?;
        install(test_cluster, case, &[("shop.yaml", DEPLOYMENT), ("login.yaml", kept)])?;
        let templates = [("shop.yaml", DEPLOYMENT), ("login.yaml", kept), ("guarded.yaml", required)];
        let missing = plan(test_cluster, case, &templates)?.expect_code(1)?;
        ensure_says(&missing, &["the Secret ca is missing", "lookup"])?;
        let create = ["create", "secret", "generic", "ca", "--from-literal=ca=x", "--namespace", case];
        test_cluster.run(User::Admin, "kubectl", &create)?.expect_code(0)?;
        let planned = plan(test_cluster, case, &templates)?.expect_code(2).context(helm)?;
        let all = planned.all_text();
        ensure!(!all.contains("Secret login") && !all.contains("forecast without lookup"), "helm {helm}: {all}");
        remove(test_cluster, case)?;
    }
    Ok(())
}

/// Only the API server calls the webhook, and only once the CRD is applied.
fn a_conversion_url_that_nothing_has_tried(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let folder = small::crds(test_cluster, "0.7.4")?;
    let file = folder.join("crds/pools.yaml");
    let original = std::fs::read_to_string(&file)?;
    let second = original.split_once("  versions:\n").context("no versions")?.1.replace("v1", "v2");
    let second = second.replace("storage: true", "storage: false");
    let url = "  conversion:\n    strategy: Webhook\n    webhook:\n      conversionReviewVersions: [v1]\n      \
        clientConfig: {url: \"https://127.0.0.1:9/convert\"}\n";
    let changed = original.replace("  versions:\n", &format!("{url}  versions:\n")) + &second;
    std::fs::write(&file, changed)?;
    let chart = folder.display().to_string();
    let flags = ["--crds-chart", chart.as_str()];
    let mark = test_cluster.mark()?;
    let refused = upgrade(test_cluster, User::Operator, &["plan"], &flags);
    let allowed =
        upgrade(test_cluster, User::Operator, &["plan"], &[&flags[..], &["--allow-untried-conversion"]].concat());
    std::fs::write(&file, original)?;
    ensure_says(&refused?.expect_code(5)?, &["conversion-webhook-ready", "https://127.0.0.1:9/convert"])?;
    ensure_says(&allowed?.expect_code(2)?, &["conversion-webhook-ready"])?;
    test_cluster.ensure_nothing_written(mark)
}
