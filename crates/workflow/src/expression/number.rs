//! Numbers and text, each as the other, by GitHub's rules.

use std::fmt::Write;

/// A text as a number: nothing is 0, what is no number is NaN.
pub(super) fn parse(text: &str) -> f64 {
    let text = text.trim();
    if text.is_empty() {
        return 0.0;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let is_digits = digits.starts_with(|c: char| c.is_digit(radix));
            // 32 bits with their sign, as GitHub's runner reads them.
            let number = u32::from_str_radix(digits, radix).ok().filter(|_| is_digits);
            return number.map_or(f64::NAN, |number| f64::from(number.cast_signed()));
        }
    }
    match text {
        "Infinity" | "+Infinity" => return f64::INFINITY,
        "-Infinity" => return f64::NEG_INFINITY,
        _ => {}
    }
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse().ok().filter(|_| is_decimal).unwrap_or(f64::NAN)
}

/// A number as text, with at most 15 significant digits, like C#'s `G15`.
pub(super) fn to_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{number:.14e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    if (-5..15).contains(&exponent) {
        // The shortest digits of the rounded number.
        let rounded: f64 = scientific.parse().unwrap_or(number);
        return rounded.to_string();
    }
    let mut text = mantissa.to_owned();
    let sign = if exponent < 0 { '-' } else { '+' };
    // Writing to a String cannot fail.
    _ = write!(text, "E{sign}{:02}", exponent.abs());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_the_documentation_lists_them() {
        for (text, number) in [
            ("", 0.0),
            ("  ", 0.0),
            (" 12 ", 12.0),
            ("711", 711.0),
            ("-9.2", -9.2),
            ("+1", 1.0),
            (".5", 0.5),
            ("0xff", 255.0),
            ("0xFFFFFFFF", -1.0),
            ("0o17", 15.0),
            ("-2.99e-2", -0.0299),
            ("Infinity", f64::INFINITY),
        ] {
            assert_eq!(parse(text).to_bits(), f64::to_bits(number), "{text}");
        }
        for text in ["a", "1a", "0x", "0o8", "inf", "nan", "NaN", "1 2", "--1", "0x+1"] {
            assert!(parse(text).is_nan(), "{text}");
        }
    }

    #[test]
    fn numbers_are_written_with_fifteen_digits() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.3"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1E+15"),
            (1.234_567_890_123_456_7e20, "1.23456789012346E+20"),
            (0.000_01, "0.00001"),
            (0.000_001, "1E-06"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(to_text(number), text);
        }
    }
}
