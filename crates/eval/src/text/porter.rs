//! Porter's stemmer (1980) with the extensions of NLTK, which rouge-score uses.

/// Words whose stem no rule finds.
const IRREGULAR: [(&str, &str); 15] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
];

/// A suffix, and what replaces it.
type Rule = (&'static str, &'static str);

const STEP_2: [Rule; 21] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];

const STEP_3: [Rule; 7] =
    [("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];

const STEP_4: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
];

/// The stem of a word of lower-case letters and digits.
pub(super) fn stem(word: &str) -> String {
    if let Some((_, stem)) = IRREGULAR.iter().find(|(known, _)| *known == word) {
        return (*stem).to_owned();
    }
    if word == "succeed" || word.len() <= 2 {
        return word.to_owned();
    }
    let mut word = word.as_bytes().to_vec();
    plurals(&mut word);
    participles(&mut word);
    final_y(&mut word);
    double_suffix(&mut word);
    replace_first(&mut word, &STEP_3, |stem| measure(stem) > 0);
    strip(&mut word);
    final_e(&mut word);
    if word.ends_with(b"ll") && measure(&word[..word.len() - 1]) > 1 {
        word.pop();
    }
    String::from_utf8(word).unwrap_or_default()
}

fn plurals(word: &mut Vec<u8>) {
    if word.ends_with(b"ies") && word.len() == 4 {
        word.pop();
    } else if word.ends_with(b"sses") || word.ends_with(b"ies") {
        word.truncate(word.len() - 2);
    } else if word.ends_with(b"s") && !word.ends_with(b"ss") {
        word.pop();
    }
}

fn participles(word: &mut Vec<u8>) {
    if word.ends_with(b"ied") {
        word.truncate(word.len() - if word.len() == 4 { 1 } else { 2 });
        return;
    }
    if word.ends_with(b"eed") {
        if measure(&word[..word.len() - 3]) > 0 {
            word.pop();
        }
        return;
    }
    let cut = [&b"ed"[..], b"ing"]
        .into_iter()
        .find(|suffix| word.ends_with(suffix) && has_vowel(&word[..word.len() - suffix.len()]));
    let Some(suffix) = cut else { return };
    word.truncate(word.len() - suffix.len());
    if word.ends_with(b"at") || word.ends_with(b"bl") || word.ends_with(b"iz") {
        word.push(b'e');
    } else if ends_double(word) {
        if !matches!(word.last(), Some(b'l' | b's' | b'z')) {
            word.pop();
        }
    } else if measure(word) == 1 && ends_short(word) {
        word.push(b'e');
    }
}

fn final_y(word: &mut [u8]) {
    let Some((last, stem)) = word.split_last_mut() else { return };
    if *last == b'y' && stem.len() > 1 && consonants(stem).last() == Some(&true) {
        *last = b'i';
    }
}

fn double_suffix(word: &mut Vec<u8>) {
    while word.ends_with(b"alli") && measure(&word[..word.len() - 4]) > 0 {
        word.truncate(word.len() - 2);
    }
    if replace_first(word, &STEP_2, |stem| measure(stem) > 0) {
        return;
    }
    // The measure is that of the word with its `l`.
    if word.ends_with(b"logi") && measure(&word[..word.len() - 3]) > 0 {
        word.pop();
    }
}

/// Applies the first rule whose suffix fits, if its stem does; whether one fitted.
fn replace_first(word: &mut Vec<u8>, rules: &[Rule], fits: impl Fn(&[u8]) -> bool) -> bool {
    let Some((suffix, replacement)) = rules.iter().find(|(suffix, _)| word.ends_with(suffix.as_bytes())) else {
        return false;
    };
    let length = word.len() - suffix.len();
    if fits(&word[..length]) {
        word.truncate(length);
        word.extend_from_slice(replacement.as_bytes());
    }
    true
}

fn strip(word: &mut Vec<u8>) {
    let Some(suffix) = STEP_4.iter().find(|suffix| word.ends_with(suffix.as_bytes())) else { return };
    let length = word.len() - suffix.len();
    let stem = &word[..length];
    if measure(stem) > 1 && (*suffix != "ion" || matches!(stem.last(), Some(b's' | b't'))) {
        word.truncate(length);
    }
}

fn final_e(word: &mut Vec<u8>) {
    let Some((b'e', stem)) = word.split_last() else { return };
    if measure(stem) > 1 || (measure(stem) == 1 && !ends_short(stem)) {
        word.pop();
    }
}

/// Whether each letter is a consonant: `y` is one after a vowel and at the start.
fn consonants(word: &[u8]) -> Vec<bool> {
    let mut flags = Vec::with_capacity(word.len());
    for &letter in word {
        let flag = match letter {
            b'a' | b'e' | b'i' | b'o' | b'u' => false,
            b'y' => flags.last().is_none_or(|before: &bool| !before),
            _ => true,
        };
        flags.push(flag);
    }
    flags
}

/// How often a consonant follows a vowel.
fn measure(stem: &[u8]) -> usize {
    consonants(stem).windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

fn has_vowel(stem: &[u8]) -> bool {
    consonants(stem).contains(&false)
}

fn ends_double(word: &[u8]) -> bool {
    let n = word.len();
    n >= 2 && word[n - 1] == word[n - 2] && consonants(word)[n - 1]
}

/// Consonant, vowel, consonant other than w, x, y; or a word of a vowel and a consonant.
fn ends_short(word: &[u8]) -> bool {
    let flags = consonants(word);
    match flags.as_slice() {
        [false, true] => true,
        [.., true, false, true] => !matches!(word.last(), Some(b'w' | b'x' | b'y')),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// NLTK 3.10.4; `tests/vectors/make_text.py` made the pairs.
    #[test]
    fn stems_equal_nltk() {
        let vectors: serde_json::Value = serde_json::from_str(include_str!("../../tests/vectors/text.json")).unwrap();
        for pair in vectors["stems"].as_array().unwrap() {
            let word = pair[0].as_str().unwrap();
            assert_eq!(stem(word), pair[1].as_str().unwrap(), "{word}");
        }
    }

    proptest! {
        #[test]
        fn no_word_is_too_odd(word in "[a-z0-9]{0,12}") {
            let _ = stem(&word);
        }
    }
}
