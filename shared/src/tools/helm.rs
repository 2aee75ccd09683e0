//! The operator's helm. At least 3.17: the first whose `pull` takes `oci://…@sha256:…` and checks it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use semver::Version;
use serde_json::Value;

use super::KUBE_CACHE_ENV;
use super::error::ToolError;
use super::helm_output;
use super::spawn::{self, StopSignal};
use crate::ask::{ClusterAccess, RegistryAccess, ValueFlag};
use crate::model::command::{Call, ProcessGuard};
use crate::model::manifest::recorded_text;
use crate::model::secret::Hidden;

/// Everything but an upgrade is local work or one small download.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);
/// Waits longer than helm itself, so that helm's own time limit ends it in an orderly way and is recorded.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(30);

/// helm, with the cluster and the registry that it is to use.
#[derive(Debug, Clone)]
pub struct Helm {
    /// Where it is.
    pub program: PathBuf,
    /// How it reaches the cluster.
    pub cluster: ClusterAccess,
    /// How it reaches the registry.
    pub registry: RegistryAccess,
    /// The installation's namespace.
    pub namespace: String,
}

/// A forecast of what helm would write.
#[derive(Debug)]
pub struct TemplateArgs<'a> {
    /// The release's name.
    pub release: &'a str,
    /// The packed chart.
    pub chart: &'a Path,
    /// Files of values, merged in this order before the flags.
    pub values_files: &'a [PathBuf],
    /// The operator's own value flags.
    pub values: &'a [ValueFlag],
    /// `v1.37.2`
    pub kube_version: &'a str,
    /// Group/versions of the cluster and of chart 1.
    pub api_versions: &'a [String],
    /// With the CRDs of `crds/` folders.
    pub include_crds: bool,
    /// As an upgrade, not an installation.
    pub is_upgrade: bool,
    /// Words of the operator that go to helm as they are.
    pub extra_args: &'a [String],
}

/// A write of a release.
#[derive(Debug)]
pub struct UpgradeArgs<'a> {
    /// The release's name.
    pub release: &'a str,
    /// The packed chart.
    pub chart: &'a Path,
    /// The operator's own value flags.
    pub values: &'a [ValueFlag],
    /// helm's flag for the stored values, where one is wanted.
    pub stored_values: Option<&'static str>,
    /// Shown by `helm history`: carries the chart's digest.
    pub description: &'a str,
    /// `key=value`, kept on the release.
    pub label: &'a str,
    /// Installs where nothing is installed.
    pub install: bool,
    /// Takes over objects that belong to no release.
    pub take_ownership: bool,
    /// Waits until everything is ready.
    pub wait: bool,
    /// How long helm waits.
    pub timeout: Duration,
    /// Words of the operator that go to helm as they are.
    pub extra_args: Vec<String>,
}

/// What a chart renders to.
#[derive(Debug, Clone)]
pub struct RenderedTemplate {
    /// The objects in their order: those of `crds/` folders first, hooks among the others, lists taken apart.
    pub objects: Vec<Value>,
    /// The text that helm stores in the release record.
    pub text: Hidden<String>,
}

impl Helm {
    fn build_call(&self, deadline: Duration) -> Call {
        Call::new("helm", &self.program, deadline)
    }

    fn with_cluster_flags(&self, mut call: Call) -> Call {
        call = call.flag("--namespace", &self.namespace);
        if let Some(folder) = &self.cluster.kube_cache {
            call.env.push((KUBE_CACHE_ENV.into(), folder.into()));
        }
        if let Some(file) = &self.cluster.kubeconfig {
            call = call.flag("--kubeconfig", file);
        }
        if let Some(context) = &self.cluster.context {
            call = call.flag("--kube-context", context);
        }
        if let Some(user) = &self.cluster.impersonate {
            call = call.flag("--kube-as-user", user);
        }
        self.cluster.impersonate_groups.iter().fold(call, |call, group| call.flag("--kube-as-group", group))
    }

    fn with_registry_flags(&self, mut call: Call) -> Call {
        if self.registry.plain_http {
            call = call.arg("--plain-http");
        }
        if let Some(file) = &self.registry.ca_file {
            call = call.flag("--ca-file", file);
        }
        match &self.registry.config {
            Some(file) => call.flag("--registry-config", file),
            None => call,
        }
    }

    /// Its version.
    ///
    /// # Errors
    /// It does not run, or prints no version.
    pub async fn read_version(&self) -> Result<Version, ToolError> {
        let call = self.build_call(COMMAND_TIMEOUT).args(["version", "--template", "{{.Version}}"]);
        let command = call.to_string();
        let bytes = spawn::run(call).await?;
        helm_output::parse_version(&bytes).map_err(|source| ToolError::Unreadable {
            command,
            expected: "a version",
            source,
        })
    }

