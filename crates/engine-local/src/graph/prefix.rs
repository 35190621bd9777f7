//! Blocks that outlive their sequence, for prompts that begin alike.
//!
//! A tree: each node is a block with its tokens, below the block that comes before it. Only whole nodes have children. A
//! node is idle while the tree alone holds its block; idle leaves are given up when memory is wanted, the longest unused
//! first.

use std::sync::Arc;

use super::cache::{BLOCK_TOKENS, Block, KvCounter, KvSlot};

/// The tree. It finds and keeps; what is found is bit for bit what would be computed again.
#[derive(Debug)]
pub struct PrefixCache {
    nodes: Vec<Option<Node>>,
    roots: Vec<usize>,
    /// Idle bytes that are kept at most.
    limit: u64,
    /// Counts uses, so that the longest unused node is known.
    uses: u64,
    counter: Arc<KvCounter>,
}

#[derive(Debug)]
struct Node {
    block: Arc<Block>,
    tokens: Vec<u32>,
    parent: Option<usize>,
    children: Vec<usize>,
    used: u64,
}

impl PrefixCache {
    /// An empty tree that keeps this many idle bytes at most; 0 keeps nothing.
    #[must_use]
    pub fn new(limit: u64, counter: &Arc<KvCounter>) -> Self {
        Self { nodes: Vec::new(), roots: Vec::new(), limit, uses: 0, counter: Arc::clone(counter) }
    }

    /// Fills an empty sequence with the longest kept beginning of `tokens`, but the last one: it must be computed for what
    /// comes after it. Returns how many tokens were found.
    pub fn find(&mut self, tokens: &[u32], slot: &mut KvSlot) -> usize {
        let wanted = tokens.len().saturating_sub(1);
        self.uses += 1;
        let mut place = None;
        while slot.len < wanted {
            let rest = &tokens[slot.len..wanted];
            let alike = |&child: &usize| (common(&self.node(child).tokens, rest), child);
            let Some((found, child)) = self.children(place).iter().map(alike).max() else { break };
            if found == 0 {
                break;
            }
            let uses = self.uses;
            let node = self.node_mut(child);
            node.used = uses;
            slot.blocks.push(Arc::clone(&node.block));
            slot.len += found;
            if found < BLOCK_TOKENS {
                break;
            }
            place = Some(child);
        }
        self.account();
        slot.len
    }

    /// Keeps the whole blocks of a sequence, which goes on; those that are kept already replace its own.
    pub fn keep(&mut self, tokens: &[u32], slot: &mut KvSlot) {
        self.insert(&tokens[..slot.len / BLOCK_TOKENS * BLOCK_TOKENS], slot);
    }

    /// Keeps what it can of a sequence that ended.
    pub fn keep_rest(&mut self, tokens: &[u32], mut slot: KvSlot) {
        self.insert(&tokens[..slot.len], &mut slot);
        drop(slot);
        self.trim(self.limit);
    }

    /// Gives up idle blocks above the limit.
    pub fn settle(&mut self) {
        self.trim(self.limit);
    }

    /// Gives up idle blocks until no more than `limit` bytes of them are left.
    pub fn trim(&mut self, limit: u64) {
        self.account();
        while self.counter.idle() > limit {
            let idle = |node: &Node| node.children.is_empty() && Arc::strong_count(&node.block) == 1;
            let leaves = self.nodes.iter().enumerate().filter_map(|(id, node)| Some((id, node.as_ref()?)));
            let oldest = leaves.filter(|(_, node)| idle(node)).min_by_key(|(_, node)| node.used);
            let Some((id, _)) = oldest else { break };
            self.remove(id);
            self.account();
        }
    }

    /// Gives up idle blocks until all blocks and `more` bytes fit in `limit`; whether they do.
    pub fn make_room(&mut self, more: u64, limit: u64) -> bool {
        self.account();
        let over = (self.counter.allocated() + more).saturating_sub(limit);
        if over > 0 {
            self.trim(self.counter.idle().saturating_sub(over));
        }
        self.counter.allocated() + more <= limit
    }

