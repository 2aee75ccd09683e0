//! Colours and marks. This is the only file that knows them.
//!
//! A colour repeats what a mark shows and adds nothing, so a pipe loses no information. The edge decides whether a stream gets colours and
//! Unicode (terminal, `NO_COLOR`, locale, `--ascii`, `--color`). Also sanitizes text from clusters and charts.

use owo_colors::OwoColorize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The minimum width of a line: on a narrower terminal a line wraps.
const MIN_CLIP_COLUMNS: usize = 20;

/// How text looks on one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether escape sequences are allowed.
    pub colour: bool,
    /// Whether marks are plain ASCII words.
    pub ascii: bool,
    /// The width of a line in columns.
    pub width: usize,
    /// How many entries of one kind a screen has.
    pub listing: Listing,
}

/// How many entries of one kind a screen has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listing {
    /// The first ones, and the number of the others.
    #[default]
    Short,
    /// All (`--all`, `-o wide`).
    All,
}

impl Listing {
    /// The limit of entries, given the limit of a short list.
    #[must_use]
    pub const fn limit(self, short: usize) -> usize {
        match self {
            Self::Short => short,
            Self::All => usize::MAX,
        }
    }
}

impl Style {
    /// Plain text with 100 columns: for a pipe, a file, a test.
    pub const PLAIN: Self = Self { colour: false, ascii: false, width: 100, listing: Listing::Short };
}

/// The mark at the start of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Passed or done.
    Pass,
    /// A warning.
    Warn,
    /// Failed.
    Fail,
    /// Undetermined.
    Unknown,
    /// Skipped.
    Skip,
}

impl Style {
    /// The mark as text, coloured if the style allows it.
    #[must_use]
    pub fn mark(self, mark: Mark) -> String {
        let (sign, word) = match mark {
            Mark::Pass => ("✔", "ok"),
            Mark::Warn => ("▲", "warn"),
            Mark::Fail => ("✖", "FAIL"),
            Mark::Unknown => ("?", "?"),
            Mark::Skip => ("–", "skip"),
        };
        let text = if self.ascii { word } else { sign };
        if !self.colour {
            return text.to_owned();
        }
        match mark {
            Mark::Pass => text.green().to_string(),
            Mark::Warn => text.yellow().to_string(),
            Mark::Fail => text.red().to_string(),
            Mark::Unknown => text.magenta().to_string(),
            Mark::Skip => text.dimmed().to_string(),
        }
    }

    /// Text with emphasis.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        if self.colour { text.bold().to_string() } else { text.to_owned() }
    }

    /// Secondary text.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        if self.colour { text.dimmed().to_string() } else { text.to_owned() }
    }

    /// The same look with every entry.
    #[must_use]
    pub const fn with_listing(self, listing: Listing) -> Self {
        Self { listing, ..self }
    }

    /// A whole screen, in ASCII if the style asks for it. Text from a cluster keeps its own letters.
    #[must_use]
    pub fn finish_screen(self, screen: String) -> String {
        if !self.ascii {
            return screen;
        }
        [("→", "->"), ("·", "|"), ("…", "..."), ("──", "--")]
            .into_iter()
            .fold(screen, |screen, (sign, plain)| screen.replace(sign, plain))
    }

    /// The arrow before a hint.
    #[must_use]
    pub const fn arrow(self) -> &'static str {
        if self.ascii { "->" } else { "→" }
    }
}

/// Removes characters that can move a terminal's cursor or colour our own words, and invisible characters that can turn a line around
/// (Unicode TR 36, Trojan Source) or split a word. For text from a cluster or a chart.
#[must_use]
pub fn sanitize(text: &str) -> String {
    text.chars().map(|c| if (c.is_control() && c != '\n') || is_invisible(c) { '\u{fffd}' } else { c }).collect()
}

/// Direction marks, joiners, zero-width spaces, line separators and tags: invisible characters that change a line.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The width of a text in columns: letters of East Asian scripts take two (Unicode UAX 11).
#[must_use]
pub fn display_width(text: &str) -> usize {
    text.width()
}

/// Pads a text with spaces to this many columns.
#[must_use]
pub fn pad_to(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(display_width(text))))
}

/// Shortens a text to this many columns, with an ellipsis if something is left out.
#[must_use]
pub fn clip_to(text: &str, columns: usize) -> String {
    let columns = columns.max(MIN_CLIP_COLUMNS);
    if display_width(text) <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = text.chars().take_while(|letter| {
        used += letter.width().unwrap_or_default();
        used <= columns
    });
    fits.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_letters_take_two_columns() {
        assert_eq!(pad_to("証明書", 8), "証明書  ");
        assert_eq!(clip_to("証明書が期限切れになっています", 20), "証明書が期限切れに…");
        assert_eq!(clip_to(&"a".repeat(20), 20), "a".repeat(20));
        assert_eq!(clip_to(&"a".repeat(21), 0), "a".repeat(19) + "…");
    }

    #[test]
    fn without_colour_a_mark_has_no_escape_sequence() {
        assert_eq!(Style::PLAIN.mark(Mark::Fail), "✖");
        assert_eq!(Style { ascii: true, ..Style::PLAIN }.mark(Mark::Fail), "FAIL");
    }

    #[test]
    fn a_screen_in_ascii_has_no_other_signs_of_ours() {
        let ascii = Style { ascii: true, ..Style::PLAIN };
        assert_eq!(ascii.finish_screen("a → b · c … é".to_owned()), "a -> b | c ... é");
        assert_eq!(Style::PLAIN.finish_screen("a → b".to_owned()), "a → b");
    }

    #[test]
    fn direction_marks_are_removed_and_words_of_any_script_stay() {
        assert_eq!(sanitize("canvas\u{202e}ydaer"), "canvas\u{fffd}ydaer");
        for c in ['\u{200b}', '\u{2066}', '\u{2069}', '\u{2028}', '\u{feff}', '\u{e0041}'] {
            assert_eq!(sanitize(&c.to_string()), "\u{fffd}");
        }
        assert_eq!(sanitize("שלום, naïve 集群\n✔"), "שלום, naïve 集群\n✔");
    }

    #[test]
    fn a_hostile_name_cannot_move_the_cursor() {
        assert_eq!(sanitize("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
        assert_eq!(sanitize("a\u{9b}31mb"), "a\u{fffd}31mb");
    }
}
