//! PURE: what changed, as data.
#![allow(missing_docs, reason = "placeholder until the differ lands")]

use std::fmt;

use serde_json::Value;

/// How grave a change can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    Text,
    Safe,
    Risky,
    Breaking,
}
pub struct Kind(Effect);
impl Kind {
    pub fn effect(&self) -> Effect {
        self.0
    }
}
pub struct Change {
    pub kind: Kind,
    path: String,
}
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}
pub fn crd_changes(old: &Value, new: &Value) -> Vec<Change> {
    if old["spec"] == new["spec"] { Vec::new() } else { vec![Change { kind: Kind(Effect::Safe), path: "spec".into() }] }
}
pub fn served_schema_matches(_schema: &Value, _definition: &Value) -> Result<(), Vec<String>> {
    Ok(())
}
