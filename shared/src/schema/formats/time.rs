//! Dates and durations.

use std::sync::LazyLock;

use regex::Regex;

use super::code::matches_pattern;

/// `2006-01-02`
pub(in crate::schema) fn is_date(text: &str) -> bool {
    matches_pattern!("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", text) && text.parse::<jiff::civil::Date>().is_ok()
}

/// Hours, minutes and seconds are compared as texts; the offset may be anything of its form.
pub(super) fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(day), Some(time)) = (parts.next(), parts.next()) else { return false };
    let form = matches_pattern!("^[0-9]{2}:[0-9]{2}:[0-9]{2}(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$", time);
    is_date(day) && form && time[0..2] <= *"23" && time[3..5] <= *"59" && time[6..8] <= *"59"
}

pub(super) fn is_duration(text: &str) -> bool {
    parse_nanoseconds(text).is_some()
}

const GO_UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// The spelled-out units; the last of each may go on: `seconds`.
const WORD_UNITS: [(&[&str], f64); 8] = [
    (&["ns", "nano"], 1.0),
    (&["us", "µs", "micro"], 1e3),
    (&["ms", "milli"], 1e6),
    (&["s", "sec"], 1e9),
    (&["m", "min"], 60e9),
    (&["h", "hr", "hour"], 3600e9),
    (&["d", "day"], 86_400e9),
    (&["w", "wk", "week"], 604_800e9),
];

/// A duration as Go reads it (`1h30m`), or as Scala writes it (`2 days`).
pub(in crate::schema) fn parse_nanoseconds(text: &str) -> Option<i64> {
    parse_go_duration(text).or_else(|| parse_word_duration(text))
}

#[expect(clippy::cast_possible_truncation, reason = "out of range is refused before")]
fn to_whole_nanoseconds(nanos: f64) -> Option<i64> {
    (nanos.abs() < 9.223_372_036_854_776e18).then_some(nanos as i64)
}

/// `time.ParseDuration`
fn parse_go_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|next: char| !next.is_ascii_digit() && next != '.')?;
        let number = &rest[..end];
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        if digits == 0 || number.len() - digits > 1 {
            return None;
        }
        rest = &rest[end..];
        let unit_end = rest.find(|next: char| next.is_ascii_digit() || next == '.').unwrap_or(rest.len());
        let (_, factor) = GO_UNITS.iter().find(|(unit, _)| *unit == &rest[..unit_end])?;
        let number = if number.ends_with('.') { format!("{number}0") } else { number.to_owned() };
        total += number.parse::<f64>().ok()? * factor;
        rest = &rest[unit_end..];
    }
    to_whole_nanoseconds(sign * total)
}

fn parse_word_duration(text: &str) -> Option<i64> {
    static PIECES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"([0-9]+)[\t\n\f\r ]*([A-Za-zµ]+)").ok());
    let mut total = None;
    for piece in PIECES.as_ref()?.captures_iter(text) {
        let number = piece[1].parse::<i64>().ok()?;
        let unit = piece[2].to_lowercase();
        let known = WORD_UNITS.iter().find(|(words, _)| {
            words.iter().any(|word| *word == unit) || words.last().is_some_and(|last| unit.starts_with(last))
        });
        if let Some((_, factor)) = known {
            #[expect(clippy::cast_precision_loss, reason = "a length of time")]
            let nanos = number as f64 * factor;
            total = Some(total.unwrap_or(0.0) + nanos);
        }
    }
    to_whole_nanoseconds(total?)
}
