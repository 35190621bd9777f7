//! Which tokens may follow: the trie of the vocabulary walked beside the grammar.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use super::Grammar;
use super::matcher::{Matcher, Thread, Top};
use super::nodes::Node;
use super::text::{TextState, TextStep};
use super::trie::{TextTokens, TokenMask, TokenTrie};

/// Bytes of the masks that a grammar keeps, at most. They are all forgotten when it is reached.
const MOST_BYTES: usize = 4 << 20;

/// Masks of states that were met, for one vocabulary.
#[derive(Debug, Default)]
pub(super) struct Masks {
    vocabulary: Option<Arc<()>>,
    by_state: HashMap<Box<[Thread]>, Arc<TokenMask>>,
    bytes: usize,
}

impl Masks {
    /// The mask of a state, if it is kept for this vocabulary.
    fn find(&self, trie: &TokenTrie, threads: &[Thread]) -> Option<Arc<TokenMask>> {
        let is_known = self.vocabulary.as_ref().is_some_and(|known| Arc::ptr_eq(known, trie.identity()));
        self.by_state.get(threads).filter(|_| is_known).cloned()
    }

    fn keep(&mut self, trie: &TokenTrie, threads: &[Thread], mask: &TokenMask) {
        let is_known = self.vocabulary.as_ref().is_some_and(|known| Arc::ptr_eq(known, trie.identity()));
        if !is_known || self.bytes + mask.bytes() > MOST_BYTES {
            *self = Self { vocabulary: Some(Arc::clone(trie.identity())), ..Self::default() };
        }
        self.bytes += mask.bytes();
        self.by_state.insert(threads.into(), Arc::new(mask.clone()));
    }
}

impl Matcher {
    /// Makes `mask` the tokens that may follow. Tokens that end a sequence have no bytes and are not among them: they may follow
    /// exactly when the text [is complete](Self::is_complete).
    pub fn allowed(&self, trie: &TokenTrie, mask: &mut TokenMask) {
        let masks = || self.grammar().masks.lock().unwrap_or_else(PoisonError::into_inner);
        let known = masks().find(trie, self.threads());
        if let Some(known) = known {
            mask.clone_from(&known);
            return;
        }
        self.compute_allowed(trie, mask);
        masks().keep(trie, self.threads(), mask);
    }

    /// The same without what is kept.
    fn compute_allowed(&self, trie: &TokenTrie, mask: &mut TokenMask) {
        *mask = TokenMask::none(trie.len());
        let mut walk = Walk { grammar: self.grammar(), trie, mask };
        let mut others: Vec<Thread> = Vec::new();
        // Readings that differ only in what is around the string.
        let mut texts: Vec<(TextState, Vec<Thread>)> = Vec::new();
        for thread in self.threads() {
            match thread.top {
                Top::Text { text, .. } => match texts.iter_mut().find(|(known, _)| *known == text) {
                    Some((_, threads)) => threads.push(thread.clone()),
                    None => texts.push((text, vec![thread.clone()])),
                },
                _ => others.push(thread.clone()),
            }
        }
        walk.below(TokenTrie::ROOT, &others);
        for (text, threads) in texts {
            walk.whole_text(text, &threads);
        }
    }
}

struct Walk<'a> {
    grammar: &'a Grammar,
    trie: &'a TokenTrie,
    mask: &'a mut TokenMask,
}

