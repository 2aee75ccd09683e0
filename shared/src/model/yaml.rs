//! The one file that names the YAML crate: its budget and number rules are set here, so that we read values as helm does.

use serde::Serialize;
use serde_json::Value;
use serde_saphyr::options::DuplicateKeyPolicy;

/// Nodes of one text: a real 36 MB bundle of CRDs has some millions, a YAML bomb has no bound.
const MAX_NODES: usize = 30_000_000;
/// Documents of one text.
const MAX_DOCUMENTS: usize = 100_000;
/// Levels of nesting.
const MAX_DEPTH: usize = 512;

/// A text that is not the YAML it should be. The message holds line and column.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    message: String,
}

/// Whether an error may quote the text: never for values and rendered Secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorDetail {
    /// Show the lines around the error.
    Snippet,
    /// Show line and column only.
    LocationOnly,
}

/// A key that stands twice in one map. helm and kubectl take the last of them without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateKey {
    /// The line on which the key stands again, from 1 on; none where the YAML crate does not say.
    pub line: Option<u64>,
}

/// What a text holds, read as helm and kubectl read it.
#[derive(Debug, Clone, PartialEq)]
pub struct YamlText {
    /// Its documents that are not empty.
    pub documents: Vec<Value>,
    /// The first key that stands twice.
    pub duplicate_key: Option<DuplicateKey>,
}

fn build_options(detail: ErrorDetail, duplicate_keys: DuplicateKeyPolicy) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_events: MAX_NODES * 2,
            max_documents: MAX_DOCUMENTS,
            max_depth: MAX_DEPTH,
            max_total_scalar_bytes: 512 * 1024 * 1024,
            max_reader_input_bytes: Some(512 * 1024 * 1024),
        },
        // helm (Go) reads 0777 as 511; the default here would be 777.0.
        legacy_octal_numbers: true,
        duplicate_keys: duplicate_keys,
        // Nothing here reads comments, and the crate takes no more than 32 lines of them after a key without a value.
        emit_comments: false,
        with_snippet: detail == ErrorDetail::Snippet,
    }
}

/// Every document of a text that is not empty. Of a key that stands twice, the last counts.
///
/// # Errors
/// The text is not YAML, is not UTF-8 text, or breaches the budget.
pub fn parse_documents(text: &str, detail: ErrorDetail) -> Result<Vec<Value>, YamlError> {
    parse_text(text, detail).map(|text| text.documents)
}

/// As [`parse_documents`], and with the first key that stands twice.
///
/// # Errors
/// As [`parse_documents`].
pub fn parse_text(text: &str, detail: ErrorDetail) -> Result<YamlText, YamlError> {
    let strict = match parse_with(text, detail, DuplicateKeyPolicy::Error) {
        Ok(documents) => return Ok(YamlText { documents, duplicate_key: None }),
        Err(error) => error,
    };
    // What can be read in this way alone holds a key twice.
    match parse_with(text, detail, DuplicateKeyPolicy::LastWins) {
        Ok(documents) => {
            let line = strict.location().map(|at| at.line());
            Ok(YamlText { documents, duplicate_key: Some(DuplicateKey { line }) })
        }
        Err(error) => Err(to_yaml_error(&error, detail)),
    }
}

