//! Numbers as the server has them: an integer where the text is one, else a 64-bit float (kube-openapi `values.go`).

use serde_json::{Number, Value};

use super::error::{ErrorKind, SchemaError};
use super::node::{Node, Type};
use super::object_path::ObjectPath;
use super::value_validation::NodeResult;

/// Whether the server reads it as an integer: what does not fit 64 bits it reads as a float.
pub(super) fn is_integer(number: &Number) -> bool {
    number.is_i64()
}

/// Whether an integer stands behind it, be it written as `2.0`.
pub(super) fn is_whole(number: &Number) -> bool {
    is_integer(number) || number.as_f64().is_some_and(is_json_integer)
}

/// `IsFloat64AJSONInteger` (go-openapi swag): within 2⁵³, and no further from an integer than rounding explains.
#[expect(clippy::float_cmp, reason = "the server compares so")]
fn is_json_integer(float: f64) -> bool {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    const EPSILON: f64 = 1e-9;
    let rounded = float.round();
    float.abs() <= LARGEST
        && (float == rounded || (rounded != 0.0 && (float - rounded).abs() < EPSILON * rounded.abs()))
}

/// The format that the server gives a value by itself.
pub(super) fn infer_format(value: &Value) -> &'static str {
    match value {
        Value::Number(number) if is_integer(number) => "int64",
        Value::Number(_) => "float64",
        _ => "",
    }
}

/// Equal after the value was put into the type of the other, as Go converts.
#[expect(clippy::float_cmp, clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "Go's conversions")]
pub(super) fn is_equal_after_conversion(value: &Number, one: &Number) -> bool {
    match (value.as_i64(), one.as_i64()) {
        (Some(value), Some(one)) => value == one,
        (None, Some(one)) => value.as_f64().is_some_and(|value| value as i64 == one),
        (Some(value), None) => one.as_f64().is_some_and(|one| value as f64 == one),
        (None, None) => value.as_f64() == one.as_f64(),
    }
}

/// Go converts an integer into the character with that number.
pub(super) fn to_character(number: &Number) -> Option<String> {
    let number = number.as_i64()?;
    let character = u32::try_from(number).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some(character.to_string())
}

/// A number as Go's `%v` prints a float: short, with an exponent from a million on.
fn format_float(float: f64) -> String {
    let size = float.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        let text = format!("{float:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{float}")
}

/// A number as Go's `%v` prints what was read from JSON.
pub(super) fn format_number(number: &Number) -> String {
    number.as_i64().map_or_else(|| format_float(number.as_f64().unwrap_or_default()), |whole| whole.to_string())
}

/// The type and format that bind a number of this schema.
struct NumberRange {
    integer: bool,
    kind: &'static str,
    format: &'static str,
}

impl NumberRange {
    fn from_node(node: &Node) -> Self {
        let kind = match node.kind {
            Some(Type::Integer) => "integer",
            Some(Type::Number) => "number",
            _ => "",
        };
        let format = node.format.as_ref().map_or("", super::formats::Format::name);
        let format = match (kind, format) {
            ("integer", "int32") => "int32",
            ("integer", "int64") => "int64",
            ("number", "float") => "float",
            ("number", "double") => "double",
            _ => "",
        };
        Self { integer: kind == "integer", kind, format }
    }

    #[expect(clippy::cast_possible_truncation, reason = "whether it fits is the question")]
    fn contains(&self, float: f64, whole: Option<i64>) -> bool {
        if self.integer {
            let fits = |number: i64| self.format != "int32" || i32::try_from(number).is_ok();
            // 2⁶³ as a float is the first that is out of range.
            let in_reach =
                float.trunc() == float && (-9.223_372_036_854_776e18..9.223_372_036_854_776e18).contains(&float);
            return whole.map_or_else(|| in_reach && fits(float as i64), fits);
        }
        self.format != "float" || !(float as f32).is_infinite()
    }

    fn build_range_error(&self, what: &str, place: &ObjectPath<'_>) -> SchemaError {
        let format =
            if self.format.is_empty() { "(default format)".to_owned() } else { format!("with format {}", self.format) };
        let detail = format!("{what} value must be of type {} {format} in {}", self.kind, place.to_dotted());
        SchemaError::without_field(place, detail)
    }
}

