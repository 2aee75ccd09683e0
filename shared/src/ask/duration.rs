//! Durations on the command line, read as helm and kubectl read them.

use std::time::Duration;

use super::usage_error::UsageError;

/// Go's longest duration, about 292 years (<https://pkg.go.dev/time#Duration>): helm and kubectl refuse a longer one.
const MAX_NANOSECONDS: u128 = i64::MAX as u128;

/// Go's units with their nanoseconds, the longer name first (<https://pkg.go.dev/time#ParseDuration>).
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

/// Reads a duration as Go's `time.ParseDuration` does: `30s`, `1.5h`, `1h30m`, `0`. None is negative.
///
/// # Errors
/// The text is no duration, has no unit, or is longer than Go's longest duration.
pub fn parse_duration(flag: &str, text: &str) -> Result<Duration, UsageError> {
    parse_go_duration(text).map_err(|defect| UsageError::Duration {
        flag: flag.to_owned(),
        text: text.to_owned(),
        defect,
    })
}

/// Reads `--request-timeout` as kubectl does: a number without a unit means seconds
/// (<https://github.com/kubernetes/client-go/blob/v0.34.0/tools/clientcmd/helpers.go>, `ParseTimeout`).
///
/// # Errors
/// As [`parse_duration`].
pub fn parse_request_timeout(text: &str) -> Result<Duration, UsageError> {
    match text.parse::<u32>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
        Err(_) => parse_duration("--request-timeout", text),
    }
}

/// Why a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a number with a unit.
    #[error("is not a duration")]
    Syntax,
    /// A number without a unit.
    #[error("has no unit")]
    MissingUnit,
    /// Longer than Go's longest duration.
    #[error("is too long")]
    TooLong,
}

impl DurationError {
    /// How to write it.
    pub(super) fn hint(self, text: &str) -> String {
        match self {
            Self::Syntax => "write it like 30s, 5m, 1.5h or 1h30m".to_owned(),
            Self::MissingUnit => format!("write {text}s for seconds or {text}m for minutes"),
            Self::TooLong => "use at most 2562047h".to_owned(),
        }
    }
}

fn parse_go_duration(text: &str) -> Result<Duration, DurationError> {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = unsigned;
    let mut total: u128 = 0;
    loop {
        let (nanoseconds, after) = parse_part(rest)?;
        // Each part is below the limit, so that the sum fits.
        total += nanoseconds;
        if total > MAX_NANOSECONDS {
            return Err(DurationError::TooLong);
        }
        if after.is_empty() {
            return Ok(Duration::from_nanos(u64::try_from(total).map_err(|_| DurationError::TooLong)?));
        }
        rest = after;
    }
}

/// One number with its unit, in nanoseconds, and the text behind it.
fn parse_part(text: &str) -> Result<(u128, &str), DurationError> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Syntax);
    }
    let Some((unit, nanoseconds)) = UNITS.into_iter().find(|(unit, _)| rest.starts_with(unit)) else {
        return Err(if rest.is_empty() { DurationError::MissingUnit } else { DurationError::Syntax });
    };
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| DurationError::TooLong)? };
    let whole = whole.checked_mul(nanoseconds).filter(|all| *all <= MAX_NANOSECONDS).ok_or(DurationError::TooLong)?;
    Ok((whole + scale_fraction(fraction, nanoseconds), rest.get(unit.len()..).unwrap_or_default()))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The digits behind a point, in nanoseconds; what is shorter than one is dropped.
fn scale_fraction(digits: &str, nanoseconds: u128) -> u128 {
    let (value, scale) = digits
        .bytes()
        .take(18)
        .fold((0_u128, 1_u128), |(value, scale), digit| (value * 10 + u128::from(digit - b'0'), scale * 10));
    value * nanoseconds / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Exit, Explain};

    fn read(text: &str) -> Result<Duration, UsageError> {
        parse_duration("--timeout", text)
    }

    /// The table of <https://github.com/golang/go/blob/go1.25.0/src/time/time_test.go>, `parseDurationTests`, without a minus.
    #[test]
    fn durations_are_read_as_go_reads_them() {
        let seconds = Duration::from_secs;
        let table = [
            ("0", Duration::ZERO),
            ("5s", seconds(5)),
            ("1478s", seconds(1478)),
            ("+5s", seconds(5)),
            ("5.0s", seconds(5)),
            ("5.6s", Duration::from_millis(5600)),
            ("5.s", seconds(5)),
            (".5s", Duration::from_millis(500)),
            ("1.004s", Duration::from_millis(1004)),
            ("100.00100s", Duration::from_millis(100_001)),
            ("11us", Duration::from_micros(11)),
            ("12µs", Duration::from_micros(12)),
            ("13ms", Duration::from_millis(13)),
            ("1h30m", seconds(5400)),
            ("1.5h", seconds(5400)),
            ("39h9m14.425s", Duration::from_millis(140_954_425)),
            ("0.3333333333333333333h", seconds(1200)),
            ("9223372036854775807ns", Duration::from_nanos(9_223_372_036_854_775_807)),
        ];
        for (text, expected) in table {
            let found = read(text).unwrap();
            assert!(expected.abs_diff(found) <= Duration::from_nanos(1), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_duration_that_go_refuses_is_a_usage_problem() {
        let wrong = [
            "",
            "m",
            "5x",
            "-5s",
            "5 m",
            ".",
            ".s",
            "+",
            "1h 30m",
            "3000000h",
            "9999999999999999999h1h",
            "9223372036854775808ns",
        ];
        for text in wrong {
            assert_eq!(read(text).unwrap_err().exit(), Exit::Usage, "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_refused_with_both_readings() {
        assert_eq!(read("20").unwrap_err().hints(), ["write 20s for seconds or 20m for minutes"]);
        assert_eq!(parse_request_timeout("20").unwrap(), Duration::from_secs(20));
        assert_eq!(parse_request_timeout("1m").unwrap(), Duration::from_secs(60));
        assert!(parse_request_timeout("1x").is_err());
    }
}
