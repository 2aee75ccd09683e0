//! The CEL expression that makes Flux itself keep the order: the CRD chart's HelmRelease at a version, not just Ready.
//!
//! It replaces Flux's own check of a dependency, so it has to ask for all of it: the generation, Ready, and what Flux does
//! not ask for, the newest revision's version and status (helm-controller `internal/controller`, `checkDependencies`).

/// What stands around the version.
const BEFORE: &str = "dep.metadata.generation == dep.status.observedGeneration && \
                      dep.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True') && \
                      dep.status.history.size() > 0 && dep.status.history[0].status == 'deployed' && \
                      (dep.status.history[0].chartVersion + '+').startsWith('";
const AFTER: &str = "+')";

/// The expression for a version of the CRD chart. From an OCIRepository a `+` and the digest follow it, from a HelmChart nothing does.
#[must_use]
pub fn ready_expr(version: &str) -> String {
    format!("{BEFORE}{}{AFTER}", version.split('+').next().unwrap_or_default())
}

/// The same expression for another version, where it asks for one: what we wrote ourselves, or any that names the old version
/// once and in quotes. None where it names no version of ours.
#[must_use]
pub fn renewed(expression: &str, old: &str, new: &str) -> Option<String> {
    let plain = |version: &str| version.split('+').next().unwrap_or_default().to_owned();
    let (old, new) = (plain(old), plain(new));
    let ours = expression.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix(AFTER));
    if let Some(version) = ours {
        return (version != new).then(|| ready_expr(&new));
    }
    ['\'', '"'].into_iter().find_map(|quote| {
        let named = |version: &str, end: &str| format!("{quote}{version}{end}");
        ["+", &quote.to_string()].into_iter().find_map(|end| {
            let found = named(&old, end);
            (expression.matches(&found).count() == 1 && old != new)
                .then(|| expression.replace(&found, &named(&new, end)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_renewed_and_nothing_else() {
        let ours = ready_expr("0.7.1");
        assert!(ours.contains("startsWith('0.7.1+')"), "{ours}");
        assert_eq!(renewed(&ours, "0.7.1", "0.7.4"), Some(ready_expr("0.7.4")));
        assert_eq!(renewed(&ours, "0.6.0", "0.7.4"), Some(ready_expr("0.7.4")), "whatever version it names");
        assert_eq!(renewed(&ours, "0.7.1", "0.7.1"), None);
        let theirs = "dep.status.history[0].chartVersion == \"0.7.1\"";
        assert_eq!(renewed(theirs, "0.7.1", "0.7.4").unwrap(), "dep.status.history[0].chartVersion == \"0.7.4\"");
        assert_eq!(renewed("dep.status.observedGeneration > 0", "0.7.1", "0.7.4"), None);
    }
}