impl Walk<'_> {
    /// Takes in the tokens below a node.
    fn below(&mut self, node: u32, threads: &[Thread]) {
        if threads.is_empty() {
            return;
        }
        let mut next = Vec::new();
        let mut child = node + 1;
        let end = self.trie.end(node);
        while child < end {
            next.clear();
            self.grammar.step_into(threads, self.trie.byte(child), &mut next);
            let after = self.trie.end(child);
            if !next.is_empty() {
                self.trie.tokens(child).iter().for_each(|&token| self.mask.insert(token));
                if after > child + 1 {
                    self.inside(child, &next);
                }
            }
            child = after;
        }
    }

    fn inside(&mut self, node: u32, threads: &[Thread]) {
        match threads {
            [thread] if let Top::Text { text, .. } = thread.top => self.text_below(node, text, threads),
            threads => self.below(node, threads),
        }
    }

    /// Takes in all tokens that follow in a string.
    fn whole_text(&mut self, text: TextState, threads: &[Thread]) {
        if text.only_avoids_names() {
            return self.further_name(text, threads);
        }
        let Some((least, most)) = text.plain_limits() else {
            return self.text_below(TokenTrie::ROOT, text, threads);
        };
        let trie = self.trie;
        let tokens = trie.in_text(|| text_tokens(trie));
        if most >= tokens.most {
            self.mask.merge(&tokens.inside);
        } else {
            let fits = |token: &u32| u32::from(tokens.characters[*token as usize]) <= most;
            tokens.inside.iter().filter(fits).for_each(|token| self.mask.insert(token));
        }
        let closed = self.closed(threads);
        for &(node, _) in tokens.closing.iter().filter(|(_, characters)| (least..=most).contains(characters)) {
            self.after_text(node, &closed);
        }
    }

    /// Takes in all tokens that follow in the name of a further property: those of any string but for the few that make one of the
    /// names that it must not be.
    fn further_name(&mut self, text: TextState, threads: &[Thread]) {
        let trie = self.trie;
        let tokens = trie.in_text(|| text_tokens(trie));
        let mut inside = tokens.inside.clone();
        let mut refused: Vec<std::ops::Range<u32>> = Vec::new();
        let mut open = vec![(trie.end(TokenTrie::ROOT), text)];
        let mut node = TokenTrie::ROOT + 1;
        while let Some(&(end, text)) = open.last() {
            if node >= end {
                open.pop();
                continue;
            }
            let after = trie.end(node);
            match text.step(trie.byte(node), &self.grammar.nodes) {
                TextStep::On(text) if !text.is_free() => {
                    open.push((after, text));
                    node += 1;
                    continue;
                }
                // From here on it is as any string.
                TextStep::On(_) | TextStep::Closed => {}
                TextStep::Refused => {
                    trie.tokens_within(node).iter().for_each(|&token| inside.remove(token));
                    refused.push(node..after);
                }
            }
            node = after;
        }
        self.mask.merge(&inside);
        let closed = self.closed(threads);
        let mut refused = refused.into_iter().peekable();
        for &(node, _) in &tokens.closing {
            // Both are in the order of nodes.
            while refused.next_if(|refused| refused.end <= node).is_some() {}
            if !refused.peek().is_some_and(|refused| refused.contains(&node)) {
                self.after_text(node, &closed);
            }
        }
    }

    /// Takes in the tokens below a node that follow in a string.
    fn text_below(&mut self, node: u32, text: TextState, threads: &[Thread]) {
        let (trie, mask) = (self.trie, &mut *self.mask);
        let take_in = |node, _| trie.tokens(node).iter().for_each(|&token| mask.insert(token));
        let closing = walk_text(trie, &self.grammar.nodes, node, text, take_in);
        let closed = self.closed(threads);
        closing.into_iter().for_each(|(node, _)| self.after_text(node, &closed));
    }

    /// Readings of a string after its closing quote.
    fn closed(&self, threads: &[Thread]) -> Vec<Thread> {
        let closed = threads.iter().filter_map(|thread| match thread.top {
            Top::Text { closes, .. } => self.grammar.closed(closes, &thread.stack),
            _ => None,
        });
        closed.collect()
    }

    /// Goes on after a closing quote.
    fn after_text(&mut self, node: u32, closed: &[Thread]) {
        self.trie.tokens(node).iter().for_each(|&token| self.mask.insert(token));
        self.below(node, closed);
    }
}

/// The tokens of a vocabulary that follow in any string.
fn text_tokens(trie: &TokenTrie) -> TextTokens {
    let (mut inside, mut characters) = (TokenMask::none(trie.len()), vec![0; trie.len()]);
    let begun = |text: TextState| text.counted_characters();
    let take_in = |node, text| {
        for &token in trie.tokens(node) {
            inside.insert(token);
            characters[token as usize] = u16::try_from(begun(text)).unwrap_or(u16::MAX);
        }
    };
    let closing = walk_text(trie, &[], TokenTrie::ROOT, TextState::counting(), take_in);
    let closing = closing.into_iter().map(|(node, text)| (node, begun(text))).collect();
    let most = characters.iter().copied().max().unwrap_or_default().into();
    TextTokens { inside, characters, most, closing }
}

/// Visits the nodes below one that stay in a string. Returns those that close it, with the state before. Nearly all tokens follow in
/// a string, so that this is the longest walk: it has a loop of its own.
fn walk_text(
    trie: &TokenTrie,
    nodes: &[Node],
    from: u32,
    text: TextState,
    mut visit: impl FnMut(u32, TextState),
) -> Vec<(u32, TextState)> {
    let mut closing = Vec::new();
    // States before what is below a node, with where it ends.
    let mut open = vec![(trie.end(from), text)];
    let mut node = from + 1;
    while let Some(&(end, text)) = open.last() {
        if node >= end {
            open.pop();
            continue;
        }
        let after = trie.end(node);
        match text.step(trie.byte(node), nodes) {
            TextStep::Refused => node = after,
            TextStep::Closed => {
                closing.push((node, text));
                node = after;
            }
            TextStep::On(text) => {
                visit(node, text);
                node += 1;
                if after > node {
                    open.push((after, text));
                }
            }
        }
    }
    closing
}
