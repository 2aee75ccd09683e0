//! The operator's helm: typed operations in, values out.
//!
//! It owns helm's command lines. Minimum 3.17: the first version whose `pull` takes `oci://…@sha256:…` and verifies the digest.
//! `spawn.rs` starts the commands, `helm_output.rs` reads their output, and `run/act.rs` decides when a release is written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use semver::Version;
use serde_json::Value;

use super::KUBE_CACHE_ENV;
use super::error::ToolError;
use super::helm_output;
use super::spawn::{self, StopSignal};
use crate::ask::{ClusterAccess, RegistryAccess, ValueFlag};
use crate::model::chart_version::ChartVersion;
use crate::model::command::{Call, ProcessGuard};
use crate::model::manifest::recorded_text;
use crate::model::secret::Hidden;
use crate::tools::private_files::write_private_file;

/// Limit for everything but an upgrade: local work or one small download.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);
/// We wait longer than helm's own `--timeout`, so that helm ends first and records the failure.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(30);

/// helm with its cluster, registry and namespace.
#[derive(Debug, Clone)]
pub struct Helm {
    /// The program's path.
    pub program: PathBuf,
    /// How it reaches the cluster.
    pub cluster: ClusterAccess,
    /// How it reaches the registry.
    pub registry: RegistryAccess,
    /// The installation's namespace.
    pub namespace: String,
}

/// The arguments of `helm template`.
#[derive(Debug)]
pub struct TemplateArgs<'a> {
    /// The release's name.
    pub release: &'a str,
    /// The packaged chart.
    pub chart: &'a Path,
    /// Files of values, merged in this order before the flags.
    pub values_files: &'a [PathBuf],
    /// The operator's own value flags.
    pub values: &'a [ValueFlag],
    /// `v1.37.2`
    pub kube_version: &'a str,
    /// The group/versions of the cluster and of the CRD chart.
    pub api_versions: &'a [String],
    /// Whether to include the CRDs of `crds/` folders.
    pub include_crds: bool,
    /// Whether to render for an upgrade instead of an installation.
    pub is_upgrade: bool,
    /// What answers the templates' `lookup` calls.
    pub lookups: TemplateLookups,
    /// Extra arguments of the operator, passed to helm unchanged.
    pub extra_args: &'a [String],
}

/// What answers the `lookup` calls of templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateLookups {
    /// Nothing: each finds no object. helm needs no cluster.
    Nothing,
    /// The API server (`--dry-run=server`). helm 4 then takes the API versions from the server, and refuses kinds that are not served.
    Server,
}

