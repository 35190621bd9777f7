//! Prompts that are exactly so many tokens long, for any tokenizer.

use weighbridge_engine::{Tokenizer, TokenizerError};

use super::text::{BYTES_PER_TOKEN_GUESS, GeneratedPrompt, PromptSettings, WordStream, beginning};

/// What is appended to reach the last tokens: short texts of which most vocabularies make one token each, alone and
/// repeated.
///
/// White space is the last resort: chat templates may trim it.
const FILLERS: &[&str] = &[" a", " the", ".", " 1", " x", "a", "!", "\n"];

/// Attempts to shorten a text by whole words before giving up. Each attempt removes at least one word, and the first
/// estimate is rarely off by more than two.
const SHORTENING_ATTEMPTS: u32 = 64;

/// A prompt that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// The tokenizer refused a text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The length has no room for what every prompt begins with.
    #[error("fit {fixed} tokens that every prompt begins with into a prompt of {tokens} tokens")]
    TooShort {
        /// The length asked for.
        tokens: u32,
        /// Tokens of the beginning: the beginning-of-sequence token, the salt, the shared prefix.
        fixed: u32,
    },
    /// No text of exactly this length was found.
    #[error("make a text of exactly {tokens} tokens: the closest one has {closest}")]
    Unreachable {
        /// The length asked for.
        tokens: u32,
        /// The greatest length below it that was reached.
        closest: u32,
    },
    /// The text after the shared prefix changes the prefix's tokens.
    #[error("keep a shared prefix of {tokens} tokens: the text after it merges with its end")]
    PrefixMerges {
        /// The length of the prefix.
        tokens: u32,
    },
}

impl PromptError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Tokenizer(_) => "check that the model's tokenizer covers plain ASCII text",
            Self::TooShort { .. } => "ask for a longer prompt, or for a shorter prefix or salt",
            Self::Unreachable { .. } | Self::PrefixMerges { .. } => "try a length that differs by a few tokens",
        }
    }
}

/// Makes a prompt that encodes to exactly `tokens` tokens, the beginning-of-sequence token included where the
/// tokenizer has one.
///
/// The result is verified: encoding the text again gives the promised count, and the same first
/// `shared_prefix_tokens` tokens for every index.
///
/// # Errors
/// When the beginning alone is longer than the prompt, when no text of that length is found, or when the tokenizer
/// fails.
///
/// ```
/// use weighbridge_engine::{Tokenizer, TokenizerError};
/// use weighbridge_workload::{PromptSettings, exact_prompt};
///
/// #[derive(Debug)]
/// struct Bytes;
/// impl Tokenizer for Bytes {
///     fn vocab_size(&self) -> u32 {
///         256
///     }
///     fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
///         Ok(text.bytes().map(u32::from).collect())
///     }
///     fn token_bytes(&self, token: u32) -> Vec<u8> {
///         u8::try_from(token).into_iter().collect()
///     }
///     fn bos(&self) -> Option<u32> {
///         None
///     }
///     fn eos(&self) -> &[u32] {
///         &[]
///     }
/// }
///
/// let prompt = exact_prompt(&Bytes, 128, &PromptSettings::default()).unwrap();
/// assert_eq!((prompt.text.len(), prompt.tokens), (128, Some(128)));
/// ```
pub fn exact_prompt(
    tokenizer: &dyn Tokenizer,
    tokens: u32,
    settings: &PromptSettings,
) -> Result<GeneratedPrompt, PromptError> {
    let bos_tokens = u32::from(tokenizer.bos().is_some());
    let salt = beginning(settings);
    let fixed = settings.shared_prefix_tokens.max(bos_tokens + count(tokenizer, &salt)?);
    // A prompt without any text is of no use, so that at least one token must be free.
    if tokens <= fixed {
        return Err(PromptError::TooShort { tokens, fixed });
    }
    let own_words = WordStream::new(settings.seed, Some(settings.index));
    let text = if settings.shared_prefix_tokens <= bos_tokens {
        extend(tokenizer, salt, own_words, tokens - bos_tokens)?
    } else {
        let shared = settings.shared_prefix_tokens - bos_tokens;
        let prefix = extend(tokenizer, salt, WordStream::new(settings.seed, None), shared)?;
        let text = extend(tokenizer, prefix.clone(), own_words, tokens - bos_tokens)?;
        if !tokenizer.encode(&text)?.starts_with(&tokenizer.encode(&prefix)?) {
            return Err(PromptError::PrefixMerges { tokens: settings.shared_prefix_tokens });
        }
        text
    };
    Ok(GeneratedPrompt { text, tokens: Some(tokens) })
}

