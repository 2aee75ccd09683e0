//! What was saved, and what was brought back.

use std::fmt::Write as _;

use serde::Serialize;

use super::columns::columns;
use super::style::{Mark, Style, harmless};
use crate::model::kept::{Index, KeptCrd};
use crate::plan::API_VERSION;

/// Lines of one sort that a person is shown; `-o json` has all.
const LISTED: usize = 20;

/// `3.1 MiB`
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut tenths, mut unit) = (count * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        (tenths, unit) = (tenths / 1024, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// The answer of `helm mural crds save`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SaveReport {
    /// The folder.
    pub folder: String,
    /// What is in it.
    #[serde(flatten)]
    pub index: Index,
}

impl SaveReport {
    /// Whether every kind could be read.
    #[must_use]
    pub fn whole(&self) -> bool {
        self.index.crds.iter().all(|crd| crd.unread.is_none())
    }

    /// For a person.
    #[must_use]
    pub fn table(&self, style: Style) -> String {
        let kinds: Vec<&KeptCrd> = self.index.crds.iter().filter(|crd| crd.objects > 0).collect();
        let row = |crd: &&KeptCrd| vec![harmless(&crd.name), crd.version.clone(), crd.objects.to_string()];
        let mut out = String::new();
        if !kinds.is_empty() {
            out = columns(&["NAME", "VERSION", "OBJECTS"], &kinds.iter().map(row).collect::<Vec<_>>()) + "\n";
        }
        for crd in &self.index.crds {
            if let Some(reason) = &crd.unread {
                let (mark, name) = (style.mark(Mark::Unknown), style.bold(&harmless(&crd.name)));
                let _ = writeln!(out, "{mark} {name} could not be read: {}", harmless(reason));
            }
        }
        let objects: u64 = self.index.crds.iter().map(|crd| crd.objects).sum();
        let mark = style.mark(if self.whole() { Mark::Pass } else { Mark::Fail });
        let not = if self.whole() { "" } else { ", NOT whole" };
        let (count, folder) = (self.index.crds.len(), &self.folder);
        let _ = writeln!(out, "{mark} saved {count} CRDs and {objects} objects in {folder}{not}");
        let _ = writeln!(out, "  they may hold secrets: keep the folder as you keep those");
        out
    }
}

/// What became of the objects of one CRD.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoredKind {
    /// The CRD.
    pub name: String,
    /// Made.
    pub created: u64,
    /// There already, just as saved.
    pub equal: u64,
    /// There already with other content, and left.
    pub left: u64,
    /// Replaced by what was saved.
    pub overwritten: u64,
    /// Not brought back.
    pub failed: u64,
}

/// An object whose owner is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unlinked {
    /// The object.
    pub object: String,
    /// The owner that it named.
    pub owner: String,
}

/// An object that was not brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The object.
    pub object: String,
    /// Why, in the server's words.
    pub reason: String,
}

/// The answer of `helm mural crds restore`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `CrdRestore`
    pub kind: &'static str,
    /// The context.
    pub cluster: String,
    /// The context that it was saved from.
    pub saved_from: String,
    /// When.
    pub saved: jiff::Timestamp,
    /// CRDs that were made.
    pub crds_created: Vec<String>,
    /// CRDs that were there and stay as they are.
    pub crds_left: Vec<String>,
    /// CRDs that were replaced by what was saved.
    pub crds_overwritten: Vec<String>,
    /// The objects of each CRD.
    pub objects: Vec<RestoredKind>,
    /// Links to owners that were left out.
    pub unlinked: Vec<Unlinked>,
    /// What was not brought back.
    pub failures: Vec<Failure>,
    /// What the save never held, since it could not be read then.
    pub never_saved: Vec<KeptCrd>,
}

