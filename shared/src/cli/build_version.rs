//! The text of `--version`: the version of the workspace, the commit and its date.
//!
//! `cargo xtask dist` and `install.sh` read commit and date from git and pass them to the compiler. The date is the commit's,
//! not the clock's, so that the same commit builds the same bytes. A plain `cargo build` has neither, and the text says so.

use std::sync::LazyLock;

static VERSION_TEXT: LazyLock<String> =
    LazyLock::new(|| describe_build(option_env!("MURAL_BUILD_COMMIT"), option_env!("MURAL_BUILD_DATE")));

/// The version of this program, for `--version`: `0.1.0 (commit 1a809f8, 2026-11-30)`.
#[must_use]
pub fn version_text() -> &'static str {
    &VERSION_TEXT
}

fn describe_build(commit: Option<&str>, date: Option<&str>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let present = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    match (present(commit), present(date)) {
        (None, None) => format!("{version} (commit unknown)"),
        (Some(commit), None) => format!("{version} (commit {commit}, date unknown)"),
        (None, Some(date)) => format!("{version} (commit unknown, {date})"),
        (Some(commit), Some(date)) => format!("{version} (commit {commit}, {date})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_part_is_reported() {
        let version = env!("CARGO_PKG_VERSION");
        let texts = [
            (Some("1a809f8"), Some("2026-11-30"), "commit 1a809f8, 2026-11-30"),
            (Some("1a809f8"), None, "commit 1a809f8, date unknown"),
            (None, Some("2026-11-30"), "commit unknown, 2026-11-30"),
            (Some(""), None, "commit unknown"),
        ];
        for (commit, date, text) in texts {
            assert_eq!(describe_build(commit, date), format!("{version} ({text})"));
        }
    }
}
