//! Marks within a line, for every reader that has runs of text with a look.

/// Appends a blank unless one is there, or nothing at all.
pub(crate) fn push_space(out: &mut String) {
    if !out.is_empty() && !out.ends_with([' ', '\n']) {
        out.push(' ');
    }
}

/// How long a line may be in which marks are drawn together: each time all marks before are counted.
const MARKS_JOINED_BYTES: usize = 16 << 10;

/// Puts marks around what was appended since `start`, without its blanks. Marks that would meet are drawn together.
pub(crate) fn mark_from(out: &mut String, start: usize, mark: &str) {
    let inner = &out[start..];
    let trimmed = inner.trim();
    if trimmed.is_empty() || trimmed.starts_with(mark) && trimmed.ends_with(mark) {
        return;
    }
    let from = start + inner.len() - inner.trim_start().len();
    let to = from + trimmed.len();
    out.insert_str(to, mark);
    let before = &out[..from];
    let is_same = before.ends_with(mark)
        && before.len() == start
        && before.len() < MARKS_JOINED_BYTES
        && !before.ends_with("***");
    if is_same && before.matches(mark).count().is_multiple_of(2) {
        out.replace_range(from - mark.len()..from, "");
    } else {
        out.insert_str(from, mark);
    }
}

/// Makes what was appended since `start` a link.
pub(crate) fn link_from(out: &mut String, start: usize, target: &str) {
    let inner = &out[start..];
    let label = inner.trim().replace('\n', " ");
    if label.is_empty() {
        return;
    }
    let lead = inner.len() - inner.trim_start().len();
    let ends_in_blank = inner.ends_with([' ', '\n']);
    out.truncate(start + lead);
    if label == target && target.contains("://") && !target.contains([' ', '<', '>']) {
        out.push('<');
        out.push_str(target);
        out.push('>');
    } else {
        out.push('[');
        out.push_str(&label);
        out.push_str("](");
        push_target(target, out);
        out.push(')');
    }
    if ends_in_blank {
        out.push(' ');
    }
}

/// Appends text as code on a line.
pub(crate) fn push_code(raw: &str, out: &mut String) {
    let code = crate::signals::one_line(raw);
    if code.is_empty() {
        return;
    }
    if raw.starts_with(char::is_whitespace) {
        push_space(out);
    }
    let ticks = "`".repeat(longest_run(&code) + 1);
    let pad = if code.starts_with('`') || code.ends_with('`') { " " } else { "" };
    for part in [&ticks, pad, &code, pad, &ticks] {
        out.push_str(part);
    }
    if raw.ends_with(char::is_whitespace) {
        push_space(out);
    }
}

fn longest_run(code: &str) -> usize {
    code.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

/// Appends a picture.
pub(crate) fn push_image(alt: &str, source: &str, out: &mut String) {
    out.push_str("![");
    out.push_str(&crate::signals::one_line(alt).replace(['[', ']'], ""));
    out.push_str("](");
    push_target(source, out);
    out.push(')');
}

fn push_target(target: &str, out: &mut String) {
    let is_balanced = target.matches('(').count() == target.matches(')').count() && !target.contains(")(");
    for character in target.chars() {
        match character {
            ' ' => out.push_str("%20"),
            '(' if !is_balanced => out.push_str("%28"),
            ')' if !is_balanced => out.push_str("%29"),
            '\n' | '\t' => {}
            _ => out.push(character),
        }
    }
}

/// A raised character: 10⁶ is not 106.
pub(crate) fn superscript(character: char) -> Option<char> {
    Some(match character {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        '+' => '⁺',
        '-' | '−' => '⁻',
        'n' => 'ⁿ',
        'i' => 'ⁱ',
        _ => return None,
    })
}

/// A lowered character.
pub(crate) fn subscript(character: char) -> Option<char> {
    Some(match character {
        '0' => '₀',
        '1' => '₁',
        '2' => '₂',
        '3' => '₃',
        '4' => '₄',
        '5' => '₅',
        '6' => '₆',
        '7' => '₇',
        '8' => '₈',
        '9' => '₉',
        '+' => '₊',
        '-' | '−' => '₋',
        _ => return None,
    })
}
