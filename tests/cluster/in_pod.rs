//! A run in a pod: the ServiceAccount's files instead of a kubeconfig, and a home folder that ends with the pod.
//!
//! The pod is a process in a mount namespace of its own, with the kubelet's files where the kubelet puts them. Everything else is real:
//! the token, the rights, the API server.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mural::model::yaml::{ErrorDetail, parse_documents};
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::journal::{ensure_says, newest_run};
use crate::lock::newer_flags;
use crate::refusals::{command, upgrade};
use crate::small::{CANARY, NAMESPACE};
use crate::test_cluster::{CommandOutput, TestCluster, to_command_output};

/// The tests of this module.
pub const TESTS: &[Test] =
    &[("in_pod::a_service_account_upgrades_and_a_workstation_rolls_back", upgrade_and_roll_back)];

const ACCOUNT: &str = "mural-run";
/// Puts the ServiceAccount's files at their place, in a mount namespace that only this process sees, and starts the program.
const POD_ENTRY: &str = "mount -t tmpfs none /var/run && mkdir -p /var/run/secrets/kubernetes.io && \
    ln -s \"$0\" /var/run/secrets/kubernetes.io/serviceaccount && exec \"$@\"";

/// The files and the home folder of a pod.
struct Pod {
    account_files: PathBuf,
    home: PathBuf,
    server: (String, String),
}

impl Pod {
    fn create(test_cluster: &TestCluster) -> Result<Self> {
        let folder = test_cluster.files().join("pod");
        let pod = Self {
            account_files: folder.join("serviceaccount"),
            home: folder.join("home"),
            server: find_server(test_cluster)?,
        };
        std::fs::create_dir_all(&pod.home)?;
        std::fs::create_dir_all(&pod.account_files)?;
        let token = ["create", "token", ACCOUNT, "--namespace", NAMESPACE];
        let token = test_cluster.run(User::Admin, "kubectl", &token)?.expect_code(0)?.stdout;
        std::fs::write(pod.account_files.join("token"), token.trim())?;
        std::fs::write(pod.account_files.join("ca.crt"), read_authority(test_cluster)?)?;
        std::fs::write(pod.account_files.join("namespace"), NAMESPACE)?;
        Ok(pod)
    }

    /// Runs a plugin's command as the pod would: no kubeconfig, no state of this workstation.
    fn run(&self, outside: &Command) -> Result<CommandOutput> {
        let mut inside = Command::new("unshare");
        inside.args(["--user", "--map-root-user", "--mount", "sh", "-c", POD_ENTRY]).arg(&self.account_files);
        inside.arg(outside.get_program()).args(outside.get_args()).current_dir(&self.home);
        for (name, value) in outside.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        for name in ["KUBECONFIG", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "KUBECACHEDIR"] {
            inside.env_remove(name);
        }
        inside.env("HOME", &self.home).env("KUBERNETES_SERVICE_HOST", &self.server.0);
        inside.env("KUBERNETES_SERVICE_PORT", &self.server.1);
        to_command_output(inside.output().context("unshare, of util-linux, starts the pod")?)
    }
}

fn kubeconfig_cluster(test_cluster: &TestCluster) -> Result<Value> {
    let view = ["config", "view", "--raw", "--minify", "--output", "json"];
    let view: Value = serde_json::from_str(&test_cluster.run(User::Admin, "kubectl", &view)?.expect_code(0)?.stdout)?;
    Ok(view["clusters"][0]["cluster"].clone())
}

fn find_server(test_cluster: &TestCluster) -> Result<(String, String)> {
    let cluster = kubeconfig_cluster(test_cluster)?;
    let url = cluster["server"].as_str().context("a server")?;
    let (host, port) = url.trim_start_matches("https://").rsplit_once(':').context("a port")?;
    Ok((host.to_owned(), port.to_owned()))
}

fn read_authority(test_cluster: &TestCluster) -> Result<Vec<u8>> {
    let cluster = kubeconfig_cluster(test_cluster)?;
    match (cluster["certificate-authority-data"].as_str(), cluster["certificate-authority"].as_str()) {
        (Some(data), _) => Ok(STANDARD.decode(data)?),
        (None, Some(file)) => Ok(std::fs::read(Path::new(file))?),
        (None, None) => anyhow::bail!("the kubeconfig has no certificate authority"),
    }
}

