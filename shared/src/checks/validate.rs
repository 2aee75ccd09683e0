//! The checks of `kubectl mural validate`: one list, in the order they are shown.

use super::seen::Seen;
use super::{Card, Checked, Section};
use super::{cluster, crds, ownership, releases, tools, workloads};
use crate::problem::Problem;

/// A check: its card, and the pure function that answers.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// What it is.
    pub card: &'static Card,
    /// What it says of what was seen.
    pub run: fn(&Seen<'_>) -> Checked,
}

macro_rules! checks {
    ($($area:ident :: $name:ident),* $(,)?) => {
        [$(Check { card: &$area::$name::CARD, run: $area::$name::check }),*]
    };
}

/// Every check of `validate`.
pub static ALL: [Check; 22] = checks![
    tools::helm_version,
    tools::kubectl_version,
    tools::kubectl_skew,
    cluster::server_version,
    cluster::namespace_exists,
    ownership::owner_found,
    ownership::owner_same,
    releases::release_present,
    releases::release_deployed,
    releases::release_version,
    releases::release_record_size,
    crds::crd_present,
    crds::crd_established,
    crds::crd_names_accepted,
    crds::crd_structural,
    crds::crd_stored_versions,
    crds::crd_terminating,
    workloads::workload_present,
    workloads::workload_ready,
    workloads::pod_trouble,
    workloads::claim_bound,
    workloads::job_failed,
];

/// The sections of `validate`, as they are named on the command line.
pub const SECTIONS: [(&str, Section); 6] = [
    ("tools", Section::Tools),
    ("cluster", Section::Cluster),
    ("ownership", Section::Ownership),
    ("releases", Section::Releases),
    ("crds", Section::Crds),
    ("workloads", Section::Workloads),
];

/// The checks that `--only` and `--skip` leave, each naming ids or sections; without `--only` all are wanted.
///
/// # Errors
/// A usage problem: a name that is neither, with the nearest ones; or nothing is left.
pub fn choose(only: &[String], skip: &[String]) -> Result<Vec<&'static Check>, Problem> {
    for (flag, name) in only.iter().map(|name| ("--only", name)).chain(skip.iter().map(|name| ("--skip", name))) {
        if !ALL.iter().any(|check| named(check, name)) {
            return Err(super::catalogue::unknown(flag, name, known_names()));
        }
    }
    let among = |names: &[String], check: &Check| names.iter().any(|name| named(check, name));
    let wanted = |check: &&Check| (only.is_empty() || among(only, check)) && !among(skip, check);
    let chosen: Vec<&'static Check> = ALL.iter().filter(wanted).collect();
    if chosen.is_empty() {
        return Err(Problem::usage("--only and --skip leave no check").hint("see them all: --list-checks"));
    }
    Ok(chosen)
}

fn named(check: &Check, name: &str) -> bool {
    check.card.id == name || SECTIONS.iter().any(|(text, section)| *text == name && *section == check.card.section)
}

fn known_names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|check| check.card.id).chain(SECTIONS.iter().map(|(name, _)| *name))
}

/// Asks them all.
#[must_use]
pub fn run(seen: &Seen<'_>, checks: &[&Check]) -> Vec<Checked> {
    checks.iter().map(|check| (check.run)(seen)).collect()
}
