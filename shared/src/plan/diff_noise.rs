//! Differences that mean nothing, or need only a few words: known noise, and the paths of `--ignore`.
//!
//! Input: the path of a field that differs. Output: a sentence in place of its values, or nothing. What is left out is counted.

use std::collections::BTreeSet;

use crate::ask::waivers::matches_glob;

/// The paths of `--ignore`; `*` stands for any text.
#[derive(Debug, Clone, Default)]
pub struct IgnoredPaths(Vec<String>);

impl IgnoredPaths {
    /// These paths: `spec.replicas`, `metadata.annotations.*`.
    #[must_use]
    pub fn new(paths: &[String]) -> Self {
        Self(paths.to_vec())
    }

    /// Whether a path, or a field around it, is ignored.
    fn contains(&self, path: &str) -> bool {
        let is_inside = |pattern: &str| {
            path.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('.') || rest.starts_with('['))
        };
        self.0.iter().any(|pattern| matches_glob(pattern, path) || is_inside(pattern))
    }
}

/// The differences of one object that are not shown in full.
#[derive(Debug)]
pub(super) struct DiffNoise<'a> {
    ignored_paths: &'a IgnoredPaths,
    ignored_count: usize,
    notes: BTreeSet<&'static str>,
}

impl<'a> DiffNoise<'a> {
    pub(super) const fn new(ignored_paths: &'a IgnoredPaths) -> Self {
        Self { ignored_paths, ignored_count: 0, notes: BTreeSet::new() }
    }

    /// Takes a field that differs, if its values mean nothing.
    pub(super) fn takes(&mut self, path: &str) -> bool {
        if self.ignored_paths.contains(path) {
            self.ignored_count += 1;
            return true;
        }
        let note = describe_noise(path);
        self.notes.extend(note);
        note.is_some()
    }

    /// The lines in place of what was taken.
    pub(super) fn into_lines(self) -> impl Iterator<Item = String> {
        let count = self.ignored_count;
        let ignored =
            (count > 0).then(|| format!("{count} field{} not shown (--ignore)", if count == 1 { "" } else { "s" }));
        self.notes.into_iter().map(str::to_owned).chain(ignored)
    }
}

/// What known noise means.
fn describe_noise(path: &str) -> Option<&'static str> {
    if path.ends_with("caBundle") {
        return Some("caBundle changed");
    }
    let is_checksum = path.contains("annotations.checksum/") || path.contains("annotations.rollme");
    match (is_checksum, path.contains("template.metadata.")) {
        (true, true) => Some("a checksum annotation changed: the pods restart"),
        (true, false) => Some("a checksum annotation changed"),
        (false, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_path_covers_what_is_inside() {
        let ignored = IgnoredPaths::new(&["spec.replicas".to_owned(), "metadata.annotations.*".to_owned()]);
        for path in ["spec.replicas", "spec.replicas.x", "metadata.annotations.a/b"] {
            assert!(ignored.contains(path), "{path}");
        }
        assert!(!ignored.contains("spec.replicasMax") && !ignored.contains("spec"));
    }

    #[test]
    fn nothing_is_left_out_silently() {
        let ignored = IgnoredPaths::new(&["spec.replicas".to_owned()]);
        let mut noise = DiffNoise::new(&ignored);
        assert!(noise.takes("spec.replicas") && !noise.takes("spec.paused"));
        assert!(noise.takes("spec.template.metadata.annotations.checksum/config"));
        let lines: Vec<String> = noise.into_lines().collect();
        assert_eq!(lines, ["a checksum annotation changed: the pods restart", "1 field not shown (--ignore)"]);
    }
}
