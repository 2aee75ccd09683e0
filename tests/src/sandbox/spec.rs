//! The files `sandbox.json` (versions, ports, programs) and `state.json` (phase, processes) of a sandbox. `up` writes
//! the first, the supervisor the second.

use super::folder::{self, Folder};
use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

/// `sandbox.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// The sandbox's name.
    pub name: String,
    /// The version of the helm it has.
    pub helm: String,
    /// Whether pods run (kwok and the scheduler).
    pub nodes: bool,
    /// Whether Flux's source-controller and helm-controller run, as soon as their CRDs are served.
    #[serde(default)]
    pub flux: bool,
    /// Where everything listens, always on 127.0.0.1.
    pub ports: Ports,
    /// The program of each part.
    pub programs: BTreeMap<String, PathBuf>,
}

/// One loopback port for each listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ports {
    /// etcd for its clients.
    pub etcd: u16,
    /// etcd for its peers, of which there are none.
    pub etcd_peer: u16,
    /// The API server.
    pub api: u16,
    /// The controller-manager's own page.
    pub controllers: u16,
    /// The scheduler's own page.
    pub scheduler: u16,
    /// The OCI registry.
    pub registry: u16,
    /// The sample application's admission webhooks.
    pub webhook: u16,
    /// What source-controller has fetched, for helm-controller.
    #[serde(default)]
    pub artifacts: u16,
}

/// `state.json`: how far the supervisor is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// Starting, ready or ended.
    pub phase: Phase,
    /// The supervisor's process id.
    pub supervisor: u32,
    /// The process id of each part.
    pub children: BTreeMap<String, u32>,
    /// The part that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The supervisor's phases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Parts are being started.
    #[default]
    Starting,
    /// The API server answers and every part runs.
    Ready,
    /// Nothing runs any more.
    Ended,
}

impl Spec {
    /// Reads it.
    ///
    /// # Errors
    /// When there is no such sandbox.
    pub fn read(folder: &Folder) -> Result<Self> {
        if !folder.exists() {
            bail!("there is no sandbox `{0}`: start one with `cargo sandbox up --name {0}`", folder.name());
        }
        read_json(&folder.path("sandbox.json"))
    }

    pub(crate) fn write(&self, folder: &Folder) -> Result<()> {
        write_json(&folder.path("sandbox.json"), self)
    }

    /// The program of a part.
    ///
    /// # Errors
    /// When this sandbox has no such part.
    pub fn program(&self, part: &str) -> Result<&Path> {
        self.programs
            .get(part)
            .map(PathBuf::as_path)
            .with_context(|| format!("the sandbox `{}` has no {part}", self.name))
    }
}

impl State {
    /// Reads it; nothing there means nothing started yet.
    #[must_use]
    pub fn read(folder: &Folder) -> Self {
        read_json(&folder.path("state.json")).unwrap_or_default()
    }

    pub(crate) fn write(&self, folder: &Folder) -> Result<()> {
        write_json(&folder.path("state.json"), self)
    }
}

impl Ports {
    /// Free ports below the range from which the system takes those of outgoing connections, and none of another
    /// sandbox.
    pub(crate) fn choose() -> Result<Self> {
        let taken = ports_of_others()?;
        let start = RandomState::new().hash_one(std::process::id()) % 10_000;
        let mut held = Vec::new();
        for offset in 0..10_000 {
            let port = u16::try_from(20_000 + (start + offset) % 10_000).context("port")?;
            if let (false, Ok(listener)) = (taken.contains(&port), TcpListener::bind((Ipv4Addr::LOCALHOST, port))) {
                held.push((port, listener));
            }
            if let [
                (etcd, _),
                (etcd_peer, _),
                (api, _),
                (controllers, _),
                (scheduler, _),
                (registry, _),
                (webhook, _),
                (artifacts, _),
            ] = held[..]
            {
                return Ok(Self { etcd, etcd_peer, api, controllers, scheduler, registry, webhook, artifacts });
            }
        }
        bail!("no free ports between 20000 and 30000 on 127.0.0.1")
    }

    /// Whether a stopped sandbox can have its ports again.
    pub(crate) fn are_free(&self) -> bool {
        self.all().iter().all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
    }

    fn all(&self) -> [u16; 8] {
        let Self { etcd, etcd_peer, api, controllers, scheduler, registry, webhook, artifacts } = *self;
        [etcd, etcd_peer, api, controllers, scheduler, registry, webhook, artifacts]
    }
}

fn ports_of_others() -> Result<BTreeSet<u16>> {
    let mut taken = BTreeSet::new();
    for name in folder::names()? {
        if let Ok(spec) = Folder::of(&name).and_then(|folder| Spec::read(&folder)) {
            taken.extend(spec.ports.all());
        }
    }
    Ok(taken)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("could not understand {}", path.display()))
}

/// Written aside and renamed: a reader never sees half of it.
fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let aside = path.with_extension("json.new");
    fs::write(&aside, serde_json::to_vec_pretty(value)?)
        .and_then(|()| fs::rename(&aside, path))
        .with_context(|| format!("could not write {}", path.display()))
}
