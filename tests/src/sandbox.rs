//! The sandbox: a real control plane in one folder, with one supervisor process that owns all parts.
//!
//! [`Sandbox::up`] starts it, [`Sandbox::command`] runs programs in its environment. It outlives the process that
//! started it. Its client refuses every cluster that no sandbox created.

mod folder;
mod part;
mod part_arguments;
mod running;
mod snapshot;
mod spec;
mod start;
mod supervise;
mod users;

pub use folder::{Folder, last_lines, names};
pub use part::{Paused, Slowed};
pub use snapshot::Snapshot;
pub use spec::{Phase, Ports, Spec, State};
pub use supervise::{exec_with_parent, supervise};
pub use users::{User, context_name};

use anyhow::{Context as _, Result, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the sandbox. Several can run at the same time.
    pub name: String,
    /// Version of helm: `3`, `4`, `3.17`, a full version, or the default.
    pub helm: Option<String>,
    /// Whether to start a simulated node. Without one, pods stay Pending.
    pub nodes: bool,
    /// Whether to start the Flux controllers as soon as their CRDs are installed.
    pub flux: bool,
    /// A snapshot to start from, instead of an empty cluster.
    pub from: Option<Snapshot>,
}

impl Default for Options {
    fn default() -> Self {
        Self::with_name("demo")
    }
}

impl Options {
    /// A sandbox with a node, the default helm and no Flux.
    #[must_use]
    pub fn with_name(name: &str) -> Self {
        Self { name: name.to_owned(), helm: None, nodes: true, flux: false, from: None }
    }
}

/// A running sandbox. Dropping the value does not stop it; [`Sandbox::down`] does.
#[derive(Debug, Clone)]
pub struct Sandbox {
    folder: Folder,
    spec: Spec,
}

impl Sandbox {
    /// Starts a sandbox, or joins a running one. Missing programs are built first, which takes minutes, once per
    /// machine.
    ///
    /// # Errors
    /// A program can neither be found nor built, or a part does not start. The message contains the end of its log.
    pub fn up(options: &Options) -> Result<Self> {
        start::up(options)
    }

    /// Opens a running sandbox.
    ///
    /// # Errors
    /// It does not run.
    pub fn open(name: &str) -> Result<Self> {
        let folder = Folder::of(name)?;
        let spec = Spec::read(&folder)?;
        let ready = folder.is_supervised() && State::read(&folder).phase == Phase::Ready;
        ensure!(ready, "the sandbox `{name}` is not running; start it with `cargo sandbox up --name {name}`");
        Ok(Self { folder, spec })
    }

    /// Stops all parts and removes the folder.
    ///
    /// # Errors
    /// A process does not end, or the folder cannot be removed.
    pub fn down(self) -> Result<()> {
        Self::down_by_name(self.name())
    }

    /// Like [`Sandbox::down`], by name. A sandbox that does not run or does not exist is not an error.
    ///
    /// # Errors
    /// A process does not end, or the folder cannot be removed.
    pub fn down_by_name(name: &str) -> Result<()> {
        let folder = Folder::of(name)?;
        let held = folder.lock()?;
        running::stop(&folder)?;
        folder.remove()?;
        held.remove();
        Ok(())
    }

    /// Name of the sandbox, as in `--name`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.folder.name()
    }

    /// Folder that contains all of its files.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.folder.dir()
    }

    /// Programs, versions and ports of this sandbox.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// `127.0.0.1:PORT` of the OCI registry, over plain HTTP.
    #[must_use]
    pub fn registry(&self) -> String {
        format!("127.0.0.1:{}", self.spec.ports.registry)
    }

    /// URL of the sandbox's webhook, for the sample application.
    #[must_use]
    pub fn webhook(&self) -> String {
        format!("https://127.0.0.1:{}/", self.spec.ports.webhook)
    }

    /// The API server's audit log: one JSON document per line.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path("audit/audit.log")
    }

    /// Name of the context in all kubeconfigs of this sandbox.
    #[must_use]
    pub fn context(&self) -> String {
        context_name(self.name())
    }

    /// A user's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        users::kubeconfig_path(&self.folder, &user.to_string())
    }

    /// Builds a client that acts as the user.
    ///
    /// # Errors
    /// The kubeconfig cannot be read, or no sandbox created it.
    pub async fn client(&self, user: User) -> Result<Client> {
        client_from(&self.kubeconfig(user)).await
    }

    /// Environment variables that direct helm, kubectl and the plugins to this sandbox only.
    #[must_use]
    pub fn env(&self, user: User) -> Vec<(String, OsString)> {
        let inside = |path: &str| self.folder.path(path).into_os_string();
        [
            ("KUBECONFIG", self.kubeconfig(user).into_os_string()),
            ("KUBECACHEDIR", inside("kubectl-cache")),
            ("PATH", self.search_path()),
            ("HELM_CACHE_HOME", inside("helm/cache")),
            ("HELM_CONFIG_HOME", inside("helm/config")),
            ("HELM_DATA_HOME", inside("helm/data")),
            ("HELM_PLUGINS", inside("helm/plugins")),
            ("HELM_REGISTRY_CONFIG", inside("helm/config/registry.json")),
            ("XDG_STATE_HOME", inside("state")),
            ("NO_PROXY", "127.0.0.1,localhost".into()),
            // No node of a sandbox pulls an image.
            ("MURAL_SKIP_IMAGES", "true".into()),
            ("MURAL_SANDBOX", self.name().into()),
            ("MURAL_SANDBOX_REGISTRY", self.registry().into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// A command with [`Sandbox::env`]. `helm` and `kubectl` resolve to the sandbox's own programs.
    #[must_use]
    pub fn command(&self, user: User, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        // Settings for the user's own clusters must not affect the sandbox.
        for (name, _) in env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| ["HELM_", "KUBERNETES_", "KUBECTL_"].iter().any(|prefix| name.starts_with(prefix)))
            {
                command.env_remove(name);
            }
        }
        command.envs(self.env(user));
        command
    }

    /// `PATH`: helm and kubectl of the sandbox, then the plugins, then the user's own folders.
    fn search_path(&self) -> OsString {
        let mut dirs = vec![self.folder.path("bin")];
        dirs.extend(running::own_program().ok().and_then(|program| program.parent().map(Path::to_path_buf)));
        dirs.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        env::join_paths(dirs).unwrap_or_default()
    }
}

/// Builds a client. The only function of this package that does; it accepts contexts of sandboxes only.
pub(crate) async fn client_from(kubeconfig: &Path) -> Result<Client> {
    let read = Kubeconfig::read_from(kubeconfig).with_context(|| format!("could not read {}", kubeconfig.display()))?;
    let context = read.current_context.clone().unwrap_or_default();
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    refuse_foreign(&context, &config.cluster_url)?;
    config.proxy_url = None;
    Ok(Client::try_from(config)?)
}

/// Makes sure that a test reaches no cluster outside of a sandbox.
///
/// # Errors
/// No sandbox created the context, or the server is not on 127.0.0.1.
pub fn refuse_foreign(context: &str, server: &http::Uri) -> Result<()> {
    ensure!(context.starts_with(&context_name("")), "refusing to use the context `{context}`: no sandbox created it");
    ensure!(server.host() == Some("127.0.0.1"), "refusing to use the server {server}: it is not on 127.0.0.1");
    Ok(())
}