/// Whether a number breaks a limit: the float, the integer where there is one, the limit.
type LimitTest = fn(f64, Option<i64>, f64) -> bool;

/// One limit of a number.
struct NumberLimit {
    value: Option<f64>,
    /// How the server calls it where it is itself out of range.
    name: &'static str,
    message: &'static str,
    is_violated: LimitTest,
    /// Whether it is none where it is not positive.
    must_be_positive: bool,
}

/// `multipleOf`, `minimum`, `maximum`.
fn read_number_limits(node: &Node) -> [NumberLimit; 3] {
    let limits = &node.limits;
    let (least, least_words): (LimitTest, _) = if limits.exclusive_minimum {
        (|float, whole, limit| compare_to_limit(float, whole, limit).is_le(), "should be greater than")
    } else {
        (|float, whole, limit| compare_to_limit(float, whole, limit).is_lt(), "should be greater than or equal to")
    };
    let (most, most_words): (LimitTest, _) = if limits.exclusive_maximum {
        (|float, whole, limit| compare_to_limit(float, whole, limit).is_ge(), "should be less than")
    } else {
        (|float, whole, limit| compare_to_limit(float, whole, limit).is_gt(), "should be less than or equal to")
    };
    let multiple = |float, whole, factor| !is_multiple(float, whole, factor);
    [
        NumberLimit {
            value: limits.multiple_of,
            name: "MultipleOf",
            message: "should be a multiple of",
            is_violated: multiple,
            must_be_positive: true,
        },
        NumberLimit {
            value: limits.minimum,
            name: "Minimum boundary",
            message: least_words,
            is_violated: least,
            must_be_positive: false,
        },
        NumberLimit {
            value: limits.maximum,
            name: "Maximum boundary",
            message: most_words,
            is_violated: most,
            must_be_positive: false,
        },
    ]
}

/// Looks at the range of the format and at every limit.
pub(super) fn validate_limits(number: &Number, node: &Node, place: &ObjectPath<'_>, result: &mut NodeResult) {
    let range = NumberRange::from_node(node);
    let (float, whole) = (number.as_f64().unwrap_or_default(), number.as_i64());
    if !range.contains(float, whole) {
        result.errors.push(range.build_range_error("Checked", place));
    }
    for limit in read_number_limits(node) {
        let Some(value) = limit.value else { continue };
        // A limit that is itself out of range is compared as a float.
        let whole = whole.filter(|_| range.contains(value, None));
        if !range.contains(value, None) {
            result.errors.push(range.build_range_error(limit.name, place));
        }
        if (limit.is_violated)(float, whole, value) {
            let shown_limit = if whole.is_some() { value.trunc().to_string() } else { format_float(value) };
            // An integer's factor is cut to an integer, and may be none then (`MultipleOfInt`).
            if limit.must_be_positive && (value <= 0.0 || whole.is_some() && value < 1.0) {
                let detail =
                    format!("factor {} declared for {} must be positive: {shown_limit}", limit.name, place.to_dotted());
                result.push_error(place, ErrorKind::Invalid, Some(shown_limit), detail);
                continue;
            }
            let detail = format!("{} in body {} {shown_limit}", place.to_dotted(), limit.message);
            result.push_error(place, ErrorKind::Invalid, Some(format_number(number)), detail);
        }
    }
}

/// An integer is compared with the limit cut to an integer.
#[expect(clippy::cast_possible_truncation, reason = "Go's own cut")]
fn compare_to_limit(float: f64, whole: Option<i64>, limit: f64) -> std::cmp::Ordering {
    whole.map_or_else(|| float.total_cmp(&limit), |whole| whole.cmp(&(limit as i64)))
}

#[expect(clippy::cast_possible_truncation, reason = "Go's own cut")]
fn is_multiple(float: f64, whole: Option<i64>, factor: f64) -> bool {
    if let Some(whole) = whole {
        let factor = factor as i64;
        return factor > 0 && whole.checked_rem(factor) == Some(0);
    }
    factor > 0.0 && is_json_integer(if factor < 1.0 { 1.0 / factor * float } else { float / factor })
}
