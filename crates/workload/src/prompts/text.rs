//! The text that prompts are cut from.

use crate::security;
use crate::source::Source;
use crate::task::Split;

/// Bytes of generated event text in one token of a large vocabulary; a guess for an endpoint whose
/// tokenizer is unknown.
///
/// Measured with a byte-level BPE of 65 thousand entries on two thousand generated documents.
/// Such text is dense in digits and punctuation; English prose has about twice as many.
pub const BYTES_PER_TOKEN_GUESS: f64 = 2.2;

/// What determines a prompt's text, apart from its length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PromptSettings {
    /// Seed of all random choices.
    pub seed: u64,
    /// Which prompt of the run; two prompts differ from the first word after the shared prefix.
    pub index: u64,
    /// Tokens at the beginning that all prompts of the seed have in common; 0 for none. Includes the
    /// beginning-of-sequence token where the model wants one. Only an exact prompt can have it.
    pub shared_prefix_tokens: u32,
    /// A text that begins every prompt, so that nothing that an earlier run left in a prefix cache
    /// can match; `None` for none.
    pub salt: Option<String>,
}

/// A prompt with what is known of its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedPrompt {
    /// The prompt.
    pub text: String,
    /// Tokens that the model reads, with the beginning-of-sequence token where it wants one. `None` where no
    /// tokenizer was at hand: the length is then approximate, and only the endpoint's own count can tell it.
    pub tokens: Option<u32>,
}

/// A prompt of exactly `words` words; its number of tokens is unknown.
#[must_use]
pub fn prompt_of_words(words: u32, settings: &PromptSettings) -> GeneratedPrompt {
    let mut text = beginning(settings);
    let mut stream = WordStream::new(settings.seed, Some(settings.index));
    let present = u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX);
    for _ in present..words {
        stream.push_word(&mut text);
    }
    GeneratedPrompt { text, tokens: None }
}

/// A prompt of exactly `bytes` bytes; its number of tokens is unknown.
#[must_use]
pub fn prompt_of_bytes(bytes: usize, settings: &PromptSettings) -> GeneratedPrompt {
    let mut text = beginning(settings);
    let mut stream = WordStream::new(settings.seed, Some(settings.index));
    while text.len() < bytes {
        stream.push_word(&mut text);
    }
    // Generated words are ASCII; only a salt can have wider characters.
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.extend(std::iter::repeat_n('.', bytes - end));
    GeneratedPrompt { text, tokens: None }
}

/// The salt as it stands at the beginning; empty without one.
pub(super) fn beginning(settings: &PromptSettings) -> String {
    settings.salt.as_ref().map(|salt| format!("Run {salt}.")).unwrap_or_default()
}

/// An endless text of events, word by word. Each word carries the space or the line break before it.
#[derive(Debug)]
pub(super) struct WordStream {
    seed: u64,
    index: Option<u64>,
    line: u64,
    words: Vec<String>,
    place: usize,
}

impl WordStream {
    /// The text of prompt `index`; that of the shared prefix without one.
    pub(super) fn new(seed: u64, index: Option<u64>) -> Self {
        // The first word tells prompts apart before their first line happens to.
        let words = index.map(|index| format!(" {:08x}", mixed(seed, index))).into_iter().collect();
        Self { seed, index, line: 0, words, place: 0 }
    }

    /// Appends the next word. No text begins with white space, which chat templates may trim.
    pub(super) fn push_word(&mut self, text: &mut String) {
        let word = self.next_word();
        text.push_str(if text.is_empty() { word.trim_start() } else { word });
    }

    fn next_word(&mut self) -> &str {
        if self.place == self.words.len() {
            self.words = self.next_line();
            self.place = 0;
        }
        self.place += 1;
        &self.words[self.place - 1]
    }

    fn next_line(&mut self) -> Vec<String> {
        let name = self.index.map_or("prompt/shared".to_owned(), |index| format!("prompt/{index}"));
        let mut source = Source::new(self.seed, &name, Split::Train, self.line);
        let event = security::any_event(&mut source);
        self.line += 1;
        let mut words: Vec<String> = event.split_whitespace().map(|word| format!(" {word}")).collect();
        if let Some(first) = words.first_mut() {
            first.replace_range(..1, "\n");
        }
        words
    }
}

/// Eight hexadecimal digits that differ between neighboring indices from the first digit on.
///
/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014), cut to 32 bits.
fn mixed(seed: u64, index: u64) -> u32 {
    let mut value = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from((value ^ (value >> 31)) >> 32).expect("the upper half of 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(salt: Option<&str>) -> PromptSettings {
        PromptSettings { seed: 5, index: 2, salt: salt.map(str::to_owned), ..PromptSettings::default() }
    }

    #[test]
    fn words_and_bytes_are_counted_exactly() {
        for salt in [None, Some("größe-7")] {
            for count in [4, 5, 17, 100, 1000] {
                let words = prompt_of_words(count, &settings(salt)).text;
                assert_eq!(words.split_whitespace().count(), count as usize, "{salt:?}");
                let bytes = prompt_of_bytes(count as usize, &settings(salt));
                assert_eq!((bytes.text.len(), bytes.tokens), (count as usize, None), "{salt:?}");
            }
        }
    }

    #[test]
    fn prompts_of_a_run_differ_at_once_and_repeat_between_runs() {
        let text = |index| prompt_of_words(50, &PromptSettings { index, ..settings(None) }).text;
        assert_eq!(text(1), text(1));
        for index in 0..50 {
            assert_ne!(text(index)[..8], text(index + 1)[..8]);
        }
    }
}
