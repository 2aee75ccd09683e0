//! Creates the files of a check or a guard and adds it to its lists.

use std::fs;
use std::path::Path;

use crate::source_text::{List, append_entry, insert_module};

const CHECKS: &str = "shared/src/checks";
const GUARDS: &str = "shared/src/guards";

/// A section of `kubectl mural validate`: its name on the command line, its folder, and its variant of `Section`.
#[derive(Debug)]
pub(crate) struct Section {
    name: &'static str,
    folder: &'static str,
    variant: &'static str,
}

const SECTIONS: [Section; 11] = [
    Section { name: "tools", folder: "tools", variant: "Tools" },
    Section { name: "cluster", folder: "cluster", variant: "Cluster" },
    Section { name: "ownership", folder: "ownership", variant: "Ownership" },
    Section { name: "releases", folder: "releases", variant: "Releases" },
    Section { name: "crds", folder: "crd_health", variant: "Crds" },
    Section { name: "flux", folder: "flux", variant: "Flux" },
    Section { name: "workloads", folder: "workloads", variant: "Workloads" },
    Section { name: "webhooks", folder: "webhooks", variant: "Webhooks" },
    Section { name: "spokes", folder: "spokes", variant: "Spokes" },
    Section { name: "tenants", folder: "tenants", variant: "Tenants" },
    Section { name: "restarts", folder: "restarts", variant: "Restarts" },
];

impl Section {
    /// The section with this name.
    pub(crate) fn parse(name: &str) -> Result<&'static Self, String> {
        SECTIONS.iter().find(|section| section.name == name).ok_or_else(|| {
            let names: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
            format!("{name:?} is no section; the sections are: {}", names.join(", "))
        })
    }
}

/// Creates a health check; answers with what to edit next.
pub(crate) fn create_check(root: &Path, section: &Section, id: &str) -> Result<String, String> {
    let module = to_module(id)?;
    let folder = format!("{CHECKS}/{}", section.folder);
    let file = format!("{folder}/{module}.rs");
    let entry = format!("{}::", section.folder);
    let (modules, list, examples) = (
        format!("{folder}/mod.rs"),
        format!("{CHECKS}/health_checks.rs"),
        format!("{CHECKS}/examples/check_examples.rs"),
    );
    let edits = [
        Edit::read(root, &modules, |text| insert_module(text, &module))?,
        Edit::read(root, &list, |text| {
            let list = List { head: "pub static HEALTH_CHECKS:", after: Some(&entry) };
            append_entry(text, &list, &format!("    {entry}{module},"))
        })?,
        Edit::read(root, &examples, |text| {
            let list = List { head: "pub(super) const EXAMPLES:", after: None };
            append_entry(text, &list, &fill(include_str!("../templates/check_example.txt"), id, section.variant))
        })?,
    ];
    create_file(root, &file, &fill(include_str!("../templates/check.txt"), id, section.variant))?;
    write_all(&edits)?;
    Ok(format!(
        "created {file}\n\nNext:\n  1. {file}: the title, why and fix of the card; what it reads; the condition.\n  2. {examples}: the two examples at the end.\n  3. tests/cluster/health/matrix.rs: an action on a real cluster that fires it.\n  4. MURAL_UPDATE=1 cargo test -p mural catalogue\n  5. cargo test -p mural checks::examples\n"
    ))
}

/// Creates an admission guard; answers with what to edit next.
pub(crate) fn create_guard(root: &Path, id: &str) -> Result<String, String> {
    let module = to_module(id)?;
    let file = format!("{GUARDS}/{module}.rs");
    let (list, examples) = (format!("{GUARDS}/mod.rs"), format!("{GUARDS}/tests/examples.rs"));
    let edits = [
        Edit::read(root, &list, |text| {
            let all = List { head: "pub static ALL:", after: None };
            append_entry(&insert_module(text, &module)?, &all, &format!("    {module}::GUARD,"))
        })?,
        Edit::read(root, &examples, |text| {
            let list = List { head: "const EXAMPLES:", after: None };
            append_entry(text, &list, &fill(include_str!("../templates/guard_example.txt"), id, "Guards"))
        })?,
    ];
    create_file(root, &file, &fill(include_str!("../templates/guard.txt"), id, "Guards"))?;
    write_all(&edits)?;
    Ok(format!(
        "created {file}\n\nNext:\n  1. {file}: the title, why and fix of the card; the tasks; the condition.\n  2. {list}: its place in the list, which is the order on the screen.\n  3. {examples}: the two examples at the end.\n  4. {GUARDS}/tests/lists.rs: if it applies to other tasks than an upgrade and an apply of CRDs.\n  5. MURAL_UPDATE=1 cargo test -p mural catalogue\n  6. cargo test -p mural guards\n"
    ))
}

/// The name of the module of an id: `webhook-ca` is in `webhook_ca`.
fn to_module(id: &str) -> Result<String, String> {
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_id = id.starts_with(|c: char| c.is_ascii_lowercase()) && id.split('-').all(is_word);
    if is_id { Ok(id.replace('-', "_")) } else { Err(format!("{id:?} is no id: lower-case words, joined by dashes")) }
}

fn fill(template: &str, id: &str, section: &str) -> String {
    template.replace("@ID@", id).replace("@SECTION@", section)
}

/// The next text of a file.
struct Edit {
    path: std::path::PathBuf,
    text: String,
}

impl Edit {
    /// Nothing is written before every edit is known to work.
    fn read(root: &Path, file: &str, change: impl Fn(&str) -> Result<String, String>) -> Result<Self, String> {
        let path = root.join(file);
        let text = fs::read_to_string(&path).map_err(|error| format!("cannot read {file}: {error}"))?;
        Ok(Self { path, text: change(&text).map_err(|reason| format!("{file}: {reason}"))? })
    }
}

fn create_file(root: &Path, file: &str, text: &str) -> Result<(), String> {
    let path = root.join(file);
    if path.exists() {
        return Err(format!("{file} exists"));
    }
    fs::write(&path, text).map_err(|error| format!("cannot write {file}: {error}"))
}

fn write_all(edits: &[Edit]) -> Result<(), String> {
    edits.iter().try_for_each(|Edit { path, text }| {
        fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests;
