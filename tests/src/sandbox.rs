//! A control plane of our own, in one folder, under one supervisor.

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

/// What sort of sandbox is wanted.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name; several can run at once.
    pub name: String,
    /// The helm it has: `3`, `4`, `3.17`, a full version, or whatever fits.
    pub helm: Option<String>,
    /// Whether pods run.
    pub nodes: bool,
    /// Whether Flux's controllers run, once their CRDs are there.
    pub flux: bool,
    /// Start from a copy instead of from nothing.
    pub from: Option<Snapshot>,
}

impl Default for Options {
    fn default() -> Self {
        Self::with_name("demo")
    }
}

impl Options {
    /// A sandbox of that name, with nodes and the newest helm.
    #[must_use]
    pub fn with_name(name: &str) -> Self {
        Self { name: name.to_owned(), helm: None, nodes: true, flux: false, from: None }
    }
}

/// A running sandbox. Dropping it changes nothing: it runs until [`Sandbox::down`].
#[derive(Debug, Clone)]
pub struct Sandbox {
    folder: Folder,
    spec: Spec,
}

impl Sandbox {
    /// Starts it, or finds it running. Programs that are nowhere are built first, which takes minutes, once.
    ///
    /// # Errors
    /// When a program can be neither found nor built, or a part does not start: the message holds the end of its log.
    pub fn up(options: &Options) -> Result<Self> {
        start::up(options)
    }

    /// The sandbox of that name, which must run.
    ///
    /// # Errors
    /// When it does not.
    pub fn open(name: &str) -> Result<Self> {
        let folder = Folder::of(name)?;
        let spec = Spec::read(&folder)?;
        let ready = folder.is_supervised() && State::read(&folder).phase == Phase::Ready;
        ensure!(ready, "the sandbox `{name}` does not run: start it with `cargo sandbox up --name {name}`");
        Ok(Self { folder, spec })
    }

    /// Stops everything and removes the folder.
    ///
    /// # Errors
    /// When a process or the folder resists.
    pub fn down(self) -> Result<()> {
        Self::down_by_name(self.name())
    }

    /// [`Sandbox::down`] for one that need not run, nor exist.
    ///
    /// # Errors
    /// As there.
    pub fn down_by_name(name: &str) -> Result<()> {
        let folder = Folder::of(name)?;
        let held = folder.lock()?;
        running::stop(&folder)?;
        folder.remove()?;
        held.remove();
        Ok(())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.folder.name()
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.folder.dir()
    }

    /// What it is made of.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// `127.0.0.1:PORT` of the OCI registry, plain http.
    #[must_use]
    pub fn registry(&self) -> String {
        format!("127.0.0.1:{}", self.spec.ports.registry)
    }

    /// Where the sample application's admission webhooks answer.
    #[must_use]
    pub fn webhook(&self) -> String {
        format!("https://127.0.0.1:{}/", self.spec.ports.webhook)
    }

    /// The API server's audit log, one JSON document a line.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path("audit/audit.log")
    }

    /// The name of the context in every kubeconfig of this sandbox.
    #[must_use]
    pub fn context(&self) -> String {
        context_name(self.name())
    }

    /// A user's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        users::kubeconfig_path(&self.folder, &user.to_string())
    }

    /// A client of the API server, acting as that user.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read, or is not ours.
    pub async fn client(&self, user: User) -> Result<Client> {
        client_from(&self.kubeconfig(user)).await
    }

    /// The environment in which helm, kubectl and our plugins meet this sandbox and nothing else.
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
            // No node here pulls anything.
            ("MURAL_SKIP_IMAGES", "true".into()),
            ("MURAL_SANDBOX", self.name().into()),
            ("MURAL_SANDBOX_REGISTRY", self.registry().into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// A program in [`Sandbox::env`]; looked for on that PATH, so that `helm` and `kubectl` are this sandbox's.
    #[must_use]
    pub fn command(&self, user: User, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        // What the person has set for clusters of their own must not reach into ours, nor ours into theirs.
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

    /// This sandbox's helm and kubectl, then our plugins, then what was there.
    fn search_path(&self) -> OsString {
        let mut dirs = vec![self.folder.path("bin")];
        dirs.extend(running::own_program().ok().and_then(|program| program.parent().map(Path::to_path_buf)));
        dirs.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        env::join_paths(dirs).unwrap_or_default()
    }
}

/// The one place of this package that builds a client, and only for contexts that a sandbox made.
pub(crate) async fn client_from(kubeconfig: &Path) -> Result<Client> {
    let read = Kubeconfig::read_from(kubeconfig).with_context(|| format!("could not read {}", kubeconfig.display()))?;
    let context = read.current_context.clone().unwrap_or_default();
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    refuse_foreign(&context, &config.cluster_url)?;
    config.proxy_url = None;
    Ok(Client::try_from(config)?)
}

/// Cluster tests touch no cluster that they did not create.
///
/// # Errors
/// When the context or the server's address is not a sandbox's.
pub fn refuse_foreign(context: &str, server: &http::Uri) -> Result<()> {
    ensure!(
        context.starts_with(&context_name("")),
        "the context `{context}` was not made by a sandbox: refusing to touch it"
    );
    ensure!(server.host() == Some("127.0.0.1"), "the server {server} is not on this machine: refusing to touch it");
    Ok(())
}