impl RestoreReport {
    /// Nothing done yet.
    #[must_use]
    pub fn new(cluster: &str, index: &Index) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "CrdRestore",
            cluster: cluster.to_owned(),
            saved_from: index.cluster.clone(),
            saved: index.saved,
            crds_created: Vec::new(),
            crds_left: Vec::new(),
            crds_overwritten: Vec::new(),
            objects: index
                .crds
                .iter()
                .map(|crd| RestoredKind { name: crd.name.clone(), ..RestoredKind::default() })
                .collect(),
            unlinked: Vec::new(),
            failures: Vec::new(),
            never_saved: index.crds.iter().filter(|crd| crd.unread.is_some()).cloned().collect(),
        }
    }

    /// What was done with the objects, in a few words.
    #[must_use]
    pub fn sentence(&self) -> String {
        let sum = |of: fn(&RestoredKind) -> u64| self.objects.iter().map(of).sum::<u64>();
        let (equal, overwritten, created) = (sum(|one| one.equal), sum(|one| one.overwritten), sum(|one| one.created));
        format!("{overwritten} objects written back, {created} made anew, {equal} as they were")
    }

    /// The line of this CRD.
    pub fn of(&mut self, crd: &str) -> &mut RestoredKind {
        let at = self.objects.iter().position(|kind| kind.name == crd).unwrap_or_else(|| {
            self.objects.push(RestoredKind { name: crd.to_owned(), ..RestoredKind::default() });
            self.objects.len() - 1
        });
        &mut self.objects[at]
    }

    /// Whether everything is back that was saved.
    #[must_use]
    pub fn whole(&self) -> bool {
        self.failures.is_empty()
    }

    /// For a person.
    #[must_use]
    pub fn table(&self, style: Style) -> String {
        let numbers = |kind: &RestoredKind| [kind.created, kind.equal, kind.left, kind.overwritten, kind.failed];
        let some: Vec<&RestoredKind> =
            self.objects.iter().filter(|kind| numbers(kind).iter().any(|n| *n > 0)).collect();
        let row = |kind: &&RestoredKind| {
            std::iter::once(harmless(&kind.name)).chain(numbers(kind).iter().map(u64::to_string)).collect()
        };
        let mut out = String::new();
        if !some.is_empty() {
            let heading = ["NAME", "CREATED", "EQUAL", "LEFT", "OVERWRITTEN", "FAILED"];
            out = columns(&heading, &some.iter().map(row).collect::<Vec<Vec<String>>>()) + "\n";
        }
        self.troubles(&mut out, style);
        let (created, left, replaced) = (self.crds_created.len(), self.crds_left.len(), self.crds_overwritten.len());
        let mark = style.mark(if self.whole() { Mark::Pass } else { Mark::Fail });
        let _ = writeln!(out, "{mark} CRDs: {created} created, {left} there already, {replaced} overwritten");
        out
    }

    fn troubles(&self, out: &mut String, style: Style) {
        let (fail, warn) = (style.mark(Mark::Fail), style.mark(Mark::Warn));
        for failure in self.failures.iter().take(LISTED) {
            let _ = writeln!(out, "{fail} {}: {}", style.bold(&harmless(&failure.object)), harmless(&failure.reason));
        }
        more(out, self.failures.len());
        for link in self.unlinked.iter().take(LISTED) {
            let (object, owner) = (style.bold(&harmless(&link.object)), harmless(&link.owner));
            let _ = writeln!(out, "{warn} {object}: its owner {owner} is not there, so the link is left out");
        }
        more(out, self.unlinked.len());
        for crd in &self.never_saved {
            let reason = harmless(crd.unread.as_deref().unwrap_or_default());
            let _ = writeln!(out, "{warn} {} was not saved whole: {reason}", style.bold(&harmless(&crd.name)));
        }
        if self.objects.iter().any(|kind| kind.left > 0) {
            let _ = writeln!(out, "  what is there with other content was left; --overwrite replaces it");
        }
    }
}

fn more(out: &mut String, count: usize) {
    if count > LISTED {
        let _ = writeln!(out, "  and {} more (-o json lists them)", count - LISTED);
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_told_shortly() {
        assert_eq!([bytes(0), bytes(1023), bytes(1024)], ["0 B", "1023 B", "1.0 KiB"]);
        assert_eq!([bytes(3_250_586), bytes(5 << 40)], ["3.1 MiB", "5.0 TiB"]);
    }
}