    /// Pulls a chart by digest (`host/path`, `sha256:…`) into a folder.
    ///
    /// A tag never stands beside a digest: 3.17.2 then installs the tag whatever the digest says, 4.1.0 fails on a right one.
    ///
    /// # Errors
    /// It cannot be pulled.
    pub async fn pull_digest(&self, repository: &str, digest: &str, into: &Path) -> Result<(), ToolError> {
        self.pull(self.build_call(COMMAND_TIMEOUT).arg("pull").arg(format!("oci://{repository}@{digest}")), into).await
    }

    /// Pulls a chart by version: only where no digest can be had.
    ///
    /// # Errors
    /// It cannot be pulled.
    pub async fn pull_version(&self, repository: &str, version: &Version, into: &Path) -> Result<(), ToolError> {
        let call = self.build_call(COMMAND_TIMEOUT).arg("pull").arg(format!("oci://{repository}"));
        self.pull(call.flag("--version", version.to_string()), into).await
    }

    /// Pulls a chart with its provenance file, where it has one: by digest, where that is known.
    ///
    /// # Errors
    /// It cannot be pulled. That there is no provenance file is none.
    pub async fn pull_with_provenance(
        &self,
        repository: &str,
        digest: Option<&str>,
        version: &Version,
        into: &Path,
    ) -> Result<(), ToolError> {
        let call = self.build_call(COMMAND_TIMEOUT).args(["pull", "--prov"]);
        let call = match digest {
            Some(digest) => call.arg(format!("oci://{repository}@{digest}")),
            None => call.arg(format!("oci://{repository}")).flag("--version", version.to_string()),
        };
        self.pull(call, into).await
    }

    /// Makes sure that a chart's provenance file, which lies beside it, is signed by a key of the keyring and names these bytes.
    ///
    /// # Errors
    /// helm says that it is not so.
    pub async fn verify(&self, file: &Path, keyring: Option<&Path>) -> Result<(), ToolError> {
        let call = self.build_call(COMMAND_TIMEOUT).arg("verify").arg(file);
        let call = keyring.map_or(call.clone(), |keyring| call.flag("--keyring", keyring));
        spawn::run(call).await.map(drop)
    }

    async fn pull(&self, call: Call, into: &Path) -> Result<(), ToolError> {
        spawn::run(self.with_registry_flags(call).flag("--destination", into)).await.map(drop)
    }

    /// Packs a chart's folder, as its `.helmignore` says.
    ///
    /// # Errors
    /// It is no chart.
    pub async fn package(&self, folder: &Path, into: &Path) -> Result<(), ToolError> {
        spawn::run(self.build_call(COMMAND_TIMEOUT).arg("package").arg(folder).flag("--destination", into))
            .await
            .map(drop)
    }

    /// Renders a chart without touching the cluster.
    ///
    /// # Errors
    /// It does not render; values that its schema refuses are among the reasons.
    pub async fn template(&self, args: &TemplateArgs<'_>) -> Result<RenderedTemplate, ToolError> {
        let mut call = self.build_call(COMMAND_TIMEOUT).args(["template", args.release]).arg(args.chart);
        call = call.flag("--namespace", &self.namespace).flag("--kube-version", args.kube_version).arg("--skip-tests");
        for (wanted, flag) in [(args.include_crds, "--include-crds"), (args.is_upgrade, "--is-upgrade")] {
            call = if wanted { call.arg(flag) } else { call };
        }
        call = args.api_versions.iter().fold(call, |call, version| call.flag("--api-versions", version));
        call = args.values_files.iter().fold(call, |call, file| call.values_file(file));
        let call = with_value_flags(call, args.values).args(args.extra_args);
        let command = call.to_string();
        let bytes = spawn::run(call).await?;
        let objects = helm_output::parse_manifest(&bytes);
        let objects = objects.map_err(|source| ToolError::Unreadable { command, expected: "YAML", source })?;
        let text = Hidden::new(recorded_text(&String::from_utf8_lossy(&bytes)));
        Ok(RenderedTemplate { objects, text })
    }

    /// The uid of `kube-system` as helm sees it: a chart of our own that looks it up on the API server.
    ///
    /// # Errors
    /// helm cannot reach the API server, or may not read that namespace.
    pub async fn read_cluster_uid(&self, private: &Path) -> Result<String, ToolError> {
        let lookup = "(lookup \"v1\" \"Namespace\" \"\" \"kube-system\").metadata.uid";
        let chart = write_query_chart(private, "which-cluster", lookup)?;
        let call =
            self.build_call(COMMAND_TIMEOUT).args(["template", "which-cluster"]).arg(&chart).arg("--dry-run=server");
        let call = self.with_cluster_flags(call);
        let command = call.to_string();
        let uid = read_query_answer(&spawn::run(call).await?).and_then(|answer| answer.as_str().map(str::to_owned));
        uid.ok_or_else(|| ToolError::Unreadable { command, expected: "a uid", source: "there is none in it".into() })
    }

