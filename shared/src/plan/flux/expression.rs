//! The CEL expression that makes Flux follow the order: the CRD chart's HelmRelease must be at a version, not only Ready.
//!
//! It replaces Flux's own check of a dependency, so it repeats that check (generation, Ready) and adds what Flux does not check:
//! version and status of the newest revision (helm-controller `internal/controller`, `checkDependencies`).

/// The part before the version.
const READY_EXPR_PREFIX: &str = "dep.metadata.generation == dep.status.observedGeneration && \
                      dep.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True') && \
                      dep.status.history.size() > 0 && dep.status.history[0].status == 'deployed' && \
                      (dep.status.history[0].chartVersion + '+').startsWith('";
const READY_EXPR_SUFFIX: &str = "+')";

/// The expression for a version of the CRD chart. An OCIRepository appends `+` and the digest to the version, a HelmChart does not.
#[must_use]
pub fn build_ready_expr(version: &str) -> String {
    format!("{READY_EXPR_PREFIX}{}{READY_EXPR_SUFFIX}", version.split('+').next().unwrap_or_default())
}

/// The same expression for another version. It recognizes our own expression and any other that quotes the old version once. None
/// if the expression has no version of ours.
#[must_use]
pub fn update_ready_expr(expression: &str, old: &str, new: &str) -> Option<String> {
    let plain = |version: &str| version.split('+').next().unwrap_or_default().to_owned();
    let (old, new) = (plain(old), plain(new));
    let ours = expression.strip_prefix(READY_EXPR_PREFIX).and_then(|rest| rest.strip_suffix(READY_EXPR_SUFFIX));
    if let Some(version) = ours {
        return (version != new).then(|| build_ready_expr(&new));
    }
    ['\'', '"'].into_iter().find_map(|quote| {
        let quoted = |version: &str, end: &str| format!("{quote}{version}{end}");
        ["+", &quote.to_string()].into_iter().find_map(|end| {
            let found = quoted(&old, end);
            (expression.matches(&found).count() == 1 && old != new)
                .then(|| expression.replace(&found, &quoted(&new, end)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_renewed_and_nothing_else() {
        let ours = build_ready_expr("0.7.1");
        assert!(ours.contains("startsWith('0.7.1+')"), "{ours}");
        assert_eq!(update_ready_expr(&ours, "0.7.1", "0.7.4"), Some(build_ready_expr("0.7.4")));
        assert_eq!(
            update_ready_expr(&ours, "0.6.0", "0.7.4"),
            Some(build_ready_expr("0.7.4")),
            "whatever version it names"
        );
        assert_eq!(update_ready_expr(&ours, "0.7.1", "0.7.1"), None);
        let theirs = "dep.status.history[0].chartVersion == \"0.7.1\"";
        assert_eq!(
            update_ready_expr(theirs, "0.7.1", "0.7.4").unwrap(),
            "dep.status.history[0].chartVersion == \"0.7.4\""
        );
        assert_eq!(update_ready_expr("dep.status.observedGeneration > 0", "0.7.1", "0.7.4"), None);
    }
}
