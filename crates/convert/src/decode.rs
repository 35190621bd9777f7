//! Bytes of a text in any encoding become characters.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How far the encoding is looked for: enough for the detector to be sure, and the same time for every size of file.
const PROBE_BYTES: usize = 256 << 10;

/// A text and what it took to read it.
#[derive(Debug)]
pub(crate) struct Decoded<'a> {
    /// The characters, without a byte order mark and without NUL.
    pub(crate) text: Cow<'a, str>,
    /// What speaks against it, in words.
    pub(crate) doubts: Vec<String>,
}

/// Decodes a text. A byte order mark decides, then UTF-8, then `declared`, then statistics.
pub(crate) fn decode<'a>(bytes: &'a [u8], declared: Option<&str>) -> Decoded<'a> {
    let (encoding, body) = encoding_of(bytes, declared);
    let mut doubts = Vec::new();
    let (mut text, broken) = encoding.decode_without_bom_handling(body);
    if broken {
        doubts.push(format!("some bytes are no {}", encoding.name()));
    }
    let nul_count = memchr::memchr_iter(0, text.as_bytes()).count();
    if nul_count > 0 {
        doubts.push(format!("{nul_count} NUL characters were left out"));
        text = Cow::Owned(text.replace('\0', ""));
    }
    Decoded { text, doubts }
}

/// The first characters of a text, for a look at what it is.
pub(crate) fn decode_head(bytes: &[u8], length: usize) -> String {
    let (encoding, body) = encoding_of(bytes, None);
    let mut end = body.len().min(length);
    // A character that is cut in two would look like damage.
    while encoding == UTF_8 && end < body.len() && end > 0 && body[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    encoding.decode_without_bom_handling(&body[..end]).0.replace('\0', "")
}

/// Whether the bytes are UTF-16, which is full of NUL bytes and no binary for it.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    let (encoding, _) = encoding_of(bytes, None);
    encoding == UTF_16LE || encoding == UTF_16BE
}

fn encoding_of<'a>(bytes: &'a [u8], declared: Option<&str>) -> (&'static Encoding, &'a [u8]) {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return (encoding, &bytes[length..]);
    }
    if let Some(encoding) = unmarked_utf16(bytes) {
        return (encoding, bytes);
    }
    if Encoding::utf8_valid_up_to(bytes) == bytes.len() {
        return (UTF_8, bytes);
    }
    if let Some(encoding) = declared.and_then(|label| Encoding::for_label(label.as_bytes())) {
        // A page that says UTF-8 and holds other bytes was saved by something else: the bytes are asked.
        if encoding != UTF_8 && encoding.is_ascii_compatible() {
            return (encoding, bytes);
        }
    }
    if mostly_utf8(bytes) {
        return (UTF_8, bytes);
    }
    let probe = &bytes[..bytes.len().min(PROBE_BYTES)];
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(probe, probe.len() == bytes.len());
    (detector.guess(None, Utf8Detection::Deny), bytes)
}

/// UTF-16 without a mark: one of two neighboring bytes is almost always 0, the other almost never.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let pairs = bytes[..bytes.len().min(4096)].chunks_exact(2);
    let count = pairs.len();
    if count < 2 {
        return None;
    }
    let (mut even, mut odd) = (0_usize, 0_usize);
    for pair in pairs {
        even += usize::from(pair[0] == 0);
        odd += usize::from(pair[1] == 0);
    }
    let (many, few) = (count * 2 / 5, count / 50);
    match (even, odd) {
        (low, high) if high > many && low <= few => Some(UTF_16LE),
        (high, low) if high > many && low <= few => Some(UTF_16BE),
        _ => None,
    }
}

/// UTF-8 with some damage: nearly all bytes beyond ASCII are in valid sequences.
fn mostly_utf8(bytes: &[u8]) -> bool {
    let mut rest = &bytes[..bytes.len().min(PROBE_BYTES)];
    let (mut sound, mut broken) = (0_usize, 0_usize);
    while !rest.is_empty() {
        let valid = Encoding::utf8_valid_up_to(rest);
        sound += rest[..valid].iter().filter(|byte| **byte >= 0x80).count();
        if valid == rest.len() {
            break;
        }
        broken += 1;
        rest = &rest[valid + 1..];
    }
    broken * 20 <= sound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], declared: Option<&str>, expected: &str) {
        assert_eq!(decode(bytes, declared).text, expected);
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn marks_decide_and_are_left_out() {
        check(b"\xEF\xBB\xBFone", None, "one");
        check(&utf16("\u{FEFF}one é", u16::to_le_bytes), None, "one é");
        check(&utf16("\u{FEFF}one é", u16::to_be_bytes), None, "one é");
    }

    #[test]
    fn utf16_needs_no_mark() {
        check(&utf16("Some words.", u16::to_le_bytes), None, "Some words.");
        check(&utf16("Some words.", u16::to_be_bytes), None, "Some words.");
    }

    #[test]
    fn old_encodings_are_told_by_declaration_or_by_statistics() {
        check(b"caf\xE9", Some("iso-8859-1"), "café");
        check(
            b"Les \xE9l\xE8ves ont \xE9t\xE9 pr\xE9sent\xE9s \xE0 No\xEBl.",
            None,
            "Les élèves ont été présentés à Noël.",
        );
        let russian = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.";
        check(&encoding_rs::WINDOWS_1251.encode(russian).0, None, russian);
        let japanese = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。";
        check(&encoding_rs::SHIFT_JIS.encode(japanese).0, None, japanese);
    }

    #[test]
    fn a_broken_byte_in_utf8_does_not_make_it_another_encoding() {
        let decoded = decode("naïve café, Zoë, élève, ñandú, über, Größe, Ærø, crème\u{0} brûlée, à la carte, façade, déjà vu, ôté, où, à".as_bytes(), None);
        assert_eq!(decoded.doubts, ["1 NUL characters were left out"]);
        let mut bytes = "é".repeat(30).into_bytes();
        bytes.insert(20, 0xFF);
        let decoded = decode(&bytes, None);
        assert_eq!(decoded.text.matches('é').count(), 30);
        assert_eq!(decoded.doubts, ["some bytes are no UTF-8"]);
    }
}
