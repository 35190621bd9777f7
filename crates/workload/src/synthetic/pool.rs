//! Text made once, from which prompts are cut in a microsecond.

use std::fmt;
use std::sync::Arc;

use weighbridge_engine::Tokenizer;

use super::words::WORDS;
use crate::draws::Draws;

/// Words of the pool. A prompt is cut from it at a random place; a longer one goes around it.
const POOL_WORDS: usize = 1 << 15;

/// Words drawn one by one at the beginning of each text. With 64 words to choose from they are 48 bits: two prompts
/// that share them, or a block of a prefix cache, are not met.
const HEAD_WORDS: u32 = 8;

/// Fewest words worth having.
const WORDS_MIN: usize = 64;

/// Most words looked for in a vocabulary.
const WORDS_MAX: usize = 1024;

/// Text from which prompts are cut.
///
/// With a tokenizer, its words are such that each is one token, alone and beside every other, so that a prompt of n
/// words has n tokens without being encoded. The pool checks that when it is made. Without one, its words are common
/// English ones, of which most vocabularies make one token each; lengths are then approximate, and said to be unknown.
pub struct TextPool {
    words: Words,
    text: String,
    /// Where each word of the text begins, and its end.
    cuts: Vec<u32>,
    tokenizer: Option<Arc<dyn Tokenizer>>,
    is_exact: bool,
}

impl fmt::Debug for TextPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words.within.len();
        f.debug_struct("TextPool").field("words", &words).field("is_exact", &self.is_exact).finish_non_exhaustive()
    }
}

impl Default for TextPool {
    fn default() -> Self {
        Self::without_tokenizer()
    }
}

impl TextPool {
    /// A pool of common words; lengths are approximate.
    #[must_use]
    pub fn without_tokenizer() -> Self {
        Self::of(common_words(), None, false)
    }

    /// A pool of words that are one token each. Where the vocabulary has none, lengths are made by
    /// [`exact_prompt`](crate::exact_prompt) for single prompts, which takes milliseconds, and are else approximate.
    #[must_use]
    pub fn new(tokenizer: Arc<dyn Tokenizer>) -> Self {
        let kinds = [|_: &dyn Tokenizer| common_words(), words_of_vocabulary, |_: &dyn Tokenizer| characters()];
        for kind in kinds {
            let words = kind(&*tokenizer).of_one_token(&*tokenizer);
            if words.within.len() >= WORDS_MIN && words.first.len() >= WORDS_MIN / 2 {
                let pool = Self::of(words, Some(Arc::clone(&tokenizer)), true);
                if pool.adds_up() {
                    return pool;
                }
            }
        }
        Self { tokenizer: Some(tokenizer), ..Self::without_tokenizer() }
    }

    /// Whether the lengths of what is cut from it are exact.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// The tokenizer that it was made with.
    #[must_use]
    pub fn tokenizer(&self) -> Option<&dyn Tokenizer> {
        self.tokenizer.as_deref()
    }

    /// Tokens that stand before every text that is not a chat.
    pub(crate) fn bos_tokens(&self) -> u32 {
        u32::from(self.tokenizer.as_ref().is_some_and(|tokenizer| tokenizer.bos().is_some()))
    }

    /// A text of so many words.
    pub(crate) fn text(&self, words: u32, draws: &mut Draws) -> String {
        let mut text = String::new();
        self.push(&mut text, words, draws);
        text
    }

    /// Appends so many words.
    pub(crate) fn push(&self, text: &mut String, words: u32, draws: &mut Draws) {
        let bytes_per_word = self.text.len() / POOL_WORDS + 1;
        text.reserve(words as usize * bytes_per_word);
        for _ in 0..words.min(HEAD_WORDS) {
            let table = if text.is_empty() { &self.words.first } else { &self.words.within };
            text.push_str(&table[draws.position(table.len())]);
        }
        let mut rest = words.saturating_sub(HEAD_WORDS) as usize;
        let mut start = draws.position(POOL_WORDS);
        while rest > 0 {
            let end = POOL_WORDS.min(start + rest);
            text.push_str(&self.text[self.cuts[start] as usize..self.cuts[end] as usize]);
            rest -= end - start;
            start = 0;
        }
    }

    fn of(words: Words, tokenizer: Option<Arc<dyn Tokenizer>>, is_exact: bool) -> Self {
        // The seed is fixed: what tells prompts apart is the place of the cut and the words before it.
        let mut draws = Draws::new(0, "pool", 0);
        let mut text = String::new();
        let mut cuts = Vec::with_capacity(POOL_WORDS + 1);
        let mut end = 0;
        for _ in 0..POOL_WORDS {
            cuts.push(end);
            let word = &words.within[draws.position(words.within.len())];
            text.push_str(word);
            end += u32::try_from(word.len()).expect("a token has few bytes");
        }
        cuts.push(end);
        Self { words, text, cuts, tokenizer, is_exact }
    }

    /// Whether texts have as many tokens as words, tried with each word in several neighborhoods.
    fn adds_up(&self) -> bool {
        let Some(tokenizer) = &self.tokenizer else { return false };
        let mut draws = Draws::new(1, "pool", 0);
        let count = u32::try_from(self.words.within.len().max(256)).unwrap_or(u32::MAX);
        (0..4).all(|_| {
            let text = self.text(count, &mut draws);
            let heads = (0..count / 8)
                .map(|_| self.text(3, &mut draws))
                .all(|head| tokenizer.encode(&head).is_ok_and(|ids| ids.len() == 3));
            heads && tokenizer.encode(&text).is_ok_and(|ids| ids.len() == count as usize)
        })
    }
}

/// Words as they stand within a text, and as they begin one.
struct Words {
    within: Vec<Box<str>>,
    first: Vec<Box<str>>,
}

impl Words {
    /// Those that are one token each.
    fn of_one_token(self, tokenizer: &dyn Tokenizer) -> Self {
        let kept = |words: Vec<Box<str>>| {
            let is_single = |word: &str| tokenizer.encode(word).is_ok_and(|ids| ids.len() == 1);
            words.into_iter().filter(|word| is_single(word)).collect()
        };
        Self { within: kept(self.within), first: kept(self.first) }
    }
}

fn common_words() -> Words {
    let words = |before| WORDS.split_whitespace().map(|word| format!("{before}{word}").into_boxed_str()).collect();
    Words { within: words(" "), first: words("") }
}

/// Lower-case words of the vocabulary, with and without a space before them.
fn words_of_vocabulary(tokenizer: &dyn Tokenizer) -> Words {
    let mut words = Words { within: Vec::new(), first: Vec::new() };
    for token in 0..tokenizer.vocab_size() {
        let bytes = tokenizer.token_bytes(token);
        let (table, letters) = match bytes.strip_prefix(b" ") {
            Some(letters) => (&mut words.within, letters),
            None => (&mut words.first, bytes.as_slice()),
        };
        let is_word = (2..=24).contains(&letters.len()) && letters.iter().all(u8::is_ascii_lowercase);
        if is_word && table.len() < WORDS_MAX {
            table.push(String::from_utf8_lossy(&bytes).into_owned().into_boxed_str());
        }
        if words.within.len() == WORDS_MAX && words.first.len() == WORDS_MAX {
            break;
        }
    }
    words
}

/// Single printable characters, for vocabularies of bytes.
fn characters() -> Words {
    let characters = || (b'!'..=b'~').map(|byte| char::from(byte).to_string().into_boxed_str()).collect();
    Words { within: characters(), first: characters() }
}
