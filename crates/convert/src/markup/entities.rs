//! Character references: `&amp;`, `&#233;`, `&hellip;`.

use memchr::memchr;

/// The names of the HTML standard, one a line, sorted by bytes: the name, `!` where it may stand without `;` and a blank
/// otherwise, and its code points in hexadecimal.
const NAMES: &str = include_str!("entities.txt");
/// The longest name, `CounterClockwiseContourIntegral`.
const NAME_LENGTH_MAX: usize = 31;
/// What the numbers 128 to 159 mean in pages that were written on Windows.
const WINDOWS: [u32; 32] = [
    0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D, 0x17D,
    0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0x9D,
    0x17E, 0x178,
];

/// Appends a raw text with its references replaced. What is no reference stays as it is.
pub(crate) fn decode_into(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some(at) = memchr(b'&', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let read = reference(rest, out).unwrap_or_else(|| {
            out.push('&');
            1
        });
        rest = &rest[read..];
    }
    out.push_str(rest);
}

/// A raw text with its references replaced.
pub(crate) fn decode(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    decode_into(raw, &mut out);
    out
}

/// Reads the reference at the start of a text and appends what it stands for; how many bytes it takes.
fn reference(text: &str, out: &mut String) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.get(1) == Some(&b'#') {
        return numeric(text, out);
    }
    let name_end =
        bytes[1..].iter().take(NAME_LENGTH_MAX + 1).take_while(|byte| byte.is_ascii_alphanumeric()).count() + 1;
    if bytes.get(name_end) == Some(&b';')
        && let Some((_, points)) = lookup(&text[1..name_end])
    {
        push_points(points, out);
        return Some(name_end + 1);
    }
    // Old pages leave the `;` out; a parameter of an address like `&copy=1` is no sign.
    for end in (3..=name_end.min(8)).rev() {
        if let Some((true, points)) = lookup(&text[1..end])
            && bytes.get(end) != Some(&b'=')
        {
            push_points(points, out);
            return Some(end);
        }
    }
    None
}

fn numeric(text: &str, out: &mut String) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_hex = matches!(bytes.get(2), Some(b'x' | b'X'));
    let (start, radix) = if is_hex { (3, 16) } else { (2, 10) };
    let length = bytes[start..].iter().take_while(|byte| char::from(**byte).is_digit(radix)).count();
    if length == 0 {
        return None;
    }
    let end = start + length;
    let number = u32::from_str_radix(&text[start..end], radix).unwrap_or(u32::MAX);
    let point = match number {
        0 => 0xFFFD,
        128..=159 => WINDOWS[(number - 128) as usize],
        _ => number,
    };
    out.push(char::from_u32(point).unwrap_or('\u{FFFD}'));
    Some(end + usize::from(bytes.get(end) == Some(&b';')))
}

/// Whether a name may stand without `;`, and its code points.
fn lookup(name: &str) -> Option<(bool, &'static str)> {
    let bytes = NAMES.as_bytes();
    let (mut low, mut high) = (0, bytes.len());
    while low < high {
        let middle = low.midpoint(high);
        let start = bytes[..middle].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let end = memchr(b'\n', &bytes[middle..]).map_or(bytes.len(), |at| middle + at);
        let line = &NAMES[start..end];
        let split = line.find([' ', '!'])?;
        match line[..split].cmp(name) {
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
            std::cmp::Ordering::Equal => return Some((bytes[start + split] == b'!', &line[split + 1..])),
        }
    }
    None
}

fn push_points(points: &str, out: &mut String) {
    let points = points.split(',').filter_map(|point| u32::from_str_radix(point, 16).ok());
    out.extend(points.filter_map(char::from_u32));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_become_characters() {
        let cases = [
            ("a &lt;b&gt; &amp;amp; &quot;", "a <b> &amp; \""),
            ("&hellip;&nbsp;&eacute;&NotEqualTilde;&zwnj;", "…\u{A0}é≂\u{338}\u{200C}"),
            ("&#233;&#xE9;&#x1F600;&#150;&#0;&#x110000;&#99999999999;", "éé😀–\u{FFFD}\u{FFFD}\u{FFFD}"),
            (
                "AT&T & co &copy 2026 ?a=1&copy=2 &unknown; &; &# &#x; &",
                "AT&T & co © 2026 ?a=1&copy=2 &unknown; &; &# &#x; &",
            ),
            ("&CounterClockwiseContourIntegral;&AElig;&zwj;", "∳Æ\u{200D}"),
        ];
        for (raw, expected) in cases {
            assert_eq!(decode(raw), expected, "{raw}");
        }
    }

    #[test]
    fn every_name_is_found() {
        let mut last = "";
        for line in NAMES.lines() {
            let (name, points) = line.split_once([' ', '!']).unwrap();
            assert!(last < name && name.len() <= NAME_LENGTH_MAX, "{name}");
            assert_eq!(lookup(name).map(|found| found.1), Some(points), "{name}");
            last = name;
        }
    }
}