#[expect(clippy::disallowed_methods, reason = "this file owns the YAML crate")]
fn parse_with(
    text: &str,
    detail: ErrorDetail,
    duplicate_keys: DuplicateKeyPolicy,
) -> Result<Vec<Value>, serde_saphyr::Error> {
    serde_saphyr::from_multiple_with_options::<Value>(text, build_options(detail, duplicate_keys))
        .map(|documents| documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// One document; an empty text is an empty map, as helm reads an empty values file.
///
/// # Errors
/// As [`documents`], or the text holds more than one document.
pub fn parse_document(text: &str, detail: ErrorDetail) -> Result<Value, YamlError> {
    let mut all = parse_documents(text, detail)?;
    match all.len() {
        0 => Ok(Value::Object(serde_json::Map::new())),
        1 => Ok(all.remove(0)),
        count => Err(YamlError { message: format!("{count} documents where one is expected") }),
    }
}

/// Writes a value so that helm, kubectl and we read the same again: strings such as `yes`, `on` or `1_000` are quoted.
///
/// # Errors
/// The value cannot be written as YAML (a map with a key that is not a scalar).
#[expect(clippy::disallowed_methods, reason = "this file owns the YAML crate")]
pub fn write<T: Serialize>(value: &T) -> Result<String, YamlError> {
    // No folding: a folded string is one value, but a diff of it reads as many changes.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: true, min_fold_chars: usize::MAX };
    serde_saphyr::to_string_with_options(value, options).map_err(|error| YamlError { message: error.to_string() })
}

fn to_yaml_error(error: &serde_saphyr::Error, detail: ErrorDetail) -> YamlError {
    let message = match (detail, error.location()) {
        (ErrorDetail::Snippet, _) => simplify_message(&error.to_string()),
        (ErrorDetail::LocationOnly, Some(at)) => {
            format!("not readable as YAML at line {}, column {}", at.line(), at.column())
        }
        (ErrorDetail::LocationOnly, None) => "not readable as YAML".to_owned(),
    };
    YamlError { message }
}

/// The crate's words, without its own names for the limits that we set.
fn simplify_message(message: &str) -> String {
    let plain = message.trim_start_matches("error: ").replace(", set DuplicateKeyPolicy in Options if acceptable", "");
    match plain.split_once("budget breached: ") {
        Some((before, after)) => {
            let rest = after.split_once('\n').map_or("", |(_, rest)| rest);
            format!("{before}its anchors or its size are beyond all measure\n{rest}")
        }
        None => plain,
    }
}

/// Bytes of a thread's stack: what the first one has by default. YAML, schemas and objects are followed down hundreds of levels.
pub const THREAD_STACK_BYTES: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_booleans_are_read_as_helm_reads_them() {
        let read = parse_document("a: 0777\nb: yes\nc: 0x1F\nd: 1_000\ne: 12:30:45\n", ErrorDetail::Snippet).unwrap();
        assert_eq!(read, json!({"a": 511, "b": true, "c": 31, "d": 1000, "e": "12:30:45"}));
    }

    /// <https://github.com/komodorio/helm-dashboard/issues/328>, <https://github.com/lensapp/lens/issues/7996>
    #[test]
    fn the_last_of_two_keys_counts_and_its_line_is_known() {
        let text = "labels:\n  app: a\n  part-of: kitchen\n  app: b\n---\nkind: List\n";
        let read = parse_text(text, ErrorDetail::LocationOnly).unwrap();
        assert_eq!(read.documents, [json!({"labels": {"app": "b", "part-of": "kitchen"}}), json!({"kind": "List"})]);
        assert_eq!(read.duplicate_key, Some(DuplicateKey { line: Some(4) }));
        assert_eq!(parse_document("a: {b: 1}\na: {c: 2}\n", ErrorDetail::Snippet).unwrap(), json!({"a": {"c": 2}}));
        assert_eq!(parse_text("a: 1\nb: 2\n", ErrorDetail::Snippet).unwrap().duplicate_key, None);
    }

    /// <https://github.com/kubewarden/helm-charts>: `global:` with 35 lines of comment below it.
    #[test]
    fn comments_are_read_in_any_number() {
        let comments = "  # nothing is set here\n".repeat(40);
        let read = parse_document(&format!("global:\n{comments}other: 1\n"), ErrorDetail::Snippet).unwrap();
        assert_eq!(read, json!({"global": null, "other": 1}));
        let list =
            parse_document(&format!("- a\n{comments}- b: # c\n{comments}    c: 1\n"), ErrorDetail::Snippet).unwrap();
        assert_eq!(list, json!(["a", {"b": {"c": 1}}]));
    }

    #[test]
    fn an_error_about_values_quotes_nothing() {
        let error =
            parse_document("password: canary\n  bad: : indent\n", ErrorDetail::LocationOnly).unwrap_err().to_string();
        assert!(!error.contains("canary"), "{error}");
    }

    #[test]
    fn text_that_looks_like_a_boolean_is_quoted() {
        let text = write(&json!({"a": "yes", "on": "1_000", "n": "no"})).unwrap();
        assert_eq!(parse_document(&text, ErrorDetail::Snippet).unwrap(), json!({"a": "yes", "on": "1_000", "n": "no"}));
        assert!(text.contains("\"yes\"") || text.contains("'yes'"), "{text}");
    }

    #[test]
    fn empty_documents_are_dropped() {
        assert_eq!(parse_documents("---\n---\na: 1\n---\n# nothing\n", ErrorDetail::Snippet).unwrap().len(), 1);
    }
}
