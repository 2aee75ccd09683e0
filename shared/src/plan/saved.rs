//! A plan in a file: what was asked for, the world that it was made from, and the steps that were agreed to.
//!
//! The file is never trusted: whoever does it looks and decides anew, and goes on only where that comes to the same.

use std::path::{Path, PathBuf};
use std::time::Duration;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::world::World;
use super::{API_VERSION, ChartMove, CrdPlan, Plan, Step};
use crate::ask::waivers::Waivers;
use crate::ask::{
    Allowed, ApplianceAccess, Ask, ClusterAccess, HelmOptions, Installation, Mode, RegistryAccess, SourceNames, Target,
    Values,
};
use crate::model::chart::{ChartRef, Digest, DigestOf};
use crate::model::signature::SignatureAsked;
use crate::problem::{Exit, Problem};

/// The kind of the file.
const KIND: &str = "SavedUpgradePlan";

/// The file. Holds no values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedPlan {
    /// `mural/v1`
    pub api_version: String,
    /// `SavedUpgradePlan`
    pub kind: String,
    /// When the plan was made.
    pub made: jiff::Timestamp,
    /// What was asked for.
    pub asked: Asked,
    /// What the plan was made from.
    pub world: World,
    /// The charts that move.
    pub charts: Vec<ChartMove>,
    /// What becomes of each CRD.
    pub crds: Vec<CrdPlan>,
    /// What is done, in this order.
    pub steps: Vec<Step>,
}

/// What was asked for, besides values and how the cluster and the registry are reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Asked {
    /// The installation's namespace.
    pub namespace: String,
    /// The CRD chart.
    pub crds: AskedChart,
    /// The application's chart.
    pub app: AskedChart,
    /// Who is insisted on as owner.
    pub mode: Mode,
    /// What is allowed besides.
    pub allowed: Allowed,
    /// What goes to helm as it is.
    #[serde(default)]
    pub helm: HelmOptions,
    /// Which of Flux's sources are insisted on.
    #[serde(default, skip_serializing_if = "SourceNames::nothing")]
    pub sources: SourceNames,
    /// What is asked of the charts' signatures.
    #[serde(default, skip_serializing_if = "SignatureAsked::nothing")]
    pub signature: SignatureAsked,
}

impl Asked {
    /// What an upgrade asks for, its charts pinned. Charts from files are named from `folder` on.
    #[must_use]
    pub fn new(ask: &Ask, plan: &Plan, folder: &Path) -> Self {
        // Named one by one: a new flag must be thought of here, or it is forgotten when the plan is done.
        let Ask {
            installation,
            crds,
            app,
            mode,
            allowed,
            values: _,
            registry: _,
            timeout: _,
            server_dry_runs: _,
            waivers: _,
            images: _,
            appliance: _,
            helm,
            sources,
            signature,
        } = ask;
        let pinned = |target: &Target| {
            let moves = plan.charts.iter().find(|chart| chart.release == target.release);
            AskedChart {
                release: target.release.clone(),
                chart: pinned(&target.chart, moves.map(|moves| &moves.digest), folder),
                version: target.version.clone(),
            }
        };
        Self {
            namespace: installation.namespace.clone(),
            crds: pinned(crds),
            app: pinned(app),
            mode: *mode,
            allowed: *allowed,
            helm: helm.clone(),
            sources: sources.clone(),
            signature: signature.clone(),
        }
    }

    /// What was asked for then, with what is given anew: how cluster and registry are reached, the values, the patience.
    #[must_use]
    pub fn ask(&self, anew: Anew) -> Ask {
        let Asked { namespace, crds, app, mode, allowed, helm, sources, signature } = self.clone();
        let Anew { cluster, registry, values, timeout, server_dry_runs, waivers, images, appliance } = anew;
        let target = |asked: AskedChart| Target { release: asked.release, chart: asked.chart, version: asked.version };
        let installation =
            Installation { namespace, crds_release: crds.release.clone(), app_release: app.release.clone(), cluster };
        Ask {
            installation,
            crds: target(crds),
            app: target(app),
            mode,
            values,
            registry,
            timeout,
            allowed,
            server_dry_runs,
            waivers,
            images,
            helm,
            appliance,
            sources,
            signature,
        }
    }
}

/// One chart, pinned where it moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskedChart {
    /// The release's name.
    pub release: String,
    /// Where the chart is.
    pub chart: ChartRef,
    /// The version wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

/// What is given anew when a saved plan is done.
#[derive(Debug)]
pub struct Anew {
    /// How the cluster is reached.
    pub cluster: ClusterAccess,
    /// How the registry is reached.
    pub registry: RegistryAccess,
    /// The application's values.
    pub values: Values,
    /// The longest one wait may last.
    pub timeout: Duration,
    /// Whether the server may be asked for dry-runs.
    pub server_dry_runs: bool,
    /// Findings that somebody answers for.
    pub waivers: Waivers,
    /// Whether registries are asked for the application's images.
    pub images: bool,
    /// What is told of an appliance.
    pub appliance: ApplianceAccess,
}

