//! Words of a text with their places: what answers and sources are compared by.

use std::ops::Range;

/// What a word says of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordKind {
    /// A word without content of its own: articles, pronouns, auxiliaries.
    Stop,
    /// A word that turns a statement around: `not`, `never`, `without`.
    Negator,
    /// Figures.
    Number,
    /// A name in code: with an underscore, a dot or a digit inside, or in mixed case.
    Identifier,
    /// Written with a capital where that is not due to the beginning of a sentence, or all in capitals.
    Name,
    /// Any other.
    Plain,
}

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// What it is compared by: lower case, a plain ending of the plural or of a verb cut off.
    pub norm: String,
    /// What it is.
    pub kind: WordKind,
}

impl Word {
    /// Whether it has content: neither a stop word nor a negator.
    #[must_use]
    pub fn has_content(&self) -> bool {
        !matches!(self.kind, WordKind::Stop | WordKind::Negator)
    }

    /// Whether an answer may hold it only if its source does: a number, a name, an identifier.
    #[must_use]
    pub fn is_hard(&self) -> bool {
        matches!(self.kind, WordKind::Number | WordKind::Identifier | WordKind::Name)
    }
}

/// Words without content in the languages that use spaces and that we meet most; sorted.
const STOP_WORDS: &[&str] = &[
    "a", "about", "above", "after", "again", "against", "all", "also", "am", "an", "and", "any", "are", "as", "at",
    "be", "because", "been", "before", "being", "below", "between", "both", "but", "by", "can", "could", "das", "de",
    "dem", "den", "der", "des", "did", "die", "do", "does", "doing", "down", "du", "during", "each", "ein", "eine",
    "einen", "einer", "el", "en", "est", "et", "few", "for", "from", "further", "für", "had", "has", "have", "having",
    "he", "her", "here", "hers", "him", "his", "how", "i", "if", "im", "in", "into", "is", "ist", "it", "its",
    "itself", "je", "just", "la", "las", "le", "les", "los", "may", "me", "might", "mit", "more", "most", "must", "my",
    "of", "off", "on", "once", "one", "only", "or", "other", "our", "out", "over", "own", "por", "pour", "que", "qui",
    "same", "shall", "she", "should", "sich", "sind", "so", "some", "such", "than", "that", "the", "their", "them",
    "then", "there", "these", "they", "this", "those", "through", "to", "too", "un", "und", "under", "une", "until",
    "up", "upon", "us", "very", "von", "was", "we", "were", "what", "when", "where", "whether", "which", "while",
    "who", "whom", "whose", "why", "will", "with", "would", "y", "you", "your", "zu", "zum", "zur",
];

/// Words that turn a statement around; sorted.
const NEGATORS: &[&str] = &[
    "cannot", "jamais", "kein", "keine", "keinen", "keiner", "neither", "never", "nicht", "nie", "no", "none", "nor",
    "not", "nothing", "nowhere", "nunca", "ohne", "pas", "sans", "without",
];

/// Letters after figures that are their unit: `10MB`, `250ms`.
const UNIT_LETTERS: usize = 4;

/// The words of a text, in order.
///
/// Text between spaces is cut at hyphens, slashes and brackets; underscores, dots and apostrophes within a word stay. In
/// scripts without spaces each character is a word. Figures and the unit behind them are two words.
#[must_use]
pub fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut starts_sentence = true;
    let mut start = None;
    for (at, char) in text.char_indices() {
        if is_word_char(char) && !is_spaceless(char) {
            start.get_or_insert(at);
            continue;
        }
        if start.is_some() && joins(text, at, char) {
            continue;
        }
        if let Some(begin) = start.take() {
            push_word(text, begin..at, starts_sentence, &mut found);
            starts_sentence = false;
        }
        if is_spaceless(char) {
            let range = at..at + char.len_utf8();
            found.push(Word { norm: text[range.clone()].to_owned(), range, kind: WordKind::Plain });
            starts_sentence = false;
        }
        // Marks of Markdown open cells, items and emphasis, which begin like sentences.
        starts_sentence |= matches!(char, '.' | '!' | '?' | '\n' | '|' | '*' | '`' | '[' | '>');
    }
    if let Some(begin) = start {
        push_word(text, begin..text.len(), starts_sentence, &mut found);
    }
    found
}

/// Number of words of a text, without taking them apart.
#[must_use]
pub fn count_words(text: &str) -> u64 {
    let mut count = 0;
    let mut inside = false;
    for char in text.chars() {
        let is_word = is_word_char(char);
        count += u64::from(is_word && (!inside || is_spaceless(char)));
        inside = is_word;
    }
    count
}

