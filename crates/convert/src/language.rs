//! Whether a text is of any language: letters that a font shifted are printable, and of none.

/// Letters of one part.
const PART: usize = 300;
/// Parts that are looked at, spread over the text.
const PARTS: usize = 24;

/// How many of how many parts are surely of a known language; `None` where a text has no part with enough letters.
pub(crate) fn known_parts(text: &str) -> Option<(usize, usize)> {
    let step = (text.len() / PARTS).max(2 * PART);
    let (mut known, mut parts) = (0, 0);
    let mut at = 0;
    while at < text.len() {
        let start = (at..text.len()).find(|&index| text.is_char_boundary(index)).unwrap_or(text.len());
        let part: String = text[start..].chars().take(PART).collect();
        let letters = part.chars().filter(|letter| letter.is_alphabetic()).count();
        // Tables and code say nothing about the language.
        if 10 * letters >= 7 * PART {
            parts += 1;
            known += usize::from(whatlang::detect(&part).is_some_and(|found| found.is_reliable()));
        }
        at += step;
    }
    (parts > 0).then_some((known, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "The scheduler keeps a queue for each tenant and serves them in turn, so that one who sends much does not \
                         starve the others. A request waits for at most the time that its deadline leaves. ";

    #[test]
    fn plain_text_is_of_a_language_and_shifted_letters_are_of_none() {
        let plain = PLAIN.repeat(60);
        let (known, parts) = known_parts(&plain).unwrap();
        assert!(parts >= 8 && known * 10 >= parts * 9, "{known} of {parts}");
        // As by a font that draws each letter under another code.
        let shifted: String = plain
            .chars()
            .map(|letter| {
                if letter.is_ascii_lowercase() {
                    char::from(((letter as u8 - b'a' + 13) * 7 % 26) + b'a')
                } else {
                    letter
                }
            })
            .collect();
        let (known, parts) = known_parts(&shifted).unwrap();
        assert!(parts >= 8 && known * 10 < parts, "{known} of {parts}");
    }

    #[test]
    fn tables_of_numbers_are_not_judged() {
        assert_eq!(known_parts(&"| 12.5 | 17 | 0.001 |\n".repeat(400)), None);
        assert_eq!(known_parts(""), None);
    }
}
