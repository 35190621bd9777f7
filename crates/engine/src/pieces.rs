//! The bytes of each token.

use crate::constraint::TokenTrie;

/// Bytes of all tokens in one allocation, by id.
#[derive(Debug, Default)]
pub struct Pieces {
    bytes: Vec<u8>,
    /// Where each token's bytes end.
    ends: Vec<u32>,
}

impl Pieces {
    /// Takes the bytes of tokens, in the order of their ids.
    pub fn collect<B: AsRef<[u8]>>(tokens: impl Iterator<Item = B>) -> Self {
        let mut pieces = Self::default();
        for token in tokens {
            pieces.bytes.extend_from_slice(token.as_ref());
            pieces.ends.push(u32::try_from(pieces.bytes.len()).unwrap_or(u32::MAX));
        }
        pieces
    }

    /// Number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no tokens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of a token; empty for unknown ids.
    #[must_use]
    pub fn get(&self, token: u32) -> &[u8] {
        let index = token as usize;
        let Some(&end) = self.ends.get(index) else { return &[] };
        let start = index.checked_sub(1).map_or(0, |previous| self.ends[previous]);
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    /// All of them as a trie, for answers that are held to a grammar.
    #[must_use]
    pub fn trie(&self) -> TokenTrie {
        let ids = 0..u32::try_from(self.len()).unwrap_or(u32::MAX);
        TokenTrie::new(ids.map(|token| self.get(token)))
    }
}

/// How a vocabulary writes bytes as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// GPT-2's alphabet of 256 visible characters, one per byte.
    ByteLevel,
    /// SentencePiece: `▁` is a space, `<0x0A>` a byte.
    SentencePiece,
    /// As it stands.
    Literal,
}

impl Spelling {
    /// The bytes that a token stands for.
    #[must_use]
    pub fn bytes(self, token: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel => {
                // A token outside the alphabet was added by hand and stands for itself.
                token.chars().map(char_byte).collect::<Option<_>>().unwrap_or_else(|| token.as_bytes().to_vec())
            }
            Self::SentencePiece => match hex_byte(token) {
                Some(byte) => vec![byte],
                None => token.replace('▁', " ").into_bytes(),
            },
            Self::Literal => token.as_bytes().to_vec(),
        }
    }
}

/// The byte of a SentencePiece byte token such as `<0x0A>`.
fn hex_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// True for bytes that GPT-2's alphabet writes as the character with the same number.
const fn is_visible(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The character of a byte in GPT-2's alphabet: visible Latin-1 characters stand for themselves, the
/// other 68 bytes for the characters from U+0100 on.
#[must_use]
pub fn byte_char(byte: u8) -> char {
    if is_visible(byte) {
        return char::from(byte);
    }
    let code_point = (0x100..).zip(HIDDEN).find(|&(_, hidden)| hidden == byte).map_or(0x100, |(code, _)| code);
    char::from_u32(code_point).expect("U+0100 to U+0143 are characters")
}

/// The reverse of [`byte_char`]; `None` outside the alphabet.
fn char_byte(character: char) -> Option<u8> {
    const FIRST_HIDDEN: u32 = 0x100;
    match u32::from(character).checked_sub(FIRST_HIDDEN) {
        None => u8::try_from(character).ok().filter(|&byte| is_visible(byte)),
        Some(index) => HIDDEN.get(index as usize).copied(),
    }
}

/// The bytes that [`is_visible`] refuses, in order.
const HIDDEN: [u8; 68] = {
    let mut hidden = [0; 68];
    let (mut byte, mut count) = (0_usize, 0);
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "the loop ends below 256")]
        if !is_visible(byte as u8) {
            hidden[count] = byte as u8;
            count += 1;
        }
        byte += 1;
    }
    hidden
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_reversible() {
        for byte in 0..=u8::MAX {
            assert_eq!(char_byte(byte_char(byte)), Some(byte), "byte {byte}");
        }
        assert_eq!(byte_char(b' '), 'Ġ');
        assert_eq!(byte_char(b'\n'), 'Ċ');
        assert_eq!(char_byte('é'), Some(0xE9));
        assert_eq!(char_byte('☃'), None);
    }

    #[test]
    fn tokens_become_bytes() {
        let check = |spelling: Spelling, token: &str, expected: &[u8]| {
            assert_eq!(spelling.bytes(token), expected, "{spelling:?} {token}");
        };
        check(Spelling::ByteLevel, "Ġhello", b" hello");
        check(Spelling::ByteLevel, "Ã©", "é".as_bytes());
        check(Spelling::ByteLevel, "<☃>", "<☃>".as_bytes());
        check(Spelling::SentencePiece, "▁hello", b" hello");
        check(Spelling::SentencePiece, "<0x0A>", b"\n");
        check(Spelling::SentencePiece, "<0x0A", b"<0x0A");
        check(Spelling::Literal, "Ġ", "Ġ".as_bytes());
    }

    #[test]
    fn pieces_are_found_by_id() {
        let pieces = Pieces::collect(["a", "", "bcd"].iter());
        let found: Vec<&[u8]> = (0..4).map(|id| pieces.get(id)).collect();
        assert_eq!(found, [&b"a"[..], b"", b"bcd", b""]);
    }
}
