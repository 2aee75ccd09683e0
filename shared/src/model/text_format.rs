//! Words of a command line and of sentences.

/// `1 finding`, `2 findings`.
#[must_use]
pub fn format_count(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// A duration for people, to the second: `31s`, `1m31s`, `1h02m`.
#[must_use]
pub fn format_duration(seconds: f64) -> String {
    let whole = std::time::Duration::from_secs_f64(seconds.max(0.0).round()).as_secs();
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

/// The time without fractions of a second: clocks of workstations differ by more.
#[must_use]
pub fn truncate_to_seconds(time: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// How long ago a time was, for a table: `5s ago`, `3m ago`, `2h ago`, `4d ago`. A time in the future has its date.
#[must_use]
pub fn format_age(time: jiff::Timestamp, now: jiff::Timestamp) -> String {
    match now.as_second() - time.as_second() {
        seconds @ 0..120 => format!("{seconds}s ago"),
        seconds @ 120..7_200 => format!("{}m ago", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h ago", seconds / 3_600),
        seconds if seconds > 0 => format!("{}d ago", seconds / 86_400),
        _ => truncate_to_seconds(time).to_string(),
    }
}

/// A word as a shell would need it, so that a shown command can be copied.
#[must_use]
pub fn shell_quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{format_age, format_duration};

    #[test]
    fn ages_have_one_unit() {
        let now = jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(100 * 24);
        let ages = [5, 119, 200, 7_300, 400_000]
            .map(|seconds| format_age(now - jiff::SignedDuration::from_secs(seconds), now));
        assert_eq!(ages, ["5s ago", "119s ago", "3m ago", "2h ago", "4d ago"]);
        assert_eq!(format_age(now + jiff::SignedDuration::from_millis(90_500), now), "1970-04-11T00:01:30Z");
    }

    #[test]
    fn durations_use_the_two_largest_units() {
        assert_eq!([0.4, 59.6, 91.0, 3725.0].map(format_duration), ["0s", "1m00s", "1m31s", "1h02m"]);
    }
}
