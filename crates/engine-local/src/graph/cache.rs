//! Keys and values of one sequence.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::weights::ModelConfig;

/// Counts the bytes of all slots of one engine.
#[derive(Debug, Default)]
pub struct KvCounter {
    held: AtomicU64,
    peak: AtomicU64,
}

impl KvCounter {
    /// Bytes held now.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Most bytes held at once.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

/// The keys and values of one sequence, for a fixed number of tokens; its memory is counted while it lives.
///
/// Stored as 32-bit floats `[layer, kv head, position, head dim]`, so that one head's keys are one run of memory.
/// Half floats would take half the memory and read time, and move log-probabilities by more than the 1e-3 that
/// results may differ from the reference.
#[derive(Debug)]
pub struct KvSlot {
    keys: Vec<f32>,
    values: Vec<f32>,
    capacity: usize,
    len: usize,
    kv_heads: usize,
    head_dim: usize,
    counter: Arc<KvCounter>,
}

impl KvSlot {
    /// Makes room for `capacity` tokens.
    #[must_use]
    pub fn new(config: &ModelConfig, capacity: usize, counter: &Arc<KvCounter>) -> Self {
        let values = config.layers * capacity * config.kv_width();
        let slot = Self {
            keys: vec![0.0; values],
            values: vec![0.0; values],
            capacity,
            len: 0,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            counter: Arc::clone(counter),
        };
        let held = counter.held.fetch_add(slot.bytes(), Ordering::Relaxed) + slot.bytes();
        counter.peak.fetch_max(held, Ordering::Relaxed);
        slot
    }

    /// Bytes that a slot takes for each token: keys and values of all layers.
    #[must_use]
    pub fn bytes_per_token(config: &ModelConfig) -> u64 {
        (2 * config.layers * config.kv_width() * size_of::<f32>()) as u64
    }

    /// Bytes of this slot.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        size_of_val(&*self.keys) as u64 + size_of_val(&*self.values) as u64
    }

    /// Tokens stored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tokens that still fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.capacity - self.len
    }

    /// Forgets the tokens from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Stores one token's keys and values of one layer, all heads side by side. The token counts after
    /// [`advance`](Self::advance).
    pub(super) fn write(&mut self, layer: usize, position: usize, keys: &[f32], values: &[f32]) {
        for head in 0..self.kv_heads {
            let from = head * self.head_dim..(head + 1) * self.head_dim;
            let to = self.range(layer, head, position..position + 1);
            self.keys[to.clone()].copy_from_slice(&keys[from.clone()]);
            self.values[to].copy_from_slice(&values[from]);
        }
    }

    /// Counts tokens that were written in every layer.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }

    /// Keys and values of one head for the positions before `end`.
    pub(super) fn head(&self, layer: usize, head: usize, end: usize) -> (&[f32], &[f32]) {
        let range = self.range(layer, head, 0..end);
        (&self.keys[range.clone()], &self.values[range])
    }

    fn range(&self, layer: usize, head: usize, positions: Range<usize>) -> Range<usize> {
        let start = (layer * self.kv_heads + head) * self.capacity;
        (start + positions.start) * self.head_dim..(start + positions.end) * self.head_dim
    }
}

impl Drop for KvSlot {
    fn drop(&mut self) {
        self.counter.held.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}
