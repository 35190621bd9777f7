//! Quantities whose unit must not be forgotten, and the way that people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number of bytes. Reads and prints with binary prefixes: `512MiB`, `1.5 GiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

const BYTE_PREFIXES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Sizes in steps of a thousand are read, and never written.
const DECIMAL_PREFIXES: [(&str, u64); 4] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, size) = BYTE_PREFIXES.iter().find(|(_, size)| self.0 >= *size).unwrap_or(&BYTE_PREFIXES[4]);
        if *size == 1 { write!(f, "{} B", self.0) } else { write!(f, "{:.1} {name}", self.0 as f64 / *size as f64) }
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError { text: text.to_owned(), expected: "a size such as `512MiB` or `1.5GiB`" };
        let (number, unit) = split_number(text);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let mut known = BYTE_PREFIXES.iter().chain(&DECIMAL_PREFIXES);
        let scale = known.find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?.1;
        let bytes = number * scale as f64;
        if !(0.0..=9.0e15).contains(&bytes) {
            return Err(wrong());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked above")]
        Ok(Self(bytes.round() as u64))
    }
}

/// Reads a duration such as `30s`, `1.5m`, `250ms` or `2h`.
///
/// # Errors
/// When the number or the unit is not understood, or the duration is negative or above a year.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let wrong = || UnitError { text: text.to_owned(), expected: "a duration such as `30s`, `250ms` or `2m`" };
    let (number, unit) = split_number(text);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "us" | "µs" => number * 1e-6,
        "ms" => number * 1e-3,
        "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86_400.0,
        _ => return Err(wrong()),
    };
    if !(0.0..=366.0 * 86_400.0).contains(&seconds) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn split_number(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// A quantity that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read `{text}` as {expected}")]
pub struct UnitError {
    text: String,
    expected: &'static str,
}

/// Milliseconds of a duration, as reports print them.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_print() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(text.parse().ok().map(|ByteSize(b)| b), expected);
        check("512MiB", Some(512 << 20));
        check("1.5 GiB", Some(3 << 29));
        check("17 B", Some(17));
        check("1GB", Some(1_000_000_000));
        check("2.5 kb", Some(2_500));
        check("-1MiB", None);
        check("512", None);
        check("NaNMiB", None);
        assert_eq!(ByteSize(1536).to_string(), "1.5 KiB");
        assert_eq!(ByteSize(0).to_string(), "0 B");
    }

    #[test]
    fn durations_read() {
        let check = |text: &str, expected: Option<f64>| {
            assert_eq!(parse_duration(text).ok().map(|d| (d.as_secs_f64() * 1e6).round()), expected.map(|s| s * 1e6));
        };
        check("250ms", Some(0.25));
        check("1.5m", Some(90.0));
        check("2h", Some(7200.0));
        check("30", None);
        check("-3s", None);
        check("s", None);
    }
}