impl SavedPlan {
    /// Keeps a plan. Charts from files are named from `folder` on, where they were named from.
    #[must_use]
    pub fn new(ask: &Ask, plan: &Plan, world: World, made: jiff::Timestamp, folder: &Path) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            made,
            asked: Asked::new(ask, plan, folder),
            world,
            charts: plan.charts.clone(),
            crds: plan.crds.clone(),
            steps: plan.steps.clone(),
        }
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// A usage problem: it is no saved plan, or one of another version of these plugins.
    pub fn read(file: &Path, text: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::usage(format!("{} is not a saved plan", file.display()))
                .hint("make one with: kubectl mural upgrade plan … --save FILE")
        };
        let document: serde_json::Value = serde_json::from_str(text).map_err(|error| wrong().because(error))?;
        let says = |key: &str| document[key].as_str().unwrap_or("nothing").to_owned();
        let (kind, version) = (says("kind"), says("apiVersion"));
        if kind != KIND || version != API_VERSION {
            return Err(wrong().because(format!("it is {kind} of {version}, not {KIND} of {API_VERSION}")));
        }
        serde_json::from_value(document).map_err(|error| wrong().because(error))
    }

    /// As [`Asked::ask`].
    #[must_use]
    pub fn ask(&self, anew: Anew) -> Ask {
        self.asked.ask(anew)
    }

    /// Whether what was decided anew is what was agreed to.
    ///
    /// # Errors
    /// A refusal that names the first step that differs.
    pub fn same_steps(&self, plan: &Plan) -> Result<(), Problem> {
        let other = |text: String| {
            Err(Problem::new(Exit::Refused, text)
                .hint("another version of these plugins, or an edited file? make a new plan and read it"))
        };
        let pairs = self.steps.iter().zip(&plan.steps);
        if let Some((then, now)) =
            pairs.into_iter().find(|(then, now)| (&then.id, &then.action) != (&now.id, &now.action))
        {
            return other(format!("the saved plan says {:?} where now it is {:?}", then.title, now.title));
        }
        if self.steps.len() != plan.steps.len() {
            return other(format!(
                "the saved plan has {} steps, and now there are {}",
                self.steps.len(),
                plan.steps.len()
            ));
        }
        Ok(())
    }
}

/// A registry's chart by its digest, a file by a path that holds from everywhere.
fn pinned(chart: &ChartRef, digest: Option<&Digest>, folder: &Path) -> ChartRef {
    let from = |path: &PathBuf| folder.join(path);
    match (chart, digest) {
        (ChartRef::Oci { repository, .. }, Some(Digest { sha256, of: DigestOf::Manifest })) => {
            ChartRef::Oci { repository: repository.clone(), digest: Some(sha256.clone()) }
        }
        (ChartRef::Oci { .. }, _) => chart.clone(),
        (ChartRef::Folder { path }, _) => ChartRef::Folder { path: from(path) },
        (ChartRef::Archive { path }, _) => ChartRef::Archive { path: from(path) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_saved_plan_is_read() {
        let file = Path::new("plan.json");
        let cause = |text: &str| SavedPlan::read(file, text).unwrap_err().causes().join(" ");
        assert!(cause("{").contains("EOF"));
        assert!(cause(r#"{"kind": "UpgradeReport", "apiVersion": "mural/v1"}"#).contains("UpgradeReport of mural/v1"));
        assert!(cause(r#"{"kind": "SavedUpgradePlan", "apiVersion": "mural/v1"}"#).contains("missing field"));
    }

    #[test]
    fn charts_are_pinned() {
        let oci = ChartRef::parse("oci://a.example/mural/mural").unwrap();
        let digest = Digest::of_bytes(b"", DigestOf::Manifest);
        let named = pinned(&oci, Some(&digest), Path::new("/x")).to_string();
        assert_eq!(named, format!("oci://a.example/mural/mural@{}", digest.sha256));
        // The registry told no digest: its version has to do, and the bytes are compared.
        let archive = Digest::of_bytes(b"", DigestOf::Archive);
        assert_eq!(pinned(&oci, Some(&archive), Path::new("/x")), oci);
        let file = ChartRef::parse("./mural.tgz").unwrap();
        assert_eq!(pinned(&file, Some(&archive), Path::new("/x")).to_string(), "/x/./mural.tgz");
        assert_eq!(pinned(&ChartRef::parse("/y").unwrap(), None, Path::new("/x")).to_string(), "/y");
    }
}
