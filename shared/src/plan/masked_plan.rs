//! A plan without secrets: the last step before a plan leaves `prepare`, so that no renderer and no file can show one.

use super::{CrdPlan, ObjectChange, Plan, Step, UnchangedItem, ValueChange};
use crate::model::known_secrets::Secrets;

impl Plan {
    /// The same plan without these secrets in any text for people. Names, versions and what a step does stay as they are.
    #[must_use]
    pub fn mask(self, secrets: &Secrets) -> Self {
        let Self {
            api_version,
            kind,
            cluster,
            mode,
            locks,
            charts,
            crds,
            objects,
            values,
            guards,
            steps,
            unchanged_items,
            permissions,
        } = self;
        Self {
            api_version,
            kind,
            cluster,
            mode,
            locks,
            charts,
            crds: crds.into_iter().map(|crd| CrdPlan { notes: mask_all(crd.notes, secrets), ..crd }).collect(),
            objects: objects
                .into_iter()
                .map(|change| ObjectChange { details: mask_all(change.details, secrets), ..change })
                .collect(),
            values: values.into_iter().map(|change| mask_change(change, secrets)).collect(),
            guards: guards.into_iter().map(|guard| guard.mask(secrets)).collect(),
            steps: steps.into_iter().map(|step| mask_step(step, secrets)).collect(),
            unchanged_items: unchanged_items
                .into_iter()
                .map(|item| UnchangedItem { reason: secrets.mask(&item.reason), ..item })
                .collect(),
            permissions,
        }
    }
}

fn mask_change(change: ValueChange, secrets: &Secrets) -> ValueChange {
    let mask = |text: Option<String>| text.map(|text| secrets.mask(&text));
    ValueChange { key: change.key, old: mask(change.old), new: mask(change.new) }
}

fn mask_step(step: Step, secrets: &Secrets) -> Step {
    let Step { id, title, action, reason, command } = step;
    let (title, reason) = (secrets.mask(&title), secrets.mask(&reason));
    Step { id, title, action, reason, command: mask_all(command, secrets) }
}

fn mask_all(texts: Vec<String>, secrets: &Secrets) -> Vec<String> {
    texts.into_iter().map(|text| secrets.mask(&text)).collect()
}
