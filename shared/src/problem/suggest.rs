//! Suggests the nearest known names for a name that does not exist.
//!
//! The lists of known names are arguments: this folder knows no checks.

use super::{Exit, Explain};

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

/// A flag names a check or guard that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{flag} {name:?}: there is no such check")]
pub struct UnknownCheck {
    flag: String,
    name: String,
    similar: Option<String>,
}

impl UnknownCheck {
    /// The error of this flag's value; `known` are the names that exist.
    #[must_use]
    pub fn new(flag: &str, name: &str, known: impl Iterator<Item = &'static str>) -> Self {
        Self { flag: flag.to_owned(), name: name.to_owned(), similar: did_you_mean(name, known) }
    }
}

impl Explain for UnknownCheck {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hints(&self) -> Vec<String> {
        let all = "kubectl mural validate --list-checks lists all checks".to_owned();
        self.similar.clone().into_iter().chain([all]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similar_name_is_the_first_hint() {
        let hints = |name| UnknownCheck::new("--only", name, ["helm-version", "kubectl-skew"].into_iter()).hints();
        assert_eq!(hints("helm-versoin")[0], "did you mean helm-version?");
        assert_eq!(hints("zzz"), ["kubectl mural validate --list-checks lists all checks"]);
    }
}
