//! The forms in which a secret text can appear: plain, base64-encoded, percent-encoded, escaped as in JSON.

use std::fmt::Write as _;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;

/// Bytes from which a text is found inside of a word too.
const MIN_ANYWHERE_BYTES: usize = 8;

/// Where a text is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    /// Between characters that belong to no word.
    WholeWord,
    /// Also inside of a word.
    Anywhere,
}

/// One form of a secret text, and where it is found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SecretForm {
    text: String,
    extent: Extent,
}

impl SecretForm {
    /// A text that is found inside of words too, however short it is.
    pub(super) fn anywhere(text: &str) -> Self {
        Self { text: text.to_owned(), extent: Extent::Anywhere }
    }

    fn new(text: String) -> Self {
        let is_long = text.len() >= MIN_ANYWHERE_BYTES && !text.bytes().all(|byte| byte.is_ascii_digit());
        Self { text, extent: if is_long { Extent::Anywhere } else { Extent::WholeWord } }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether what stands at this range of a text is this secret, and not a part of another word.
    pub(super) fn fits(&self, text: &str, range: Range<usize>) -> bool {
        let in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let (before, after) = (text.get(..range.start), text.get(range.end..));
        self.extent == Extent::Anywhere
            || !(before.is_some_and(|text| text.ends_with(in_word))
                || after.is_some_and(|text| text.starts_with(in_word)))
    }

    /// Whether a text contains this form.
    pub(super) fn is_in(&self, text: &str) -> bool {
        text.match_indices(self.text.as_str()).any(|(at, found)| self.fits(text, at..at + found.len()))
    }
}

/// Every form of a text.
pub(super) fn list_forms(text: &str) -> Vec<SecretForm> {
    let quoted = Value::from(text).to_string();
    let escaped = quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned();
    let mut texts = vec![text.to_owned(), escaped, percent_encode(text)];
    texts.extend(base64_forms(text));
    let url_safe: Vec<String> = texts.iter().skip(3).map(|text| text.replace('+', "-").replace('/', "_")).collect();
    texts.extend(url_safe);
    texts.sort_unstable();
    texts.dedup();
    texts.into_iter().filter(|text| !text.is_empty()).map(SecretForm::new).collect()
}

/// base64 of a text, and what it has in common with base64 of every longer text that contains it.
fn base64_forms(text: &str) -> Vec<String> {
    let aligned = (0..3).filter_map(|shift| {
        let bytes = [&[0; 2][..shift.min(2)], text.as_bytes()].concat();
        let encoded = STANDARD_NO_PAD.encode(&bytes);
        // The first characters hold bits of what comes before, the last one of what comes after.
        let start = [0, 2, 3][shift];
        let end = encoded.len() - usize::from(bytes.len() % 3 != 0);
        encoded.get(start..end).filter(|core| core.len() >= MIN_ANYWHERE_BYTES).map(str::to_owned)
    });
    let with_newline = STANDARD_NO_PAD.encode(format!("{text}\n"));
    aligned.chain([STANDARD_NO_PAD.encode(text), with_newline]).collect()
}

fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// A text whose lines have no indentation: a file has another one in a template than in the values.
pub(super) fn fold_indentation(text: &str) -> String {
    text.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n")
}
