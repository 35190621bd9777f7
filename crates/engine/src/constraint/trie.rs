//! A vocabulary as a trie of bytes, and sets of its tokens.

use std::fmt;
use std::sync::{Arc, OnceLock};

/// Longest token that is used under a constraint, bytes; longer ones are few and are white space or rules. It bounds recursion.
const LONGEST_TOKEN: usize = 256;

/// The tokens of a vocabulary by their bytes. An engine makes it once.
pub struct TokenTrie {
    /// In the order of a walk that goes down first: a node, what is below it, then what is beside it.
    nodes: Vec<TrieNode>,
    /// Tokens in the order of their nodes.
    tokens: Vec<u32>,
    /// Number of token ids.
    len: usize,
    /// Made with the first string of all.
    in_text: OnceLock<TextTokens>,
    identity: Arc<()>,
}

#[derive(Clone, Copy, Debug)]
struct TrieNode {
    byte: u8,
    /// The node after all that are below this one.
    end: u32,
    /// Place of its first token; those below it follow.
    first_token: u32,
}

/// What follows in a string of which nothing is asked but its length, between two characters.
#[derive(Debug)]
pub(super) struct TextTokens {
    /// Tokens that stay in the string.
    pub(super) inside: TokenMask,
    /// Characters of each of these that are begun, by token.
    pub(super) characters: Vec<u16>,
    /// The most of them.
    pub(super) most: u32,
    /// Nodes whose byte is the closing quote, with the characters before it.
    pub(super) closing: Vec<(u32, u32)>,
}

impl TokenTrie {
    /// Makes it of the bytes of tokens, by id. Tokens without bytes, such as special ones, are never allowed under a constraint.
    pub fn new<B: AsRef<[u8]>>(tokens: impl IntoIterator<Item = B>) -> Self {
        let mut sorted: Vec<(B, u32)> = tokens.into_iter().zip(0..).collect();
        let len = sorted.len();
        sorted.retain(|(bytes, _)| (1..=LONGEST_TOKEN).contains(&bytes.as_ref().len()));
        sorted.sort_unstable_by(|(a, first), (b, second)| (a.as_ref(), first).cmp(&(b.as_ref(), second)));
        let mut trie = Self {
            nodes: vec![TrieNode { byte: 0, end: 0, first_token: 0 }],
            tokens: Vec::with_capacity(sorted.len()),
            len,
            in_text: OnceLock::new(),
            identity: Arc::default(),
        };
        // The nodes of the token before, from the root down.
        let mut path: Vec<usize> = Vec::new();
        let mut before: &[u8] = &[];
        for (bytes, token) in &sorted {
            let bytes = bytes.as_ref();
            let shared = before.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            trie.close(&path.split_off(shared));
            for &byte in &bytes[shared..] {
                path.push(trie.nodes.len());
                trie.nodes.push(TrieNode { byte, end: 0, first_token: count(trie.tokens.len()) });
            }
            trie.tokens.push(*token);
            before = bytes;
        }
        trie.close(&path);
        trie.close(&[0]);
        trie
    }

    fn close(&mut self, nodes: &[usize]) {
        let end = count(self.nodes.len());
        nodes.iter().for_each(|&node| self.nodes[node].end = end);
    }

    /// Number of token ids.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no tokens.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The same for this trie and no other, for as long as it is held.
    pub(super) const fn identity(&self) -> &Arc<()> {
        &self.identity
    }

    /// The node that has no byte.
    pub(super) const ROOT: u32 = 0;

    #[inline]
    pub(super) fn byte(&self, node: u32) -> u8 {
        self.nodes[node as usize].byte
    }

    /// The node after all that are below this one.
    #[inline]
    pub(super) fn end(&self, node: u32) -> u32 {
        self.nodes[node as usize].end
    }

    /// Tokens whose last byte is that of a node.
    #[inline]
    pub(super) fn tokens(&self, node: u32) -> &[u32] {
        let first = self.nodes[node as usize].first_token as usize;
        // The next node has the next tokens, whether it is below or beside this one.
        let end = self.nodes.get(node as usize + 1).map_or(self.tokens.len(), |next| next.first_token as usize);
        &self.tokens[first..end]
    }

    /// Tokens whose bytes begin with those of a node.
    pub(super) fn tokens_within(&self, node: u32) -> &[u32] {
        let first = self.nodes[node as usize].first_token as usize;
        let end = self.nodes.get(self.end(node) as usize).map_or(self.tokens.len(), |next| next.first_token as usize);
        &self.tokens[first..end]
    }

