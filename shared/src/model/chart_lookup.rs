//! Whether a chart reads the cluster while it renders (`lookup`), and what answered.

use super::chart::ChartFiles;

/// How the `lookup` calls of a chart were answered while it was rendered for the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupSource {
    /// The templates call no `lookup`.
    NotUsed,
    /// The API server answered, as it does in the upgrade.
    Server,
    /// Every lookup found nothing. The reason why the API server could not be asked.
    Nothing(String),
}

impl LookupSource {
    /// What a person must know of the forecast; none if it is as good as the upgrade.
    #[must_use]
    pub fn describe_doubt(&self) -> Option<String> {
        match self {
            Self::NotUsed | Self::Server => None,
            Self::Nothing(reason) => Some(format!(
                "forecast without lookup: what the chart keeps from the cluster, such as a generated password, may only seem to \
                 change ({reason})"
            )),
        }
    }
}

/// Whether a template of the chart or of a subchart calls `lookup`. A comment that names it counts too, which costs one rendering.
#[must_use]
pub fn uses_lookup(files: &ChartFiles) -> bool {
    let is_template = |path: &str| path.starts_with("templates/") || path.contains("/templates/");
    files.iter().any(|(path, bytes)| is_template(path) && calls_lookup(&String::from_utf8_lossy(bytes)))
}

fn calls_lookup(template: &str) -> bool {
    template.match_indices("lookup").any(|(at, word)| {
        let before = template[..at].chars().next_back();
        let after = template[at + word.len()..].chars().next();
        before.is_none_or(|before| before.is_whitespace() || matches!(before, '(' | '{' | '-'))
            && after.is_some_and(char::is_whitespace)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(path: &str, text: &str) -> ChartFiles {
        ChartFiles::from([(path.to_owned(), text.as_bytes().to_vec())])
    }

    #[test]
    fn a_lookup_in_any_template_counts() {
        let call = "{{- $was := lookup \"v1\" \"Secret\" .Release.Namespace \"login\" }}";
        assert!(uses_lookup(&files("templates/secret.yaml", call)));
        assert!(uses_lookup(&files("charts/db/templates/_helpers.tpl", "{{ (lookup $api $kind $space $name).data }}")));
        assert!(!uses_lookup(&files("README.md", call)), "no template");
        assert!(!uses_lookup(&files(
            "templates/a.yaml",
            "{{ include \"my.lookup\" . }} lookups: {{ .Values.lookup.x }}"
        )));
    }
}
