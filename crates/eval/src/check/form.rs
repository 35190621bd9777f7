//! How an answer is built: words, lines, sentences, letters.

use std::collections::{HashMap, HashSet};

/// The words of a text in lower case, without outer punctuation.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let word = |word: &str| word.trim_matches(|char: char| !char.is_alphanumeric()).to_lowercase();
    text.split_whitespace().map(word).filter(|word| !word.is_empty()).collect()
}

/// Lines that are not empty.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Texts that end in `.`, `!` or `?` before white space or the end; what follows the last one is a sentence too.
#[must_use]
pub fn sentences(text: &str) -> Vec<&str> {
    let (mut found, mut start) = (Vec::new(), 0);
    let mut chars = text.char_indices().peekable();
    while let Some((place, char)) = chars.next() {
        let ends = matches!(char, '.' | '!' | '?') && chars.peek().is_none_or(|(_, next)| next.is_whitespace());
        if ends {
            let end = place + char.len_utf8();
            found.push(text[start..end].trim());
            start = end;
        }
    }
    found.push(text[start..].trim());
    found.retain(|sentence| sentence.chars().any(char::is_alphanumeric));
    found
}

/// Different runs of `n` words as a share of all of them, over several texts; `None` where no text has one.
///
/// Formula: distinct-n of Li et al. 2016 ("A diversity-promoting objective function for neural conversation models"),
/// divided by the runs rather than by the words.
#[must_use]
pub fn distinct(texts: &[String], n: usize) -> Option<f64> {
    let words: Vec<Vec<String>> = texts.iter().map(|text| words(text)).collect();
    let runs = || words.iter().flat_map(|words| words.windows(n));
    let all = runs().count();
    (all > 0).then(|| runs().collect::<HashSet<_>>().len() as f64 / all as f64)
}

pub(super) fn letters(word: &str) -> usize {
    word.chars().filter(|char| char.is_alphabetic()).count()
}

pub(super) fn has_all(answer: &str, wanted: &[String]) -> bool {
    let words = words(answer);
    wanted.iter().all(|wanted| words.contains(&wanted.to_lowercase()))
}

/// An empty answer does not count as one that kept away from words.
pub(super) fn has_none(answer: &str, unwanted: &[String]) -> bool {
    let words = words(answer);
    !words.is_empty() && !unwanted.iter().any(|unwanted| words.contains(&unwanted.to_lowercase()))
}

pub(super) fn line_initials(answer: &str) -> String {
    lines(answer)
        .filter_map(|line| line.chars().find(|char| char.is_alphabetic()))
        .flat_map(char::to_lowercase)
        .collect()
}

pub(super) fn all_begin_with(answer: &str, letter: char) -> bool {
    let words = words(answer);
    !words.is_empty() && words.iter().all(|word| word.starts_with(letter))
}

pub(super) fn is_growing(answer: &str) -> bool {
    let lengths: Vec<usize> = words(answer).iter().map(|word| letters(word)).collect();
    lengths.len() > 1 && lengths.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

pub(super) fn is_alphabetical(answer: &str) -> bool {
    let initials: Vec<char> = words(answer).iter().filter_map(|word| word.chars().next()).collect();
    !initials.is_empty() && initials.is_sorted()
}

pub(super) fn different(answer: &str) -> usize {
    words(answer).into_iter().collect::<HashSet<_>>().len()
}

pub(super) fn most_repeated(answer: &str) -> usize {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for word in words(answer) {
        *counts.entry(word).or_default() += 1;
    }
    counts.into_values().max().unwrap_or(0)
}

pub(super) fn all_are_questions(answer: &str) -> bool {
    let sentences = sentences(answer);
    !sentences.is_empty() && sentences.iter().all(|sentence| sentence.ends_with('?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_runs_are_counted_by_hand() {
        let texts = ["the cat sat".to_owned(), "The cat ran!".to_owned()];
        // the, cat, sat, ran of six words; the cat, cat sat, cat ran of four pairs.
        assert_eq!(distinct(&texts, 1), Some(4.0 / 6.0));
        assert_eq!(distinct(&texts, 2), Some(3.0 / 4.0));
        assert_eq!(distinct(&["one".to_owned()], 2), None);
    }
}