/// Extends a text by words of the stream, then by fillers, until it has exactly `tokens` tokens.
fn extend(tokenizer: &dyn Tokenizer, start: String, stream: WordStream, tokens: u32) -> Result<String, PromptError> {
    let long = lengthen(tokenizer, start, stream, tokens)?;
    let (mut text, mut reached) = shorten(tokenizer, &long, tokens)?;
    while reached < tokens {
        let Some((filler, length)) = best_filler(tokenizer, &text, reached, tokens)? else {
            return Err(PromptError::Unreachable { tokens, closest: reached });
        };
        text.push_str(&filler);
        reached = length;
    }
    Ok(text)
}

/// A text with the start, its byte length after each word, and its tokens: at least as many as wanted.
#[derive(Debug)]
struct LongText {
    text: String,
    /// Byte lengths at which the text may be cut; the first one is that of the start.
    cuts: Vec<usize>,
    ids: Vec<u32>,
}

fn lengthen(
    tokenizer: &dyn Tokenizer,
    start: String,
    mut stream: WordStream,
    tokens: u32,
) -> Result<LongText, PromptError> {
    let mut text = start;
    let mut cuts = vec![text.len()];
    let mut bytes = f64::from(tokens) * BYTES_PER_TOKEN_GUESS;
    loop {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive, moderate length")]
        while text.len() < bytes as usize + cuts[0] {
            stream.push_word(&mut text);
            cuts.push(text.len());
        }
        let ids = tokenizer.encode(&text)?;
        if ids.len() >= tokens as usize {
            return Ok(LongText { text, cuts, ids });
        }
        bytes *= 1.5;
    }
}

/// The longest beginning, in whole words, that has at most `tokens` tokens.
fn shorten(tokenizer: &dyn Tokenizer, long: &LongText, tokens: u32) -> Result<(String, u32), PromptError> {
    let kept: usize = long.ids[..tokens as usize].iter().map(|&token| tokenizer.token_bytes(token).len()).sum();
    let mut place = long.cuts.partition_point(|&cut| cut <= kept).saturating_sub(1);
    for _ in 0..SHORTENING_ATTEMPTS {
        let text = &long.text[..long.cuts[place]];
        let reached = count(tokenizer, text)?;
        if reached <= tokens {
            return Ok((text.to_owned(), reached));
        }
        // A word has at least one token, so that removing half the excess never removes too much.
        let excess = (reached - tokens) as usize;
        if place == 0 {
            break;
        }
        place = place.saturating_sub(excess.div_ceil(2));
    }
    let text = &long.text[..long.cuts[0]];
    Ok((text.to_owned(), count(tokenizer, text)?))
}

/// The filler text that comes closest to `tokens` without passing it, with the length that it reaches; `None` if no
/// filler adds a token and fits.
fn best_filler(
    tokenizer: &dyn Tokenizer,
    text: &str,
    reached: u32,
    tokens: u32,
) -> Result<Option<(String, u32)>, PromptError> {
    let missing = (tokens - reached) as usize;
    let mut best: Option<(String, u32)> = None;
    for filler in FILLERS {
        for repeated in [missing, 1] {
            let candidate = filler.repeat(repeated);
            let length = count(tokenizer, &format!("{text}{candidate}"))?;
            if length == tokens {
                return Ok(Some((candidate, length)));
            }
            let held = best.as_ref().map_or(reached, |(_, held)| *held);
            if length > held && length < tokens {
                best = Some((candidate, length));
            }
        }
    }
    Ok(best)
}

