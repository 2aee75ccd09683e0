//! The nearest known names for one that is not known.

use super::Problem;

/// How alike two names are before one is offered for the other: a letter too many, two swapped, a word left out.
const MIN_SIMILARITY: f64 = 0.75;

/// `did you mean …?`, where some of the known names are like this one.
#[must_use]
pub fn did_you_mean(name: &str, known: impl Iterator<Item = &'static str>) -> Option<String> {
    let mut alike: Vec<(f64, &str)> = known.map(|known| (strsim::jaro_winkler(name, known), known)).collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let nearest: Vec<&str> =
        alike.iter().take(3).filter(|(how, _)| *how > MIN_SIMILARITY).map(|(_, known)| *known).collect();
    (!nearest.is_empty()).then(|| format!("did you mean {}?", nearest.join(", ")))
}

/// A usage problem for a check that does not exist, with the nearest names.
#[must_use]
pub fn unknown_check(flag: &str, name: &str, known: impl Iterator<Item = &'static str>) -> Problem {
    let problem = Problem::usage(format!("{flag} {name:?}: there is no such check"));
    let problem = did_you_mean(name, known).into_iter().fold(problem, Problem::with_hint);
    problem.with_hint("kubectl mural validate --list-checks shows them all")
}
