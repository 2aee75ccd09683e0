//! All that admission guards look at.

use crate::model::dry_run::ServerAnswer;
use crate::plan::drift::Moved;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use semver::Version;
use serde_json::Value;

use crate::ask::{Allowed, Mode};
use crate::checks::crd_changes::CrdVerdict;
use crate::checks::crd_changes::waivers::Note;
use crate::model::application::Application;
use crate::model::around::Around;
use crate::model::chart::{Chart, Digest, SchemaRefusal};
use crate::model::content::Bundle;
use crate::model::crd::Crd;
use crate::model::grants::Grants;
use crate::model::images::ImageAnswer;
use crate::model::lease::LockSeen;
use crate::model::secret::Hidden;
use crate::model::signature::Signature;
use crate::model::view::{ClusterView, Looked};
use crate::plan::flux::Ways;
use crate::plan::journal::JournalSeen;

/// One chart of the plan, as a guard sees it.
#[derive(Debug, Clone)]
pub struct ChartFacts<'a> {
    /// The release's name.
    pub release: &'a str,
    /// How it was named.
    pub reference: String,
    /// What its files say.
    pub chart: &'a Chart,
    /// Which bytes it is.
    pub digest: &'a Digest,
    /// What it renders to.
    pub rendered: &'a [Value],
    /// What its schemas refuse of the values.
    pub schema_refusals: &'a [SchemaRefusal],
    /// Why the HelmRelease's post-renderers are not in what it renders to; none where they are, or there are none.
    pub not_forecast: Option<&'a str>,
}

/// All that admission guards look at.
#[derive(Debug, Clone)]
pub struct Admission<'a> {
    /// The cluster as it was read.
    pub view: &'a ClusterView,
    /// Who is insisted on as owner.
    pub mode: Mode,
    /// helm's version.
    pub helm: Looked<Version>,
    /// kubectl's version.
    pub kubectl: Looked<Version>,
    /// The uid of `kube-system` as helm sees it.
    pub helm_sees: Looked<String>,
    /// The uid of `kube-system` as kubectl sees it.
    pub kubectl_sees: Looked<String>,
    /// The release of the CRD chart.
    pub crds_release: &'a str,
    /// The release of the application.
    pub app_release: &'a str,
    /// The CRD chart, where it moves.
    pub crds: Option<ChartFacts<'a>>,
    /// The application's chart, where it moves.
    pub app: Option<ChartFacts<'a>>,
    /// What the server says of every CRD of the charts.
    pub forecasts: &'a BTreeMap<String, ServerAnswer>,
    /// What each CRD's change does, to its live objects too.
    pub verdicts: &'a BTreeMap<String, CrdVerdict>,
    /// What is wrong with the waivers.
    pub waiver_notes: &'a [Note],
    /// Who holds a lock.
    pub locks: &'a Looked<Vec<LockSeen>>,
    /// Whether the server was asked at all: not with `--dry-run=client`.
    pub server_asked: bool,
    /// What is allowed besides.
    pub allowed: Allowed,
    /// What is known of the application's objects; none where it does not move.
    pub application: Option<&'a Application>,
    /// What surrounds the installation.
    pub around: &'a Around,
    /// What registries say of the application's new images.
    pub images: Option<&'a BTreeMap<String, ImageAnswer>>,
    /// When the token of this login ends, where it says so.
    pub token_ends: Option<Timestamp>,
    /// The moment of judging.
    pub now: Timestamp,
    /// The longest that one wait may last.
    pub timeout: Duration,
    /// The bytes of each next record, where it is large enough to matter.
    pub record_sizes: &'a [(String, Option<usize>)],
    /// What is granted.
    pub grants: &'a Grants,
    /// The user's values of the application's next revision.
    pub config: &'a Hidden<Value>,
    /// The journal of earlier runs.
    pub journal: &'a Looked<JournalSeen>,
    /// What has moved since a saved plan was made, or since a run was cut off; none where neither is followed.
    pub moved: Option<&'a Looked<Vec<Moved>>>,
    /// What the content bundle holds; none where none was named.
    pub bundle: Option<&'a Looked<Bundle>>,
    /// What was said of the charts' signatures; empty where none is asked for.
    pub signatures: &'a [Signature],
    /// The way through Flux; empty where Flux makes none of the releases.
    pub flux: &'a Ways,
}

impl<'a> Admission<'a> {
    /// The charts that move, the CRD chart first.
    pub fn charts(&self) -> impl Iterator<Item = &ChartFacts<'a>> {
        [&self.crds, &self.app].into_iter().flatten()
    }

    /// The CRDs of the charts as they will be, where the server takes them.
    pub fn planned(&self) -> impl Iterator<Item = &'a Crd> + use<'a> {
        self.forecasts.values().filter_map(|answer| answer.as_ref().ok())
    }
}