    /// Counts what is idle now.
    pub fn account(&self) {
        let idle = self.nodes.iter().flatten().filter(|node| Arc::strong_count(&node.block) == 1);
        self.counter.set_idle(idle.map(|node| node.block.bytes()).sum());
    }

    fn insert(&mut self, tokens: &[u32], slot: &mut KvSlot) {
        if self.limit == 0 {
            return;
        }
        self.uses += 1;
        let mut place = None;
        for (number, tokens) in tokens.chunks(BLOCK_TOKENS).enumerate() {
            let block = &mut slot.blocks[number];
            let begins = |&&child: &&usize| {
                let known = &self.node(child).tokens;
                common(known, tokens) == known.len().min(tokens.len())
            };
            let known = self.children(place).iter().find(begins).copied();
            let child = match known {
                Some(child) => child,
                None => self.add(place, Arc::clone(block), tokens),
            };
            let uses = self.uses;
            let node = self.node_mut(child);
            node.used = uses;
            if node.tokens.len() < tokens.len() {
                // Its last tokens were not known yet. It is a leaf: only whole nodes have children.
                (node.block, node.tokens) = (Arc::clone(block), tokens.to_vec());
            } else if node.tokens.len() == tokens.len() {
                *block = Arc::clone(&node.block);
            }
            place = Some(child);
        }
        self.account();
    }

    fn add(&mut self, parent: Option<usize>, block: Arc<Block>, tokens: &[u32]) -> usize {
        let node = Node { block, tokens: tokens.to_vec(), parent, children: Vec::new(), used: self.uses };
        let id = self.nodes.iter().position(Option::is_none).unwrap_or(self.nodes.len());
        if id == self.nodes.len() {
            self.nodes.push(None);
        }
        self.nodes[id] = Some(node);
        self.siblings(parent).push(id);
        id
    }

    fn remove(&mut self, id: usize) {
        if let Some(node) = self.nodes[id].take() {
            self.siblings(node.parent).retain(|&child| child != id);
        }
    }

    fn children(&self, place: Option<usize>) -> &[usize] {
        place.map_or(&self.roots, |id| &self.node(id).children)
    }

    fn siblings(&mut self, parent: Option<usize>) -> &mut Vec<usize> {
        match parent {
            Some(id) => &mut self.node_mut(id).children,
            None => &mut self.roots,
        }
    }

    fn node(&self, id: usize) -> &Node {
        self.nodes[id].as_ref().expect("parents and children are in the tree")
    }

    fn node_mut(&mut self, id: usize) -> &mut Node {
        self.nodes[id].as_mut().expect("parents and children are in the tree")
    }
}