    /// What the value flags say, read by helm itself: a chart of our own that prints its values.
    ///
    /// # Errors
    /// helm refuses a flag or cannot read a file.
    pub async fn read_values(&self, flags: &[ValueFlag], private: &Path) -> Result<Value, ToolError> {
        let chart = write_query_chart(private, "read-values", ".Values")?;
        let call =
            with_value_flags(self.build_call(COMMAND_TIMEOUT).args(["template", "read-values"]).arg(&chart), flags);
        let command = call.to_string();
        let values = read_query_answer(&spawn::run(call).await?).filter(Value::is_object);
        values.ok_or_else(|| ToolError::Unreadable {
            command,
            expected: "values",
            source: "there are none in it".into(),
        })
    }

    /// The command that writes a release: shown in the plan, started by the run.
    #[must_use]
    pub fn build_upgrade_call(&self, args: &UpgradeArgs<'_>) -> Call {
        let mut call = self.build_call(args.timeout + TIMEOUT_MARGIN).args(["upgrade", args.release]).arg(args.chart);
        call = if args.install { call.arg("--install") } else { call };
        // CRDs are ours in every step: helm 4 would write `crds/` on an installation, helm 3 would not.
        call = self.with_cluster_flags(call).arg("--skip-crds");
        // helm knows the flag from 3.17 on, the oldest that we take.
        call = if args.take_ownership { call.arg("--take-ownership") } else { call };
        call =
            if args.wait { call.arg("--wait").flag("--timeout", format!("{}s", args.timeout.as_secs())) } else { call };
        call = args.stored_values.map_or(call.clone(), |flag| call.arg(flag));
        let call = with_value_flags(call, args.values).args(&args.extra_args);
        call.flag("--description", args.description).flag("--labels", args.label)
    }

    /// Writes a release.
    ///
    /// # Errors
    /// helm fails, is stopped, or runs out of time.
    pub async fn upgrade(
        &self,
        args: &UpgradeArgs<'_>,
        guard: &ProcessGuard,
        stop: StopSignal,
    ) -> Result<(), ToolError> {
        spawn::run_until(self.build_upgrade_call(args).guard(guard), stop).await.map(drop)
    }
}

/// A release that goes back to an earlier revision.
#[derive(Debug)]
pub struct RollbackArgs<'a> {
    /// The release.
    pub release: &'a str,
    /// The revision.
    pub revision: u64,
    /// Waits until everything is ready.
    pub wait: bool,
    /// How long helm waits.
    pub timeout: Duration,
    /// Words of the operator that go to helm as they are.
    pub extra_args: Vec<String>,
}

impl Helm {
    /// The command that takes a release back.
    #[must_use]
    pub fn build_rollback_call(&self, args: &RollbackArgs<'_>) -> Call {
        let call = self.build_call(args.timeout + TIMEOUT_MARGIN).args(["rollback", args.release]);
        let call = self.with_cluster_flags(call.arg(args.revision.to_string()));
        let call =
            if args.wait { call.arg("--wait").flag("--timeout", format!("{}s", args.timeout.as_secs())) } else { call };
        call.args(&args.extra_args)
    }

    /// Takes a release back.
    ///
    /// # Errors
    /// helm fails, is stopped, or runs out of time.
    pub async fn rollback(
        &self,
        args: &RollbackArgs<'_>,
        guard: &ProcessGuard,
        stop: StopSignal,
    ) -> Result<(), ToolError> {
        spawn::run_until(self.build_rollback_call(args).guard(guard), stop).await.map(drop)
    }
}

fn with_value_flags(call: Call, flags: &[ValueFlag]) -> Call {
    flags.iter().fold(call, |call, flag| match flag {
        ValueFlag::File(file) => call.values_file(file),
        ValueFlag::Set(text) => call.arg("--set").secret(text.reveal()),
        ValueFlag::SetString(text) => call.arg("--set-string").secret(text.reveal()),
        ValueFlag::SetJson(text) => call.arg("--set-json").secret(text.reveal()),
        ValueFlag::SetFile(text) => call.arg("--set-file").secret(text.reveal()),
    })
}

/// A chart with one template, written into the private folder: helm answers questions only through templates.
///
/// The answer stands in a ConfigMap, since a dry-run against the server takes nothing but objects.
fn write_query_chart(private: &Path, name: &str, question: &str) -> Result<PathBuf, ToolError> {
    let folder = private.join(name);
    let failed = |source| ToolError::Start { command: format!("helm template {name}"), source };
    let object = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let template = format!("{object}data:\n  answer: {{{{ {question} | toJson | quote }}}}\n");
    std::fs::create_dir_all(folder.join("templates")).map_err(failed)?;
    std::fs::write(folder.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: 0.0.1\n"))
        .map_err(failed)?;
    std::fs::write(folder.join("templates/answer.yaml"), template).map_err(failed)?;
    Ok(folder)
}

/// What the template of such a chart answers.
fn read_query_answer(bytes: &[u8]) -> Option<Value> {
    let document = helm_output::parse_manifest(bytes).ok()?.into_iter().next()?;
    serde_json::from_str(document.pointer("/data/answer")?.as_str()?).ok()
}