/// Whether a script writes without spaces between words: Han, kana, Thai, Lao, Khmer, Myanmar.
#[must_use]
pub fn is_spaceless(char: char) -> bool {
    matches!(char as u32, 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

fn is_word_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || (!char.is_ascii() && char.is_alphanumeric()) || char == '_'
}

/// Whether a mark within a word holds it together: a dot or an apostrophe between letters, a comma between figures.
fn joins(text: &str, at: usize, mark: char) -> bool {
    let next = text[at + mark.len_utf8()..].chars().next().unwrap_or(' ');
    match mark {
        '.' | '\'' | '’' => is_word_char(next) && !is_spaceless(next),
        ',' => next.is_ascii_digit() && text.as_bytes()[at - 1].is_ascii_digit(),
        _ => false,
    }
}

fn push_word(text: &str, range: Range<usize>, starts_sentence: bool, found: &mut Vec<Word>) {
    let word = &text[range.clone()];
    let figures = word.bytes().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')).count();
    let unit = &word[figures..];
    if figures > 0 && !unit.is_empty() && unit.len() <= UNIT_LETTERS && unit.chars().all(char::is_alphabetic) {
        let cut = range.start + word[..figures].trim_end_matches(['.', ',']).len();
        push_plain(text, range.start..cut, false, found);
        push_plain(text, range.start + figures..range.end, true, found);
    } else {
        push_plain(text, range, starts_sentence, found);
    }
}

fn push_plain(text: &str, range: Range<usize>, starts_sentence: bool, found: &mut Vec<Word>) {
    let word = text[range.clone()].trim_matches(['_', '.', ',', '\'', '’']);
    if word.is_empty() {
        return;
    }
    let kind = kind_of(word, starts_sentence);
    found.push(Word { norm: normal(word, kind), range, kind });
}

fn is_figures(word: &str) -> bool {
    word.starts_with(|char: char| char.is_ascii_digit())
        && word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','))
}

fn kind_of(word: &str, starts_sentence: bool) -> WordKind {
    let lower = word.to_lowercase();
    if lower.ends_with("n't") || lower.ends_with("n’t") || NEGATORS.binary_search(&lower.as_str()).is_ok() {
        return WordKind::Negator;
    }
    if is_figures(word) {
        return WordKind::Number;
    }
    let letters = word.chars().filter(|char| char.is_alphabetic()).count();
    let capitals = word.chars().filter(|char| char.is_uppercase()).count();
    let has_mark = word.contains(['_', '.']) || word.chars().any(char::is_numeric);
    let is_camel = word.chars().zip(word.chars().skip(1)).any(|(one, two)| one.is_lowercase() && two.is_uppercase());
    if has_mark || is_camel {
        return WordKind::Identifier;
    }
    if STOP_WORDS.binary_search(&lower.as_str()).is_ok() {
        return WordKind::Stop;
    }
    let is_capitalized = word.starts_with(char::is_uppercase);
    if (letters >= 2 && capitals == letters) || (is_capitalized && !starts_sentence) {
        return WordKind::Name;
    }
    WordKind::Plain
}

fn normal(word: &str, kind: WordKind) -> String {
    let lower = word.to_lowercase();
    match kind {
        WordKind::Number => lower.replace(',', ""),
        WordKind::Negator => "not".to_owned(),
        WordKind::Identifier => lower,
        WordKind::Stop | WordKind::Name | WordKind::Plain => stem(&lower),
    }
}

/// Cuts plain English endings, so that `file` meets `files` and `support` meets `supports`.
fn stem(word: &str) -> String {
    if !word.is_ascii() || word.len() < 5 {
        return word.strip_suffix("'s").unwrap_or(word).to_owned();
    }
    let base = word.strip_suffix("'s").unwrap_or(word);
    for (ending, least) in [("ies", 3), ("ing", 4), ("ed", 4), ("es", 4), ("s", 3)] {
        if let Some(rest) = base.strip_suffix(ending)
            && rest.len() >= least
            && !(ending == "s" && rest.ends_with(['s', 'u', 'i']))
        {
            // `ies` and `es` meet the form with the vowel.
            return rest.trim_end_matches('e').to_owned();
        }
    }
    base.trim_end_matches('e').trim_end_matches('y').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
        let check = |text: &str, expected: &[(&str, WordKind)]| {
            let found = words(text);
            let found: Vec<(&str, WordKind)> = found.iter().map(|word| (word.norm.as_str(), word.kind)).collect();
            assert_eq!(found, expected, "{text}");
        };
        use WordKind::{Identifier, Name, Negator, Number, Plain, Stop};
        check("The files", &[("the", Stop), ("fil", Plain)]);
        check("It isn't 4,000 bytes.", &[("it", Stop), ("not", Negator), ("4000", Number), ("byt", Plain)]);
        check("10MB in `max_size`", &[("10", Number), ("mb", Name), ("in", Stop), ("max_size", Identifier)]);
        check("one,two", &[("one", Stop), ("two", Plain)]);
        check("--force-ocr v2.1", &[("forc", Plain), ("ocr", Plain), ("v2.1", Identifier)]);
        check("see Paris", &[("see", Plain), ("paris", Name)]);
        check("語る", &[("語", Plain), ("る", Plain)]);
        check("3.5.", &[("3.5", Number)]);
    }

    #[test]
    fn the_lists_are_sorted() {
        assert!(STOP_WORDS.is_sorted());
        assert!(NEGATORS.is_sorted());
    }

    #[test]
    fn counting_agrees_on_plain_text() {
        for text in ["one two three", "", "a-b", "x."] {
            assert_eq!(count_words(text), words(text).len() as u64, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn words_lie_in_order_within_the_text(text in ".{0,200}") {
            let mut end = 0;
            for word in words(&text) {
                proptest::prop_assert!(word.range.start >= end && word.range.end <= text.len());
                proptest::prop_assert!(text.is_char_boundary(word.range.start) && text.is_char_boundary(word.range.end));
                end = word.range.end;
            }
        }
    }
}
