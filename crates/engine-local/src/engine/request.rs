//! One generation while it runs.

use std::sync::Arc;

use weighbridge_engine::answer::{Answer, Events};
use weighbridge_engine::prompt::PromptReader;
use weighbridge_engine::stage::Stage;
use weighbridge_engine::{EngineError, GenerateRequest, MemorySource};

use crate::graph::{BLOCK_TOKENS, KvCounter, KvSlot, PrefixCache};
use crate::weights::ModelConfig;

/// A generation as it was asked for.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request: GenerateRequest,
    pub(super) events: Events,
}

/// What requests are prepared with.
#[derive(Debug)]
pub(super) struct Preparation {
    pub(super) config: ModelConfig,
    pub(super) reader: PromptReader,
    pub(super) kv: Arc<KvCounter>,
    /// Bytes of all keys and values at most.
    pub(super) kv_limit: Option<u64>,
    /// Who knows what memory may still be taken.
    pub(super) memory: Option<Arc<dyn MemorySource>>,
    /// Whether beginnings of prompts are kept.
    pub(super) keeps_prefixes: bool,
}

/// A running generation.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) slot: KvSlot,
    /// Lower goes first.
    pub(super) priority: i32,
    pub(super) answer: Answer,
}

impl Preparation {
    /// Checks a request and makes its room.
    pub(super) fn begin(&self, job: Job) -> Result<Sequence, EngineError> {
        let Job { request, events } = job;
        request.check()?;
        let tokenize = Stage::Tokenize.enter();
        let tokens = self.reader.tokens(&request.prompt, request.tools.as_deref())?;
        drop(tokenize);
        let max_tokens = usize::try_from(request.max_tokens).unwrap_or(usize::MAX);
        self.reader.check_fits(tokens.len().saturating_add(max_tokens))?;
        self.check_memory(tokens.len() + max_tokens)?;
        let (slot, priority) = (KvSlot::new(&self.config, &self.kv), request.priority);
        let mut answer = Answer::new(request, tokens, events);
        answer.cached = self.keeps_prefixes.then_some(0);
        Ok(Sequence { slot, priority, answer })
    }

    /// Refuses what could not run even alone.
    fn check_memory(&self, tokens: usize) -> Result<(), EngineError> {
        // One more block, because the last one that is found is copied before it is written.
        let needed = (tokens.div_ceil(BLOCK_TOKENS) + 1) as u64 * self.block_bytes();
        match self.kv_limit {
            Some(limit) if needed > limit => {
                let problem = format!(
                    "hold {tokens} tokens: their keys and values may take `{needed}` bytes, the limit is `{limit}`"
                );
                Err(EngineError::Failed { problem })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Bytes of a block of keys and values.
    pub(super) fn block_bytes(&self) -> u64 {
        KvSlot::bytes_per_token(&self.config) * BLOCK_TOKENS as u64
    }
}

impl Sequence {
    /// Whether no token was generated yet.
    pub(super) fn is_reading(&self) -> bool {
        self.answer.generated() == 0
    }

    /// Tokens that wait to be computed.
    pub(super) fn pending(&self) -> usize {
        self.answer.tokens().len() - self.slot.len()
    }

    /// Takes over what is kept of the beginning.
    pub(super) fn find_beginning(&mut self, prefixes: &mut PrefixCache) {
        let found = prefixes.find(self.answer.tokens(), &mut self.slot).min(self.answer.prompt_len());
        if self.is_reading()
            && let Some(count) = &mut self.answer.cached
        {
            *count = u32::try_from(found).unwrap_or(u32::MAX);
        }
    }

    /// The tokens, and the keys and values of those that were computed.
    pub(super) fn cached(&mut self) -> (&[u32], &mut KvSlot) {
        (self.answer.tokens(), &mut self.slot)
    }

    /// Gives its memory back, or up to what is kept.
    pub(super) fn give_up(&mut self, prefixes: &mut PrefixCache) {
        prefixes.keep_rest(self.answer.tokens(), self.slot.take());
    }

    /// The slot and the next unread tokens, at most `limit`.
    pub(super) fn next_piece(&mut self, limit: usize) -> (&mut KvSlot, &[u32]) {
        let start = self.slot.len();
        let tokens = self.answer.tokens();
        let end = tokens.len().min(start + limit);
        (&mut self.slot, &tokens[start..end])
    }
}
