//! The API server's warnings about objects: each text once, with the objects that it is about.
//!
//! Input: the `Warning` headers of dry runs. Output: groups, and for a deprecated API the last Kubernetes version that serves it.

use std::collections::BTreeMap;

/// One warning and its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerWarning {
    /// The server's words.
    pub text: String,
    /// The objects, in their order.
    pub objects: Vec<String>,
}

/// Groups warnings by their text.
#[must_use]
pub fn group_warnings(warnings: impl IntoIterator<Item = (String, String)>) -> Vec<ServerWarning> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (object, text) in warnings {
        let objects = groups.entry(text).or_default();
        if !objects.contains(&object) {
            objects.push(object);
        }
    }
    groups.into_iter().map(|(text, objects)| ServerWarning { text, objects }).collect()
}

/// The last minor version of Kubernetes that serves a deprecated API: `1.24`; `None` if the warning names no end.
///
/// The words are those of `warningFor` in
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiserver/pkg/endpoints/deprecation/deprecation.go>:
/// `policy/v1beta1 PodSecurityPolicy is deprecated in v1.21+, unavailable in v1.25+`.
#[must_use]
pub fn find_last_version(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("unavailable in v")?;
    let (major, rest) = rest.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let minor: u32 = minor.parse().ok()?;
    Some(format!("{major}.{}", minor.checked_sub(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_warning_is_there_once_with_its_objects() {
        let warning = |object: &str, text: &str| (object.to_owned(), text.to_owned());
        let groups = group_warnings([warning("Job a", "x"), warning("Job b", "x"), warning("Job a", "x")]);
        assert_eq!(groups, [ServerWarning { text: "x".into(), objects: vec!["Job a".into(), "Job b".into()] }]);
    }

    #[test]
    fn a_deprecated_api_has_a_last_version() {
        let text = "policy/v1beta1 PodDisruptionBudget is deprecated in v1.21+, unavailable in v1.25+; use policy/v1";
        assert_eq!(find_last_version(text).as_deref(), Some("1.24"));
        assert_eq!(find_last_version("would violate PodSecurity \"restricted:latest\""), None);
    }
}