    /// What follows in a string, as `make` finds it for the first who asks.
    pub(super) fn in_text(&self, make: impl FnOnce() -> TextTokens) -> &TextTokens {
        self.in_text.get_or_init(make)
    }
}

impl fmt::Debug for TokenTrie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenTrie").field("tokens", &self.tokens.len()).field("nodes", &self.nodes.len()).finish()
    }
}

/// Of what was allocated: there are fewer than 2^32.
fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// A set of tokens, a bit for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenMask {
    bits: Vec<u64>,
    len: usize,
}

impl TokenMask {
    /// Without a token, of so many ids.
    #[must_use]
    pub fn none(len: usize) -> Self {
        Self { bits: vec![0; len.div_ceil(64)], len }
    }

    /// Number of token ids.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no token is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|&bits| bits == 0)
    }

    /// Whether a token is in it.
    #[must_use]
    #[inline]
    pub fn contains(&self, token: u32) -> bool {
        self.bits.get(token as usize / 64).is_some_and(|bits| bits >> (token % 64) & 1 == 1)
    }

    /// Takes a token in; ids beyond the last are left aside.
    #[inline]
    pub fn insert(&mut self, token: u32) {
        if (token as usize) < self.len {
            self.bits[token as usize / 64] |= 1 << (token % 64);
        }
    }

    /// Takes a token out.
    pub fn remove(&mut self, token: u32) {
        if let Some(bits) = self.bits.get_mut(token as usize / 64) {
            *bits &= !(1 << (token % 64));
        }
    }

    /// The tokens in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0..).step_by(64).zip(&self.bits).flat_map(|(first, &bits)| {
            let mut bits = bits;
            std::iter::from_fn(move || {
                let token = (bits != 0).then(|| first + bits.trailing_zeros());
                bits &= bits.wrapping_sub(1);
                token
            })
        })
    }

    /// Takes all tokens out.
    pub fn clear(&mut self) {
        self.bits.fill(0);
    }

    /// Takes in what is in another set of as many ids.
    pub(super) fn merge(&mut self, other: &Self) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(bits, more)| *bits |= more);
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bits.len() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All tokens with their bytes, as a walk finds them.
    fn walk(trie: &TokenTrie, node: u32, bytes: &[u8], found: &mut Vec<(u32, Vec<u8>)>) {
        let mut child = node + 1;
        while child < trie.end(node) {
            let bytes = [bytes, &[trie.byte(child)]].concat();
            found.extend(trie.tokens(child).iter().map(|&token| (token, bytes.clone())));
            walk(trie, child, &bytes, found);
            child = trie.end(child);
        }
    }

    #[test]
    fn every_token_is_found_at_its_bytes() {
        let tokens = ["b", "", "ab", "a", "abc", "ab", "é", "xyz"];
        let trie = TokenTrie::new(tokens);
        let mut found = Vec::new();
        walk(&trie, TokenTrie::ROOT, &[], &mut found);
        found.sort_unstable();
        let expected = (0..).zip(tokens).filter(|(_, text)| !text.is_empty());
        assert_eq!(found, expected.map(|(id, text)| (id, text.as_bytes().to_vec())).collect::<Vec<_>>());
        assert_eq!(trie.len(), 8);
        assert!(trie.tokens(TokenTrie::ROOT).is_empty());
        assert_eq!(trie.tokens_within(TokenTrie::ROOT), [3, 2, 5, 4, 0, 7, 6]);
        assert_eq!(trie.tokens_within(2), [2, 5, 4]);
        assert!(TokenTrie::new([[0; LONGEST_TOKEN + 1]]).nodes.len() == 1);
    }

    #[test]
    fn masks_hold_what_was_taken_in() {
        let mut mask = TokenMask::none(70);
        assert!(mask.is_empty());
        [0, 63, 64, 69, 70, 1000].into_iter().for_each(|token| mask.insert(token));
        let held: Vec<u32> = (0..2000).filter(|&token| mask.contains(token)).collect();
        assert_eq!(held, [0, 63, 64, 69]);
        assert!(mask.iter().eq(held));
        [63, 1000].into_iter().for_each(|token| mask.remove(token));
        assert!(mask.contains(0) && !mask.contains(63));
        mask.clear();
        assert!(mask.is_empty());
    }
}