/// The arguments of `helm upgrade`.
#[derive(Debug)]
pub struct UpgradeArgs<'a> {
    /// The release's name.
    pub release: &'a str,
    /// The packaged chart.
    pub chart: &'a Path,
    /// The operator's own value flags.
    pub values: &'a [ValueFlag],
    /// helm's flag for the stored values, if any.
    pub stored_values: Option<&'static str>,
    /// The description in `helm history`: contains the chart's digest.
    pub description: &'a str,
    /// The label on the release record: `key=value`.
    pub label: &'a str,
    /// Whether to install a release that does not exist.
    pub install: bool,
    /// Whether to take ownership of objects that belong to no release.
    pub take_ownership: bool,
    /// Whether to wait until all objects are ready.
    pub wait: bool,
    /// helm's time limit for the wait.
    pub timeout: Duration,
    /// Extra arguments of the operator, passed to helm unchanged.
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

    /// Reads helm's version.
    ///
    /// # Errors
    /// helm does not run, or prints no version.
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
    /// Never with a tag: 3.17.2 then installs the tag and ignores the digest, 4.1.0 fails even if both match.
    ///
    /// # Errors
    /// The chart cannot be pulled.
    pub async fn pull_digest(&self, repository: &str, digest: &str, into: &Path) -> Result<(), ToolError> {
        self.pull(self.build_call(COMMAND_TIMEOUT).arg("pull").arg(format!("oci://{repository}@{digest}")), into).await
    }

    /// Pulls a chart by version, only if its digest cannot be resolved.
    ///
    /// # Errors
    /// The chart cannot be pulled.
    pub async fn pull_version(&self, repository: &str, version: &ChartVersion, into: &Path) -> Result<(), ToolError> {
        let call = self.build_call(COMMAND_TIMEOUT).arg("pull").arg(format!("oci://{repository}"));
        self.pull(call.flag("--version", version.as_str()), into).await
    }

    /// Pulls a chart with its provenance file, by digest if it is known.
    ///
    /// # Errors
    /// The chart cannot be pulled. A missing provenance file is not an error.
    pub async fn pull_with_provenance(
        &self,
        repository: &str,
        digest: Option<&str>,
        version: &ChartVersion,
        into: &Path,
    ) -> Result<(), ToolError> {
        let call = self.build_call(COMMAND_TIMEOUT).args(["pull", "--prov"]);
        let call = match digest {
            Some(digest) => call.arg(format!("oci://{repository}@{digest}")),
            None => call.arg(format!("oci://{repository}")).flag("--version", version.as_str()),
        };
        self.pull(call, into).await
    }

    /// Verifies that the provenance file beside a chart is signed by a key of the keyring and matches the chart.
    ///
    /// # Errors
    /// The signature or the digest does not match, or helm does not run.
    pub async fn verify(&self, file: &Path, keyring: Option<&Path>) -> Result<(), ToolError> {
        let call = self.build_call(COMMAND_TIMEOUT).arg("verify").arg(file);
        let call = keyring.map_or(call.clone(), |keyring| call.flag("--keyring", keyring));
        spawn::run(call).await.map(drop)
    }

    async fn pull(&self, call: Call, into: &Path) -> Result<(), ToolError> {
        spawn::run(self.with_registry_flags(call).flag("--destination", into)).await.map(drop)
    }

    /// Packages a chart's folder.
    ///
    /// # Errors
    /// The folder is not a chart.
    pub async fn package(&self, folder: &Path, into: &Path) -> Result<(), ToolError> {
        spawn::run(self.build_call(COMMAND_TIMEOUT).arg("package").arg(folder).flag("--destination", into))
            .await
            .map(drop)
    }

    /// Renders a chart. Without lookups, helm does not use the cluster.
    ///
    /// # Errors
    /// The chart does not render, for example because its schema rejects the values.
    pub async fn template(&self, args: &TemplateArgs<'_>) -> Result<RenderedTemplate, ToolError> {
        let mut call = self.build_call(COMMAND_TIMEOUT).args(["template", args.release]).arg(args.chart);
        call = match args.lookups {
            TemplateLookups::Nothing => call.flag("--namespace", &self.namespace),
            TemplateLookups::Server => self.with_cluster_flags(call).arg("--dry-run=server"),
        };
        call = call.flag("--kube-version", args.kube_version).arg("--skip-tests");
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

    /// Reads the uid of `kube-system` through helm, with a chart that looks it up: it identifies helm's cluster.
    ///
    /// # Errors
    /// helm cannot reach the API server, or may not read that namespace.
    pub async fn read_cluster_uid(&self, private: &Path) -> Result<String, ToolError> {
        let lookup = "(lookup \"v1\" \"Namespace\" \"\" \"kube-system\").metadata.uid";
        let chart = write_query_chart(private, "which-cluster", lookup)?;
        // `--is-upgrade`: helm 4 would otherwise look for an installed ConfigMap of this chart, which takes a permission.
        let call = self.build_call(COMMAND_TIMEOUT).args(["template", "which-cluster"]).arg(&chart);
        let call = call.args(["--dry-run=server", "--is-upgrade"]);
        let call = self.with_cluster_flags(call);
        let command = call.to_string();
        let uid = read_query_answer(&spawn::run(call).await?).and_then(|answer| answer.as_str().map(str::to_owned));
        uid.ok_or_else(|| ToolError::Unreadable { command, expected: "a uid", source: "there is none in it".into() })
    }

    /// Reads the result of the value flags through helm, with a chart that prints its values.
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

    /// The `helm upgrade` command: the plan shows it, the run starts it.
    #[must_use]
    pub fn build_upgrade_call(&self, args: &UpgradeArgs<'_>) -> Call {
        let mut call = self.build_call(args.timeout + TIMEOUT_MARGIN).args(["upgrade", args.release]).arg(args.chart);
        call = if args.install { call.arg("--install") } else { call };
        // Only we write CRDs: helm would write `crds/` on an installation.
        call = self.with_cluster_flags(call).arg("--skip-crds");
        // helm has this flag from 3.17, our minimum.
        call = if args.take_ownership { call.arg("--take-ownership") } else { call };
        call =
            if args.wait { call.arg("--wait").flag("--timeout", format!("{}s", args.timeout.as_secs())) } else { call };
        call = args.stored_values.map_or(call.clone(), |flag| call.arg(flag));
        let call = with_value_flags(call, args.values).args(&args.extra_args);
        call.flag("--description", args.description).flag("--labels", args.label)
    }

    /// Runs `helm upgrade`.
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

/// The arguments of `helm rollback`.
#[derive(Debug)]
pub struct RollbackArgs<'a> {
    /// The release.
    pub release: &'a str,
    /// The revision to roll back to.
    pub revision: u64,
    /// Whether to wait until all objects are ready.
    pub wait: bool,
    /// helm's time limit for the wait.
    pub timeout: Duration,
    /// Extra arguments of the operator, passed to helm unchanged.
    pub extra_args: Vec<String>,
}

impl Helm {
    /// The `helm rollback` command.
    #[must_use]
    pub fn build_rollback_call(&self, args: &RollbackArgs<'_>) -> Call {
        let call = self.build_call(args.timeout + TIMEOUT_MARGIN).args(["rollback", args.release]);
        let call = self.with_cluster_flags(call.arg(args.revision.to_string()));
        let call =
            if args.wait { call.arg("--wait").flag("--timeout", format!("{}s", args.timeout.as_secs())) } else { call };
        call.args(&args.extra_args)
    }

    /// Runs `helm rollback`.
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

/// Writes a chart with one template: helm answers questions only through templates.
///
/// The answer is in a ConfigMap, since a server dry run accepts only objects.
fn write_query_chart(private: &Path, name: &str, question: &str) -> Result<PathBuf, ToolError> {
    let folder = private.join(name);
    let failed = |source| ToolError::Start { command: format!("helm template {name}"), source };
    let object = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let template = format!("{object}data:\n  answer: {{{{ {question} | toJson | quote }}}}\n");
    std::fs::create_dir_all(folder.join("templates")).map_err(failed)?;
    write_private_file(&folder.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: 0.0.1\n"))
        .map_err(failed)?;
    write_private_file(&folder.join("templates/answer.yaml"), template).map_err(failed)?;
    Ok(folder)
}

/// The answer of such a chart's template.
fn read_query_answer(bytes: &[u8]) -> Option<Value> {
    let document = helm_output::parse_manifest(bytes).ok()?.into_iter().next()?;
    serde_json::from_str(document.pointer("/data/answer")?.as_str()?).ok()
}