/// Applies what `upgrade job` prints, the Job apart, and returns the arguments of its container: the ServiceAccount has the rights of
/// the plan, and nothing else.
fn apply_job(test_cluster: &TestCluster) -> Result<Vec<String>> {
    let delete = ["delete", "serviceaccount", ACCOUNT, "--namespace", NAMESPACE, "--ignore-not-found"];
    test_cluster.run(User::Admin, "kubectl", &delete)?.expect_code(0)?;
    let flags = newer_flags(&["--image", "registry.example.com/mural:0.1.0", "--service-account", ACCOUNT]);
    let printed = upgrade(test_cluster, User::Admin, &["job"], &flags)?.expect_code(0)?.stdout;
    let documents = parse_documents(&printed, ErrorDetail::LocationOnly)?;
    let (jobs, others): (Vec<Value>, Vec<Value>) = documents.into_iter().partition(|one| one["kind"] == "Job");
    ensure!(!jobs.iter().any(|job| job.to_string().contains(CANARY)), "a secret value is in the Job");
    crate::crd_backup::apply(test_cluster, &others)?;
    // The API server accepts the Job too.
    let dry_run = ["create", "--dry-run=server", "--filename", "-"];
    let job = jobs.first().context("no Job")?;
    test_cluster.run_with(User::Admin, "kubectl", &dry_run, &job.to_string(), &[])?.expect_code(0)?;
    let args = job.pointer("/spec/template/spec/containers/0/args").and_then(Value::as_array).context("no args")?;
    Ok(args.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// The values that the Job mounts, as a file of the pod.
fn write_mounted_values(test_cluster: &TestCluster, pod: &Pod, args: &[String]) -> Result<Vec<String>> {
    let secret = test_cluster.get(&["secret", "mural-upgrade-1-1-0-rc-3", "--namespace", NAMESPACE])?;
    for (name, content) in secret["data"].as_object().context("no values")? {
        std::fs::write(pod.home.join(name), STANDARD.decode(content.as_str().context("not text")?)?)?;
    }
    let home = format!("{}/", pod.home.display());
    Ok(args.iter().map(|arg| arg.replace("/values/", &home)).collect())
}

fn read_result(test_cluster: &TestCluster) -> Result<Value> {
    Ok(test_cluster.get(&["configmap", "mural-result", "--namespace", NAMESPACE])?["data"].clone())
}

fn upgrade_and_roll_back(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let args = apply_job(test_cluster)?;
    let pod = Pod::create(test_cluster)?;
    // Refused in the pod: the reason is where a machine finds it.
    let in_pod = |flags: &[&str]| pod.run(&command(test_cluster, User::Operator, &[], flags)?);
    let refused = in_pod(&["--yes", "--to", "1.1.0-rc.3"])?;
    ensure!(refused.code == 5, "{}", refused.all_text());
    let result = read_result(test_cluster)?;
    ensure!(result["outcome"] == "refused" && result["why"].is_string(), "{result}");
    let mut entry = test_cluster.command(User::Operator, "kubectl-mural")?;
    entry.args(write_mounted_values(test_cluster, &pod, &args)?);
    let upgraded = pod.run(&entry)?.expect_code(0)?;
    ensure_says(&upgraded, &["a copy in 1 Secret"])?;
    let result = read_result(test_cluster)?;
    ensure!(result["outcome"] == "done" && result["exit"] == "0" && result["task"] == "upgrade", "{result}");
    let run = newest_run(test_cluster)?;
    ensure!(result["run"] == run.run.as_str(), "{result}");
    ensure!(run.user.ends_with(&format!(":{NAMESPACE}:{ACCOUNT}")), "the run is by {}", run.user);
    let mut validate = test_cluster.command(User::Operator, "kubectl-mural-validate")?;
    validate.args(["--namespace", NAMESPACE]);
    let healthy = pod.run(&validate)?;
    ensure!([0, 3].contains(&healthy.code) && healthy.stdout.contains("mural"), "{}", healthy.all_text());
    // The pod is gone, and its home folder with it: the CRDs are rolled back all the same.
    std::fs::remove_dir_all(&pod.home)?;
    let back = test_cluster.run(User::Operator, "kubectl-mural-upgrade", &["rollback", "--yes"])?.expect_code(0)?;
    ensure!(!back.all_text().contains("the backup is on"), "{}", back.all_text());
    let result = read_result(test_cluster)?;
    ensure!(result["outcome"] == "done" && result["task"] == "rollback", "{result}");
    let crd = test_cluster.get(&["crd", "pools.small.example.com"])?;
    ensure!(crd["spec"]["versions"].as_array().is_some_and(|versions| !versions.is_empty()), "{crd}");
    Ok(())
}