/// How many tokens both begin with.
fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::weights::{Architecture, ModelConfig};

    fn config() -> ModelConfig {
        ModelConfig {
            architecture: Architecture::Llama,
            layers: 2,
            width: 4,
            heads: 1,
            kv_heads: 1,
            head_dim: 2,
            ffn_width: 4,
            experts: None,
            vocab: 8,
            context_length: 1000,
            rope: None,
            norm_epsilon: 1e-5,
            tied_embeddings: true,
            qkv_bias: false,
        }
    }

    /// What a model would store at a position: it depends on all tokens up to there.
    fn key(tokens: &[u32], layer: u32) -> [f32; 2] {
        let digest = tokens.iter().fold(layer, |digest, &token| (digest * 31 + token + 1) % 9973);
        [digest as f32, -(digest as f32)]
    }

    /// Computes what is missing.
    fn compute(tokens: &[u32], slot: &mut KvSlot) {
        let missing = slot.len()..tokens.len();
        slot.reserve(missing.len()).unwrap();
        for position in missing.clone() {
            for layer in 0..2 {
                let key = key(&tokens[..=position], layer);
                slot.write(layer as usize, position, &key, &key);
            }
        }
        slot.advance(missing.len());
    }

    fn check(tokens: &[u32], slot: &KvSlot) {
        for layer in 0..2 {
            let runs: Vec<_> = slot.runs(layer as usize, 0, slot.len()).collect();
            for position in 0..slot.len() {
                let ((keys, values), at) = (runs[position / BLOCK_TOKENS], position % BLOCK_TOKENS);
                let expected = key(&tokens[..=position], layer);
                let found = [&[keys[at], keys[BLOCK_TOKENS + at]], &values[2 * at..2 * at + 2]];
                assert_eq!(found, [&expected[..]; 2]);
            }
        }
    }

    fn tokens(family: u32, len: usize, tail: u32) -> Vec<u32> {
        (0..).take(len).map(|place| if place < 70 { family } else { (place * tail) % 5 }).collect()
    }

    #[test]
    fn an_equal_prompt_needs_its_last_token_only() {
        let counter = Arc::default();
        let mut cache = PrefixCache::new(u64::MAX, &counter);
        for (family, len) in [(1, 2), (2, 64), (3, 65), (4, 100), (5, 128), (6, 200)] {
            let prompt = tokens(family, len, 3);
            let mut first = KvSlot::new(&config(), &counter);
            assert_eq!(cache.find(&prompt, &mut first), 0);
            compute(&prompt, &mut first);
            cache.keep_rest(&prompt, first);
            let mut second = KvSlot::new(&config(), &counter);
            assert_eq!(cache.find(&prompt, &mut second), len - 1);
            check(&prompt, &second);
            compute(&prompt, &mut second);
            check(&prompt, &second);
        }
    }

    #[test]
    fn nothing_is_kept_without_a_limit() {
        let counter = Arc::default();
        let mut cache = PrefixCache::new(0, &counter);
        let (prompt, mut slot) = (tokens(1, 100, 3), KvSlot::new(&config(), &counter));
        compute(&prompt, &mut slot);
        cache.keep(&prompt, &mut slot);
        assert!(counter.held() > 0 && counter.held() == counter.allocated());
        cache.keep_rest(&prompt, slot);
        assert_eq!((counter.allocated(), counter.idle()), (0, 0));
    }

    proptest! {
        /// Sequences begin, grow, and end or are cancelled in any order, with little memory: each always holds what its own
        /// tokens make, and when all have ended every byte is either idle or free.
        #[test]
        fn no_block_is_lost_or_used_twice(
            storm in prop::collection::vec((0_u32..3, 1_usize..200, 1_u32..4, 0_usize..4), 1..60), limit in 0_u64..40_000,
        ) {
            let counter: Arc<KvCounter> = Arc::default();
            let mut cache = PrefixCache::new(limit, &counter);
            let mut running: Vec<(Vec<u32>, KvSlot)> = Vec::new();
            for (family, len, tail, act) in storm {
                match act {
                    0 if !running.is_empty() => {
                        let (tokens, slot) = running.remove(len % running.len());
                        cache.keep_rest(&tokens, slot);
                        prop_assert!(counter.idle() <= limit);
                    }
                    1 if !running.is_empty() => {
                        let place = len % running.len();
                        let (tokens, slot) = &mut running[place];
                        tokens.push(tail);
                        compute(tokens, slot);
                        cache.keep(tokens, slot);
                    }
                    2 => drop(cache.make_room(len as u64 * 100, limit)),
                    _ => {
                        let (tokens, mut slot) = (tokens(family, len, tail), KvSlot::new(&config(), &counter));
                        cache.find(&tokens, &mut slot);
                        // Some are cancelled before all is computed.
                        let end = if act == 3 { tokens.len() } else { slot.len().max(len / 2) };
                        compute(&tokens[..end], &mut slot);
                        running.push((tokens[..end].to_vec(), slot));
                    }
                }
                for (tokens, slot) in &running {
                    prop_assert_eq!(slot.len(), tokens.len());
                    check(tokens, slot);
                }
            }
            for (tokens, slot) in running {
                cache.keep_rest(&tokens, slot);
            }
            prop_assert_eq!(counter.held(), 0);
            cache.trim(0);
            prop_assert_eq!(counter.allocated(), 0);
        }
    }
}