fn count(tokenizer: &dyn Tokenizer, text: &str) -> Result<u32, PromptError> {
    let length = tokenizer.encode(text)?.len();
    Ok(u32::try_from(length).expect("a prompt is far below four thousand million tokens"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokenizers that differ in how much a token holds and in what its borders depend on.
    #[derive(Debug, Clone, Copy)]
    enum Kind {
        /// A token for each byte.
        Bytes,
        /// A token for each two bytes, so that borders depend on all the text before.
        Pairs,
        /// A word with its space is one token; words over five bytes are cut every five bytes.
        Words,
        /// Two tokens for each byte: odd lengths do not exist.
        Double,
    }

    #[derive(Debug)]
    struct Fake {
        kind: Kind,
        has_bos: bool,
    }

    impl Fake {
        fn pieces(&self, text: &str) -> Vec<Vec<u8>> {
            let bytes = text.as_bytes();
            match self.kind {
                Kind::Bytes => bytes.chunks(1).map(<[u8]>::to_vec).collect(),
                Kind::Pairs => bytes.chunks(2).map(<[u8]>::to_vec).collect(),
                Kind::Double => bytes.iter().flat_map(|&byte| [vec![byte], Vec::new()]).collect(),
                Kind::Words => {
                    let mut pieces = Vec::new();
                    let mut start = 0;
                    for end in 1..=bytes.len() {
                        let is_border = end == bytes.len() || bytes[end].is_ascii_whitespace();
                        if is_border || end - start == 5 {
                            pieces.push(bytes[start..end].to_vec());
                            start = end;
                        }
                    }
                    pieces
                }
            }
        }
    }

    impl Tokenizer for Fake {
        fn vocab_size(&self) -> u32 {
            u32::MAX
        }

        /// A token's id holds its length and a digest of its bytes.
        fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
            let id = |piece: &Vec<u8>| {
                let digest = piece.iter().fold(7_u32, |hash, &byte| hash.wrapping_mul(31) ^ u32::from(byte));
                digest << 3 | u32::try_from(piece.len()).unwrap()
            };
            Ok(self.pieces(text).iter().map(id).collect())
        }

        fn token_bytes(&self, token: u32) -> Vec<u8> {
            vec![b'?'; (token & 7) as usize]
        }

        fn bos(&self) -> Option<u32> {
            self.has_bos.then_some(0)
        }

        fn eos(&self) -> &[u32] {
            &[]
        }
    }

    fn make(kind: Kind, has_bos: bool, tokens: u32, settings: &PromptSettings) -> Result<String, PromptError> {
        let tokenizer = Fake { kind, has_bos };
        let prompt = exact_prompt(&tokenizer, tokens, settings)?;
        let length = tokenizer.encode(&prompt.text).unwrap().len() + usize::from(has_bos);
        assert_eq!(length, tokens as usize, "{kind:?}");
        assert_eq!(prompt.tokens, Some(tokens));
        Ok(prompt.text)
    }

    #[test]
    fn every_length_is_reached() {
        for kind in [Kind::Bytes, Kind::Pairs, Kind::Words] {
            for has_bos in [false, true] {
                for tokens in (2..80).chain([127, 128, 512, 1024, 2048, 8192]) {
                    make(kind, has_bos, tokens, &PromptSettings::default()).unwrap();
                }
            }
        }
    }

    #[test]
    fn prompts_share_their_prefix_and_nothing_more() {
        for kind in [Kind::Bytes, Kind::Words] {
            let tokenizer = Fake { kind, has_bos: true };
            let ids = |index| {
                let settings =
                    PromptSettings { seed: 3, index, shared_prefix_tokens: 100, salt: Some("b7".to_owned()) };
                let text = make(kind, true, 300, &settings).unwrap();
                assert!(text.starts_with("Run b7."));
                tokenizer.encode(&text).unwrap()
            };
            let (first, second) = (ids(1), ids(2));
            // One of the hundred is the beginning of the sequence.
            assert_eq!(first[..99], second[..99]);
            let common = first.iter().zip(&second).take_while(|(left, right)| left == right).count();
            assert!((99..=101).contains(&common), "{kind:?} shares {common}");
        }
    }

    #[test]
    fn a_salt_changes_the_first_tokens() {
        let with = |salt: &str| PromptSettings { salt: Some(salt.to_owned()), ..PromptSettings::default() };
        let (left, right) = (with("a1"), with("b2"));
        let text = |settings| make(Kind::Words, false, 64, settings).unwrap();
        assert_ne!(text(&left)[..6], text(&right)[..6]);
    }

    #[test]
    fn impossible_lengths_are_errors() {
        let check = |kind, tokens, settings: &PromptSettings, expected| {
            assert_eq!(make(kind, true, tokens, settings), Err(expected));
        };
        let plain = PromptSettings::default();
        check(Kind::Bytes, 0, &plain, PromptError::TooShort { tokens: 0, fixed: 1 });
        check(Kind::Bytes, 1, &plain, PromptError::TooShort { tokens: 1, fixed: 1 });
        let shared = PromptSettings { shared_prefix_tokens: 64, ..plain.clone() };
        check(Kind::Words, 64, &shared, PromptError::TooShort { tokens: 64, fixed: 64 });
        check(Kind::Double, 64, &plain, PromptError::Unreachable { tokens: 63, closest: 62 });
        let odd = PromptSettings { shared_prefix_tokens: 12, salt: None, ..plain };
        check(Kind::Double, 41, &odd, PromptError::Unreachable { tokens: 11, closest: 10 });
    }
}
