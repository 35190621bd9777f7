//! Keys and values of sequences, in blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapMut;

use crate::kernels::Run;
use crate::weights::ModelConfig;

/// Tokens of a block: what attention goes through at a time.
pub const BLOCK_TOKENS: usize = 64;

/// Counts the bytes of all blocks of one engine.
#[derive(Debug, Default)]
pub struct KvCounter {
    allocated: AtomicU64,
    idle: AtomicU64,
    peak: AtomicU64,
}

impl KvCounter {
    /// Bytes of all blocks.
    #[must_use]
    pub fn allocated(&self) -> u64 {
        self.allocated.load(Ordering::Relaxed)
    }

    /// Bytes of blocks that no sequence uses, kept for prompts that begin alike.
    #[must_use]
    pub fn idle(&self) -> u64 {
        self.idle.load(Ordering::Relaxed)
    }

    /// Bytes of blocks that sequences use.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.allocated().saturating_sub(self.idle())
    }

    /// Most bytes that sequences used at once.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    pub(super) fn set_idle(&self, bytes: u64) {
        self.idle.store(bytes, Ordering::Relaxed);
    }

    fn add(&self, bytes: u64) {
        self.allocated.fetch_add(bytes, Ordering::Relaxed);
        self.peak.fetch_max(self.held(), Ordering::Relaxed);
    }
}

/// Keys and values of [`BLOCK_TOKENS`] positions in all layers; their memory is counted while they live.
///
/// Stored as 32-bit floats: values `[layer, kv head, position, head dim]` and keys `[layer, kv head, head dim, position]`,
/// so that a head's are one run of memory and products go along its rows. Half
/// floats would take half the memory and read time, and move log-probabilities by more than the 1e-3 that results may
/// differ from the reference.
///
/// A block is a mapping of its own, not part of the heap: what a sequence gives back is the system's at once, and what the
/// counter says is what the process has.
#[derive(Debug)]
pub(super) struct Block {
    /// Keys, then as many values.
    memory: MmapMut,
    counter: Arc<KvCounter>,
}

impl Block {
    /// # Errors
    /// When the system refuses the memory.
    fn new(values: usize, counter: &Arc<KvCounter>) -> std::io::Result<Self> {
        let memory = MmapMut::map_anon(2 * values * size_of::<f32>())?;
        let block = Self { memory, counter: Arc::clone(counter) };
        counter.add(block.bytes());
        Ok(block)
    }

    fn copy(&self) -> std::io::Result<Self> {
        let mut block = Self::new(self.memory.len() / 2 / size_of::<f32>(), &self.counter)?;
        block.memory.copy_from_slice(&self.memory);
        Ok(block)
    }

    fn halves(&self) -> (&[f32], &[f32]) {
        let floats: &[f32] = bytemuck::cast_slice(&self.memory);
        floats.split_at(floats.len() / 2)
    }

    fn halves_mut(&mut self) -> (&mut [f32], &mut [f32]) {
        let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut self.memory);
        floats.split_at_mut(floats.len() / 2)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.memory.len() as u64
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.counter.allocated.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

/// The keys and values of one sequence. Blocks that are shared with others are never written: who writes into one gets a
/// copy first, and the type of the reference sees to it.
#[derive(Debug)]
pub struct KvSlot {
    pub(super) blocks: Vec<Arc<Block>>,
    pub(super) len: usize,
    layers: usize,
    kv_heads: usize,
    head_dim: usize,
    counter: Arc<KvCounter>,
}

impl KvSlot {
    /// A sequence without tokens.
    #[must_use]
    pub fn new(config: &ModelConfig, counter: &Arc<KvCounter>) -> Self {
        let ModelConfig { layers, kv_heads, head_dim, .. } = *config;
        Self { blocks: Vec::new(), len: 0, layers, kv_heads, head_dim, counter: Arc::clone(counter) }
    }

    /// Bytes that each token takes: keys and values of all layers.
    #[must_use]
    pub fn bytes_per_token(config: &ModelConfig) -> u64 {
        (2 * config.layers * config.kv_width() * size_of::<f32>()) as u64
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

    /// Whether it has blocks, shared ones among them.
    #[must_use]
    pub fn holds_memory(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// What is stored; an empty sequence stays.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let counter = Arc::clone(&self.counter);
        Self { blocks: std::mem::take(&mut self.blocks), len: std::mem::take(&mut self.len), counter, ..*self }
    }

    /// Blocks that room for more tokens takes, copies of shared ones among them.
    #[must_use]
    pub fn blocks_for(&self, tokens: usize) -> usize {
        let missing = (self.len + tokens).div_ceil(BLOCK_TOKENS).saturating_sub(self.blocks.len());
        let is_copied = tokens > 0 && self.open_block().is_some_and(|block| Arc::strong_count(block) > 1);
        missing + usize::from(is_copied)
    }

    /// Makes room for more tokens after the stored ones.
    ///
    /// # Errors
    /// When the system refuses the memory; some of the room may have been made.
    pub fn reserve(&mut self, tokens: usize) -> std::io::Result<()> {
        if tokens > 0
            && let Some(open) = self.blocks.get_mut(self.len / BLOCK_TOKENS)
            && Arc::strong_count(open) > 1
        {
            *open = Arc::new(open.copy()?);
        }
        let values = self.layers * self.kv_heads * BLOCK_TOKENS * self.head_dim;
        let wanted = (self.len + tokens).div_ceil(BLOCK_TOKENS);
        while self.blocks.len() < wanted {
            self.blocks.push(Arc::new(Block::new(values, &self.counter)?));
        }
        Ok(())
    }

    /// The block that the next token goes to, where there is one.
    fn open_block(&self) -> Option<&Arc<Block>> {
        self.blocks.get(self.len / BLOCK_TOKENS)
    }

    /// Forgets the tokens from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.blocks.truncate(self.len.div_ceil(BLOCK_TOKENS));
    }

    /// Stores one token's keys and values of one layer, all heads side by side. The token counts after
    /// [`advance`](Self::advance).
    pub(super) fn write(&mut self, layer: usize, position: usize, keys: &[f32], values: &[f32]) {
        let (kv_heads, dims) = (self.kv_heads, self.head_dim);
        let block = Arc::get_mut(&mut self.blocks[position / BLOCK_TOKENS]).expect("room was reserved");
        let (all_keys, all_values) = block.halves_mut();
        for head in 0..kv_heads {
            let from = head * dims..(head + 1) * dims;
            let (start, within) = ((layer * kv_heads + head) * BLOCK_TOKENS * dims, position % BLOCK_TOKENS);
            let column = all_keys[start..][..BLOCK_TOKENS * dims].iter_mut().skip(within).step_by(BLOCK_TOKENS);
            column.zip(&keys[from.clone()]).for_each(|(place, key)| *place = *key);
            all_values[start + within * dims..][..dims].copy_from_slice(&values[from]);
        }
    }

    /// Counts tokens that were written in every layer.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }

    /// Keys and values of one head, block by block, as far as the positions before `end` lie.
    #[inline(always)]
    pub(super) fn runs(&self, layer: usize, head: usize, end: usize) -> impl Iterator<Item = Run<'_>> {
        let values = BLOCK_TOKENS * self.head_dim;
        let start = (layer * self.kv_heads + head) * values;
        let range = start..start + values;
        let blocks = self.blocks[..end.div_ceil(BLOCK_TOKENS)].iter();
        blocks.map(move |block| {
            let (keys, values) = block.halves();
            (&keys[range.clone()], &values[range.clone()])
        })
    }
}
