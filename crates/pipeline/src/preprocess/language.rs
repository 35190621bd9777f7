//! Which language a text is in, and whether it is in any: a gate against text that decodes to nonsense.

use serde::{Deserialize, Serialize};
use whatlang::detect;

use super::blocks::{Block, BlockKind};

/// Characters of a window; below 200 the detection grows doubtful.
const WINDOW: usize = 300;
/// The fewest characters of prose that are judged.
const LEAST: usize = 200;
/// Windows at most, spread over the text: more would cost time and change little.
const WINDOWS: usize = 64;
/// Windows from which on a text can be told to be nonsense. Of windows of nonsense 4.5 % looked reliable, of proper text 97.5 %.
const WINDOWS_FOR_VERDICT: usize = 4;

/// What was found of a text's language.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Language {
    /// Code of three letters (ISO 639-3) of the language of most windows; `None` for too little prose.
    pub code: Option<String>,
    /// Windows of prose that were looked at.
    pub windows: u32,
    /// Share of them whose language is certain; `None` without a window.
    pub reliable: Option<f64>,
}

impl Language {
    /// Whether the prose is in no language at all, at a least share of windows that must be reliable. `None`: too little
    /// prose for a verdict.
    #[must_use]
    pub fn is_nonsense(&self, least_reliable: f64) -> Option<bool> {
        let share = self.reliable.filter(|_| self.windows as usize >= WINDOWS_FOR_VERDICT)?;
        Some(share < least_reliable)
    }
}

/// The language of the prose of a text: of its paragraphs, items and headings, not of code and tables.
#[must_use]
pub fn language(text: &str, blocks: &[Block]) -> Language {
    let prose = prose(text, blocks);
    let characters: Vec<usize> = prose.char_indices().map(|(at, _)| at).collect();
    if characters.len() < LEAST {
        return Language::default();
    }
    let possible = (characters.len() / WINDOW).max(1);
    let count = possible.min(WINDOWS);
    let mut found: Vec<(&'static str, u32)> = Vec::new();
    let mut reliable = 0_u32;
    for index in 0..count {
        let first = index * possible / count * WINDOW;
        let start = characters[first];
        let end = characters.get(first + WINDOW).copied().unwrap_or(prose.len());
        if let Some(info) = detect(&prose[start..end]).filter(whatlang::Info::is_reliable) {
            reliable += 1;
            let code = info.lang().code();
            match found.iter_mut().find(|(known, _)| *known == code) {
                Some((_, windows)) => *windows += 1,
                None => found.push((code, 1)),
            }
        }
    }
    // The name breaks a tie, so that the answer does not depend on the order.
    found.sort_by(|one, two| two.1.cmp(&one.1).then(one.0.cmp(two.0)));
    let windows = u32::try_from(count).unwrap_or(u32::MAX);
    Language {
        code: found.first().map(|(code, _)| (*code).to_owned()),
        windows,
        reliable: Some(f64::from(reliable) / f64::from(windows)),
    }
}

/// The language of a short text, where it is certain.
#[must_use]
pub fn certain_language(text: &str) -> Option<&'static str> {
    if text.chars().count() < LEAST {
        return None;
    }
    detect(text).filter(whatlang::Info::is_reliable).map(|info| info.lang().code())
}

fn prose(text: &str, blocks: &[Block]) -> String {
    let mut prose = String::new();
    for block in blocks {
        if matches!(block.kind, BlockKind::Paragraph | BlockKind::Item { .. } | BlockKind::Heading(_)) {
            let plain = text[block.range.clone()].chars().filter(|char| !matches!(char, '#' | '*' | '`' | '|' | '>'));
            prose.extend(plain.map(|char| if char == '\n' { ' ' } else { char }));
            prose.push(' ');
        }
    }
    prose
}

#[cfg(test)]
mod tests {
    use super::super::blocks::blocks;
    use super::*;

    const ENGLISH: &str = "The pipeline reads every document of a folder and tells what became of it. A file that cannot be read \
        is counted with its reason, and nothing is lost in silence. ";
    const GERMAN: &str = "Die Anlage liest jedes Dokument eines Ordners und sagt, was daraus geworden ist. Eine Datei, die nicht \
        gelesen werden kann, wird mit ihrem Grund gezählt, und nichts geht stillschweigend verloren. ";

    fn of(text: &str) -> Language {
        language(text, &blocks(text))
    }

    #[test]
    fn the_language_of_most_windows_counts() {
        assert_eq!(of(&ENGLISH.repeat(20)).code.as_deref(), Some("eng"));
        assert_eq!(of(&format!("{}{}", GERMAN.repeat(20), ENGLISH.repeat(3))).code.as_deref(), Some("deu"));
        assert_eq!(of("Short.").code, None);
    }

    #[test]
    fn shifted_letters_are_nonsense() {
        let shift =
            |char: char| if char.is_ascii_lowercase() { char::from((char as u8 - 29).clamp(33, 126)) } else { char };
        let nonsense: String = ENGLISH.repeat(20).chars().map(shift).collect();
        assert_eq!(of(&nonsense).is_nonsense(0.3), Some(true), "{:?}", of(&nonsense));
        assert_eq!(of(&ENGLISH.repeat(20)).is_nonsense(0.3), Some(false));
        assert_eq!(of(ENGLISH).is_nonsense(0.3), None);
    }
}
