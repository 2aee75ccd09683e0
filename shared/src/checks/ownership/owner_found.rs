//! Check `owner-found`.

use super::unknown;
use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::owner::Owner;

/// The card.
pub static CARD: Card = Card {
    id: "owner-found",
    section: Section::Ownership,
    title: "each release has an owner: Helm, Flux or Argo CD",
    level: Level::Error,
    why: "The owner decides how an upgrade is made: what Helm writes by hand, Flux or Argo CD would put back. Where there is no owner, the chart is not installed here.",
    fix: "Name the right namespace and releases (--namespace, --release, --crds-release), or install the chart.",
};

/// Whether the CRDs are there without a release of theirs: so the page's manual path leaves them.
fn by_kubectl(seen: &Seen<'_>, release: &str) -> bool {
    let app = seen.owner(seen.app_release).is_some_and(|owner| *owner != Owner::Nobody);
    release == seen.crds_release && app && seen.named.live_crds(seen.view).next().is_some()
}

fn applied(seen: &Seen<'_>, release: &str) -> Finding {
    let message = "has no record: its CRDs were applied without helm, so helm status does not know them";
    let hint = format!("kubectl mural upgrade with --crds records it; helm history {release} -n {}", seen.namespace());
    Finding { level: Level::Info, ..CARD.finding(format!("release {release}"), message, hint) }
}

/// Whether somebody keeps each release. CRDs that kubectl applied without a release are a note.
pub fn check(seen: &Seen<'_>) -> Checked {
    let mut gathered = Gathered::new(&CARD);
    for (_, release) in seen.releases() {
        match seen.owner(release) {
            Some(Owner::Nobody) if by_kubectl(seen, release) => gathered.looked([applied(seen, release)]),
            Some(Owner::Nobody) => {
                let message = format!("is not installed in namespace {}", seen.namespace());
                gathered.looked([CARD.finding(format!("release {release}"), message, "helm list --all-namespaces")]);
            }
            Some(Owner::Undetermined { reason }) => gathered.not_seen(&unknown(release, reason)),
            Some(Owner::Helm | Owner::Flux { .. } | Owner::Appliance { .. } | Owner::Argo { .. }) => {
                gathered.looked(None);
            }
            None => gathered.not_seen(&unknown(release, "nobody looked")),
        }
    }
    gathered.checked()
}
