//! Where a chart's files hold CRDs, and which values decide whether they are rendered.
//!
//! Only texts are searched: a template is read by helm alone. The result says what to set when a chart renders no CRD.

use std::collections::BTreeSet;

use super::chart::ChartFiles;

/// The values that decide whether a chart's CRDs are rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrdTemplates {
    /// Paths as `--set` takes them: `crds.enabled`. Empty if no condition was found.
    pub conditions: BTreeSet<String>,
}

impl CrdTemplates {
    /// Searches a chart's files, subcharts included. `None`: no file holds a CRD.
    #[must_use]
    pub fn find(files: &ChartFiles) -> Option<Self> {
        let texts: Vec<(&str, &str)> =
            files.iter().filter_map(|(path, bytes)| Some((path.as_str(), std::str::from_utf8(bytes).ok()?))).collect();
        let is_manifest = |path: &str| [".yaml", ".yml", ".json", ".tpl"].iter().any(|end| path.ends_with(end));
        let holds_crd = |text: &str| text.contains("CustomResourceDefinition");
        if !texts.iter().any(|(path, text)| is_manifest(path) && holds_crd(text)) {
            return None;
        }
        // A template may print CRDs that lie in other files (`.Files.Get`).
        let templates = texts.iter().filter(|(path, _)| path.contains("templates/"));
        let templates = templates.filter(|(_, text)| holds_crd(text) || text.contains(".Files."));
        let in_templates = templates.flat_map(|(_, text)| find_conditions(text));
        let dependencies = files.get("Chart.yaml").and_then(|bytes| std::str::from_utf8(bytes).ok());
        let of_dependencies = dependencies.into_iter().flat_map(find_dependency_conditions);
        Some(Self { conditions: in_templates.chain(of_dependencies).collect() })
    }
}

/// The values in the conditions of a template: `{{- if .Values.crds.enabled }}`.
fn find_conditions(template: &str) -> BTreeSet<String> {
    let actions = template.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(action, _)| action);
    let conditions = actions.map(|action| action.trim_start_matches('-').trim_start());
    let conditions = conditions
        .filter(|action| ["if ", "else if ", "with ", "range "].iter().any(|keyword| action.starts_with(keyword)));
    conditions
        .flat_map(|action| action.split(".Values.").skip(1))
        .map(read_path)
        .filter(|path| !path.is_empty())
        .collect()
}

/// `crds.enabled` of `crds.enabled) (not .Values.x)`.
fn read_path(text: &str) -> String {
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '.');
    text.get(..end.unwrap_or(text.len())).unwrap_or_default().trim_end_matches('.').to_owned()
}

/// `condition` of a dependency names values, separated by commas (<https://helm.sh/docs/topics/charts/>).
fn find_dependency_conditions(chart_yaml: &str) -> Vec<String> {
    let Ok(metadata) = super::yaml::parse_document(chart_yaml, super::yaml::ErrorDetail::LocationOnly) else {
        return Vec::new();
    };
    let dependencies = metadata["dependencies"].as_array().into_iter().flatten();
    let conditions = dependencies.filter_map(|dependency| dependency["condition"].as_str());
    conditions.flat_map(|text| text.split(',')).map(|path| path.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(files: &[(&str, &str)]) -> Option<Vec<String>> {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        CrdTemplates::find(&files).map(|found| found.conditions.into_iter().collect())
    }

    /// <https://github.com/cert-manager/cert-manager/issues/7255>, <https://github.com/restatedev/restate-operator/issues/161>
    #[test]
    fn the_values_that_decide_about_crds_are_found() {
        let crd = "{{- if .Values.crds.enabled }}\nkind: CustomResourceDefinition\n{{- end }}\n";
        assert_eq!(find(&[("templates/crd.yaml", crd)]).unwrap(), ["crds.enabled"]);
        let two = "{{ if and (.Values.crds.create) (not .Values.installCRDs) }}\n  {{ .Files.Get \"files/a.yaml\" }}\n{{ end }}";
        let files = [("templates/crds.yaml", two), ("files/a.yaml", "kind: CustomResourceDefinition\n")];
        assert_eq!(find(&files).unwrap(), ["crds.create", "installCRDs"]);
    }

    /// <https://github.com/home-operations/kopiur/issues/209>
    #[test]
    fn a_dependency_may_carry_the_condition() {
        let chart = "dependencies: [{name: crds, condition: 'crds.enabled, global.crds'}]\n";
        let files = [("Chart.yaml", chart), ("charts/crds/crds/a.yaml", "kind: CustomResourceDefinition\n")];
        assert_eq!(find(&files).unwrap(), ["crds.enabled", "global.crds"]);
    }

    #[test]
    fn a_chart_without_crds_has_none() {
        let rbac = "{{ if .Values.rbac }}\nresources: [customresourcedefinitions]\n{{ end }}\n";
        assert_eq!(find(&[("templates/role.yaml", rbac), ("README.md", "kind: CustomResourceDefinition")]), None);
    }
}
