//! An appliance's content bundle: an archive whose layout is not public. Its recognized content is reported; the rest is undetermined.

use super::chart_version::ChartVersion;

/// What was found in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContentBundle {
    /// How many files it holds.
    pub file_count: usize,
    /// How many bytes they are.
    pub total_bytes: u64,
    /// Charts, as far as names and image indexes tell: name and version.
    pub charts: Vec<(String, String)>,
    /// What a checksum file beside it says; none where there is none.
    pub checksum: Option<Checksum>,
    /// A signature file beside it: whether it is right, only the vendor's public key tells.
    pub signature: Option<String>,
}

/// A checksum file beside the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// The file's name.
    pub file: String,
    /// What it says.
    pub expected: String,
    /// What the bundle has.
    pub actual: String,
}

impl ContentBundle {
    /// Whether it holds a chart at a version; none where its names tell nothing of that chart at all.
    #[must_use]
    pub fn contains_chart(&self, chart: &str, version: &ChartVersion) -> Option<bool> {
        let mut of_chart = self.charts.iter().filter(|(name, _)| name == chart).peekable();
        of_chart.peek()?;
        let wanted = version.to_string();
        Some(of_chart.any(|(_, found)| *found == wanted || *found == wanted.replace('+', "_")))
    }

    /// The versions of a chart that it holds.
    #[must_use]
    pub fn chart_versions(&self, chart: &str) -> Vec<&str> {
        self.charts.iter().filter(|(name, _)| name == chart).map(|(_, version)| version.as_str()).collect()
    }
}

/// The chart that a file's name or a reference tells of: `mural-crds-0.7.4.tgz`, `…/mural/mural-crds:0.7.4`, `charts/mural/1.1.0-rc.3/…`.
#[must_use]
pub fn parse_chart_name(text: &str, charts: [&str; 2]) -> Option<(String, String)> {
    // The longer name first: one begins with the other.
    let mut charts = charts;
    charts.sort_by_key(|name| std::cmp::Reverse(name.len()));
    charts.iter().find_map(|chart| {
        let at = text.rmatch_indices(chart).map(|(at, _)| at).find(|at| {
            let before = text[..*at].chars().next_back();
            before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '-' && letter != '_')
        })?;
        let rest = text[at + chart.len()..].strip_prefix(['-', ':', '/', '_', '@'])?;
        let end = rest.find(['/', '@']).unwrap_or(rest.len());
        let word = rest[..end].trim_end_matches(".tgz").trim_end_matches(".tar.gz").trim_end_matches(".tar");
        semver::Version::parse(word.replace('_', "+").trim_start_matches('v'))
            .ok()
            .map(|_| ((*chart).to_owned(), word.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_are_known_by_their_names() {
        let parse = |text: &str| parse_chart_name(text, ["mural", "mural-crds"]);
        let chart = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(parse("content/charts/mural-crds-0.7.4.tgz"), chart("mural-crds", "0.7.4"));
        assert_eq!(parse("zot.zot.svc/mural/mural:1.1.0-rc.3"), chart("mural", "1.1.0-rc.3"));
        assert_eq!(parse("mural/1.1.0-rc.3/manifest.json"), chart("mural", "1.1.0-rc.3"));
        assert_eq!(parse("images/mural-canvas-1.0.0.tar"), None);
        assert_eq!(parse("blobs/sha256/0509"), None);
    }

    #[test]
    fn an_unknown_name_is_undetermined() {
        let bundle = ContentBundle { charts: vec![("mural".into(), "1.1.0-rc.3".into())], ..ContentBundle::default() };
        let version = |text: &str| text.parse().unwrap();
        assert_eq!(bundle.contains_chart("mural", &version("1.1.0-rc.3")), Some(true));
        assert_eq!(bundle.contains_chart("mural", &version("1.1.0")), Some(false));
        assert_eq!(bundle.contains_chart("mural-crds", &version("0.7.4")), None);
    }
}
