//! Names of frames: what a form can hold, and what fits into a narrow box.

use std::borrow::Cow;

/// The name as every form can hold it: no semicolon, no control character, no blank at its ends, not empty.
pub(super) fn cleaned(name: &str) -> Cow<'_, str> {
    let is_odd = |char: char| char == ';' || char.is_control();
    let name = name.trim();
    if name.is_empty() {
        return Cow::Borrowed("?");
    }
    if !name.contains(is_odd) {
        return Cow::Borrowed(name);
    }
    let replaced = |char: char| match char {
        ';' => ',',
        char if char.is_control() => ' ',
        char => char,
    };
    let replaced: String = name.chars().map(replaced).collect();
    match replaced.trim() {
        "" => Cow::Borrowed("?"),
        name => Cow::Owned(name.to_owned()),
    }
}

/// The last parts of a path, and more where those are closures: with two `pool::Pool::run` becomes `Pool::run`.
fn short(name: &str, wanted: u32) -> &str {
    let mut depth = 0_i32;
    let mut parts = 0;
    let bytes = name.as_bytes();
    let mut end_of_part = bytes.len();
    for at in (0..bytes.len().saturating_sub(1)).rev() {
        // An arrow is no bracket.
        let is_arrow = at > 0 && bytes[at - 1] == b'-';
        match bytes[at] {
            b'>' | b')' | b']' if !is_arrow => depth += 1,
            b'<' | b'(' | b'[' => depth -= 1,
            b':' if bytes[at + 1] == b':' && depth == 0 => {
                let part = name.get(at + 2..end_of_part).unwrap_or_default();
                parts += u32::from(!part.starts_with('{'));
                end_of_part = at;
                if parts == wanted {
                    return &name[at + 2..];
                }
            }
            _ => {}
        }
    }
    name
}

/// As much of a name as fits into this many letters; `None` where that would tell nothing.
pub(super) fn fitting(name: &str, letters: usize) -> Option<Cow<'_, str>> {
    const LEAST: usize = 3;
    for name in [name, short(name, 2), short(name, 1)] {
        if name.chars().count() <= letters {
            return Some(Cow::Borrowed(name));
        }
    }
    let name = short(name, 1);
    let kept = letters.checked_sub(1).filter(|&kept| kept >= LEAST)?;
    Some(Cow::Owned(name.chars().take(kept).chain(['…']).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_form_cannot_hold_are_changed() {
        let check = |name, expected| {
            assert_eq!(cleaned(name), expected);
            assert_eq!(cleaned(expected), expected);
        };
        check("core::slice::sort", "core::slice::sort");
        check("<[u8; 4] as Hash>::hash", "<[u8, 4] as Hash>::hash");
        check(" a\nb\t", "a b");
        check("", "?");
        check("\u{1} \u{7}", "?");
    }

    #[test]
    fn long_paths_are_shortened_at_whole_parts() {
        let check = |name, expected| assert_eq!(short(name, 2), expected, "{name}");
        check("main", "main");
        check("a::b", "a::b");
        check("a::b::c::d", "c::d");
        check("a::b::c::{{closure}}", "b::c::{{closure}}");
        check("<a::B as c::D<e::F>>::g", "<a::B as c::D<e::F>>::g");
        check("a::b::<c::d::E>::f", "<c::d::E>::f");
        check("a::b::FnOnce<() -> u8>::call", "FnOnce<() -> u8>::call");
        check(":", ":");
        check("é::ü::ö", "ü::ö");
    }

    #[test]
    fn a_narrow_box_holds_what_still_tells_something() {
        assert_eq!(fitting("pool::Pool::run", 15).unwrap(), "pool::Pool::run");
        assert_eq!(fitting("pool::Pool::run", 14).unwrap(), "Pool::run");
        assert_eq!(fitting("pool::Pool::run", 8).unwrap(), "run");
        assert_eq!(fitting("<impl a::Model>::forward", 7).unwrap(), "forward");
        assert_eq!(fitting("<impl a::Model>::forward", 6).unwrap(), "forwa…");
        assert_eq!(fitting("<impl a::Model>::forward", 3), None);
    }
}
