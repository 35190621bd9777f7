//! Times as tools write them.

use weighbridge_types::time::WallTime;

use super::figures::Sheet;

/// Checks that a text begins like RFC 3339; one without a zone is taken as UTC, with a note.
pub(super) fn rfc_3339(text: &str, sheet: &mut Sheet) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_digit);
    let has = |index: usize, byte: u8| bytes.get(index) == Some(&byte);
    let digits = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18].into_iter().all(is_digit);
    let marks = has(4, b'-') && has(7, b'-') && (has(10, b'T') || has(10, b' ')) && has(13, b':') && has(16, b':');
    let is_plain = text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_digit() || b"-:.+TZ ".contains(&byte));
    if !(digits && marks && is_plain) {
        sheet.note("the start in the file is no time that can be read, and left out");
        return None;
    }
    let text = text.replacen(' ', "T", 1);
    let has_zone = text.ends_with('Z') || text[19..].contains(['+', '-']);
    if !has_zone {
        sheet.note("the start names no time zone; shown as UTC");
    }
    Some(if has_zone { text } else { format!("{text}Z") })
}

/// A time in seconds since 1970.
pub(super) fn from_unix_seconds(seconds: f64) -> Option<String> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked here")]
    let millis = (1e8..1e11).contains(&seconds).then(|| (seconds * 1e3).round() as u64)?;
    Some(WallTime::from_unix_millis(millis).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Tool;

    #[test]
    fn times_are_checked() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(rfc_3339(text, &mut Sheet::new(Tool::Aiperf)).as_deref(), expected, "{text}");
        };
        check("2025-03-01T12:30:00.123456+00:00", Some("2025-03-01T12:30:00.123456+00:00"));
        check("2025-03-01T12:30:00", Some("2025-03-01T12:30:00Z"));
        check("2025-03-01 12:30:00Z", Some("2025-03-01T12:30:00Z"));
        check("2025-03-01", None);
        check("yesterday", None);
        check("2025-03-01T12:30:00<script>", None);
        assert_eq!(from_unix_seconds(1_772_368_200.25).as_deref(), Some("2026-03-01T12:30:00.250Z"));
        assert_eq!((from_unix_seconds(f64::NAN), from_unix_seconds(12.0)), (None, None));
    }
}
