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
    use super::format_duration;

    #[test]
    fn durations_use_the_two_largest_units() {
        assert_eq!([0.4, 59.6, 91.0, 3725.0].map(format_duration), ["0s", "1m00s", "1m31s", "1h02m"]);
    }
}
