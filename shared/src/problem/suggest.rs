//! Suggests the nearest known names for a name that does not exist.
//!
//! The lists of known names are arguments: this folder knows no checks.

use super::Problem;

/// The Jaro-Winkler similarity for a suggestion: an extra letter, two swapped letters, a missing word.
const MIN_SIMILARITY: f64 = 0.75;

/// `did you mean …?` with up to three similar names. `None`: no name is similar.
#[must_use]
pub fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut alike: Vec<(f64, &str)> = known.map(|known| (strsim::jaro_winkler(name, known), known)).collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let nearest: Vec<&str> =
        alike.iter().take(3).filter(|(how, _)| *how > MIN_SIMILARITY).map(|(_, known)| *known).collect();
    (!nearest.is_empty()).then(|| format!("did you mean {}?", nearest.join(", ")))
}

/// The usage error for a check that does not exist, with similar names.
#[must_use]
pub fn unknown_check(flag: &str, name: &str, known: impl Iterator<Item = &'static str>) -> Problem {
    let problem = Problem::usage(format!("{flag} {name:?}: there is no such check"));
    let problem = did_you_mean(name, known).into_iter().fold(problem, Problem::with_hint);
    problem.with_hint("kubectl mural validate --list-checks lists all checks")
}
