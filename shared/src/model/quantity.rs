//! Kubernetes quantities: `250m`, `1Gi`, `2e3` (apimachinery `pkg/api/resource`, `quantity.go`).

use serde_json::Value;

/// Suffixes and what they multiply by; the longer ones first.
const SUFFIXES: [(&str, f64); 15] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// The number that a quantity means, near enough to compare sums; none where it is none.
#[must_use]
pub fn parse_quantity(text: &str) -> Option<f64> {
    // An exponent is no suffix: `2e3`, `1E6`.
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some(number);
    }
    SUFFIXES.iter().find_map(|(suffix, factor)| Some(text.strip_suffix(suffix)?.parse::<f64>().ok()? * factor))
}

/// As [`parse_quantity`], of a manifest's value: `cpu: 1` is a number in YAML.
#[must_use]
pub fn read_quantity(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| parse_quantity(value.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_numbers() {
        for (text, number) in [
            ("250m", 0.25),
            ("1Gi", 1_073_741_824.0),
            ("2e3", 2000.0),
            ("3", 3.0),
            ("1.5k", 1500.0),
            ("1E", 1e18),
            ("1E3", 1000.0),
        ] {
            assert_eq!(parse_quantity(text), Some(number), "{text}");
        }
        assert_eq!((parse_quantity(""), parse_quantity("lots"), parse_quantity("Mi")), (None, None, None));
    }
}
