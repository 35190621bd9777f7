//! The tokenizers of BLEU.

use std::borrow::Cow;

use unicode_general_category::{GeneralCategory as Category, get_general_category};

/// How a line is cut into tokens before BLEU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tokenizer {
    /// That of mteval-v13a: the default of the field.
    #[default]
    V13a,
    /// That of mteval-v14: punctuation and symbols of any script.
    International,
    /// Single characters.
    Char,
    /// White space only.
    None,
}

impl Tokenizer {
    /// Name in signatures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V13a => "13a",
            Self::International => "intl",
            Self::Char => "char",
            Self::None => "none",
        }
    }

    /// Puts spaces between tokens; white space at the end goes first.
    #[must_use]
    pub fn apply<'t>(self, line: &'t str) -> Cow<'t, str> {
        let line = line.trim_end_matches(super::is_space);
        match self {
            Self::V13a => Cow::Owned(v13a(line)),
            Self::International => Cow::Owned(international(line)),
            Self::Char => Cow::Owned(line.chars().flat_map(|c| [c, ' ']).collect()),
            Self::None => Cow::Borrowed(line),
        }
    }
}

fn v13a(line: &str) -> String {
    let mut line = Cow::Borrowed(line);
    let rules = [("<skipped>", ""), ("-\n", ""), ("\n", " ")];
    let entities = [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")];
    for (from, to) in rules.into_iter().chain(entities) {
        if line.contains(from) {
            line = Cow::Owned(line.replace(from, to));
        }
    }
    let mut spaced = String::with_capacity(2 * line.len() + 2);
    spaced.push(' ');
    for c in line.chars() {
        let is_mark = matches!(c, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/');
        if is_mark {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    spaced.push(' ');
    let is_stop = |c: char| c == '.' || c == ',';
    let is_digit = |c: char| c.is_ascii_digit();
    // A stop is cut off unless a digit stands before it, then unless one follows it; then a dash after a digit.
    let spaced = pairs(&spaced, |a, b| !is_digit(a) && is_stop(b), |out, a, b| out.extend([a, ' ', b, ' ']));
    let spaced = pairs(&spaced, |a, b| is_stop(a) && !is_digit(b), |out, a, b| out.extend([' ', a, ' ', b]));
    pairs(&spaced, |a, b| is_digit(a) && b == '-', |out, a, b| out.extend([a, ' ', b, ' ']))
}

fn international(line: &str) -> String {
    let spaced = pairs(line, |a, b| !is_number(a) && is_punctuation(b), |out, a, b| out.extend([a, ' ', b, ' ']));
    let spaced = pairs(&spaced, |a, b| is_punctuation(a) && !is_number(b), |out, a, b| out.extend([' ', a, ' ', b]));
    let mut out = String::with_capacity(2 * spaced.len());
    for c in spaced.chars() {
        if is_symbol(c) {
            out.extend([' ', c, ' ']);
        } else {
            out.push(c);
        }
    }
    out
}

/// Rewrites pairs of neighbours from left to right; a rewritten pair is not looked at again.
fn pairs(text: &str, is_match: impl Fn(char, char) -> bool, rewrite: impl Fn(&mut String, char, char)) -> String {
    let mut out = String::with_capacity(2 * text.len());
    let mut chars = text.chars().peekable();
    while let Some(a) = chars.next() {
        match chars.peek() {
            Some(&b) if is_match(a, b) => {
                rewrite(&mut out, a, b);
                chars.next();
            }
            _ => out.push(a),
        }
    }
    out
}

fn is_number(c: char) -> bool {
    matches!(get_general_category(c), Category::DecimalNumber | Category::LetterNumber | Category::OtherNumber)
}

fn is_punctuation(c: char) -> bool {
    matches!(
        get_general_category(c),
        Category::ConnectorPunctuation
            | Category::DashPunctuation
            | Category::OpenPunctuation
            | Category::ClosePunctuation
            | Category::InitialPunctuation
            | Category::FinalPunctuation
            | Category::OtherPunctuation
    )
}

fn is_symbol(c: char) -> bool {
    matches!(
        get_general_category(c),
        Category::MathSymbol | Category::CurrencySymbol | Category::ModifierSymbol | Category::OtherSymbol
    )
}
