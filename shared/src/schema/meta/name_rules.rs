//! What a name may look like; empty where it is fine (apimachinery `pkg/util/validation`, `pkg/api/validate/content`).

const LABEL_PATTERN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const KEY_PATTERN: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// `RegexError`, with its two blanks.
fn format_regex_error(form: &str, pattern: &str, examples: &[&str]) -> String {
    let quoted_examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{form} (e.g. {}regex used for validation is '{pattern}')", quoted_examples.join(" or "))
}

fn has_edges_and_inner(text: &str, edge: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| edge(*byte))
        && bytes.last().is_some_and(|byte| edge(*byte))
        && bytes.iter().all(|byte| inner(*byte))
}

const fn is_lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    has_edges_and_inner(text, is_lower_alphanumeric, |byte| is_lower_alphanumeric(byte) || byte == b'-')
}

fn is_key(text: &str) -> bool {
    has_edges_and_inner(
        text,
        |byte| byte.is_ascii_alphanumeric(),
        |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte),
    )
}

fn check_length(text: &str, most: usize) -> Option<String> {
    (text.len() > most).then(|| format!("must be no more than {most} bytes"))
}

/// A DNS-1123 label.
pub(super) fn check_label(text: &str) -> Vec<String> {
    let form = (!is_label(text)).then(|| {
        let words = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                     and end with an alphanumeric character";
        format_regex_error(words, LABEL_PATTERN, &["my-name", "123-abc"])
    });
    check_length(text, 63).into_iter().chain(form).collect()
}

/// A DNS-1123 subdomain.
pub(super) fn check_subdomain(text: &str) -> Vec<String> {
    let form = (!text.split('.').all(is_label)).then(|| {
        let words = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
                     must start and end with an alphanumeric character";
        format_regex_error(words, &format!("{LABEL_PATTERN}(\\.{LABEL_PATTERN})*"), &["example.com"])
    });
    check_length(text, 253).into_iter().chain(form).collect()
}

/// A kind: a DNS-1035 label in any case.
pub(super) fn check_kind(text: &str) -> Vec<String> {
    let lowered = text.to_lowercase();
    let form = !(is_label(&lowered) && lowered.as_bytes().first().is_some_and(u8::is_ascii_lowercase));
    let form = form.then(|| {
        let words = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
                     character, and end with an alphanumeric character";
        format_regex_error(words, "[a-z]([-a-z0-9]*[a-z0-9])?", &["my-name", "abc-123"])
    });
    let all: Vec<String> = check_length(text, 63).into_iter().chain(form).collect();
    if all.is_empty() {
        return all;
    }
    vec![format!("may have mixed case, but should otherwise match: {}", all.join(","))]
}

/// A label's or an annotation's key, a finalizer: a name, with a DNS subdomain before it or without.
pub(super) fn check_qualified_name(text: &str) -> Vec<String> {
    let (prefix, name) = match text.split('/').collect::<Vec<_>>()[..] {
        [name] => (None, name),
        [prefix, name] => (Some(prefix), name),
        _ => {
            return vec![format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                format_key_error()
            )];
        }
    };
    let mut all = Vec::new();
    match prefix {
        Some("") => all.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => all.extend(check_subdomain(prefix).into_iter().map(|words| format!("prefix part {words}"))),
        None => {}
    }
    if name.is_empty() {
        all.push("name part must be non-empty".to_owned());
    }
    all.extend(check_length(name, 63).map(|words| format!("name part {words}")));
    if !is_key(name) {
        all.push(format!("name part {}", format_key_error()));
    }
    all
}

fn format_key_error() -> String {
    let words = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    format_regex_error(words, KEY_PATTERN, &["MyName", "my.name", "123-abc"])
}

/// A label's value; it may be empty.
pub(super) fn check_label_value(text: &str) -> Vec<String> {
    let form = (!text.is_empty() && !is_key(text)).then(|| {
        let words = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
                     start and end with an alphanumeric character";
        format_regex_error(words, &format!("({KEY_PATTERN})?"), &["MyValue", "my_value", "12345"])
    });
    check_length(text, 63).into_iter().chain(form).collect()
}

/// What may stand in a URL's path.
pub(super) fn check_path_segment(text: &str) -> Vec<String> {
    if matches!(text, "." | "..") {
        return vec![format!("may not be '{text}'")];
    }
    ["/", "%"].iter().filter(|mark| text.contains(**mark)).map(|mark| format!("may not contain '{mark}'")).collect()
}
