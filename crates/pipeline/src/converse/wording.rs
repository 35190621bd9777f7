//! Names and clauses as they stand within a question.

use crate::words::{WordKind, words};

/// A name within a question: without the mark at its end, and in lower case where only a sentence's beginning gave it a capital.
pub(super) fn within(name: &str) -> String {
    let name = name.trim().trim_end_matches([':', '.', ',', ';', '?', '!']).trim();
    let first = words(name).into_iter().next();
    let is_own =
        first.as_ref().is_none_or(|word| matches!(word.kind, WordKind::Name | WordKind::Identifier | WordKind::Number));
    let is_title = name.split_whitespace().filter(|word| word.starts_with(char::is_uppercase)).count() > 1;
    let begins_with_article = first.is_some_and(|word| word.kind == WordKind::Stop);
    if (is_own || is_title) && !begins_with_article { name.to_owned() } else { lowered(name) }
}

/// A clause within a question, likewise; `I` and acronyms keep their capitals.
pub(super) fn clause(text: &str) -> String {
    let text = text.trim().trim_end_matches([':', '.', ',', ';', '?', '!']).trim();
    let first = words(text).into_iter().next();
    let keeps = first.is_none_or(|word| {
        let surface = &text[word.range.clone()];
        matches!(word.kind, WordKind::Name | WordKind::Identifier | WordKind::Number)
            || surface == "I"
            || surface.starts_with("I'")
    });
    if keeps { text.to_owned() } else { lowered(text) }
}

/// A text as a sentence: with a capital and a mark at its end.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    let ends = text.ends_with(['.', '!', '?', ':', '。', ')', '`']);
    if ends { text.to_owned() } else { format!("{text}.") }
}

/// A name that is fit to be asked about: it has a letter, is short and of one line.
pub(super) fn is_askable(name: &str) -> bool {
    let letters = name.chars().filter(|char| char.is_alphabetic()).count();
    letters >= 1 && name.chars().count() <= 90 && !name.contains(['\n', '|', '?'])
}

fn lowered(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_questions() {
        let check = |name: &str, expected: &str| assert_eq!(within(name), expected);
        check("The cache", "the cache");
        check("The Rust core", "the Rust core");
        check("PDF files:", "PDF files");
        check("max_size", "max_size");
        check("Model Context Protocol", "Model Context Protocol");
        check("Installing it", "installing it");
    }
}
