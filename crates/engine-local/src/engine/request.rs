//! One generation while it runs.

use std::sync::Arc;

use tokio::sync::mpsc;
use weighbridge_engine::{
    EngineError, EngineEvent, EventKind, Frame, GenerateRequest, MemorySource, Prompt, RequestFailure, Tokenizer,
};
use weighbridge_types::request::{Channel, FailureClass, FinishReason, Usage};
use weighbridge_types::time::{Clock, Stamp};
use weighbridge_types::units::millis;

use super::text::TextAssembler;
use crate::chat::ChatTemplate;
use crate::graph::{BLOCK_TOKENS, KvCounter, KvSlot, PrefixCache};
use crate::sampling::{Sampler, log_probability};
use crate::weights::ModelConfig;

/// Events of a generation besides its frames, with some to spare: counts, end, and a frame of held-back text.
const EVENTS_BESIDE_FRAMES: usize = 4;

/// A generation as it was asked for.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request: GenerateRequest,
    pub(super) events: Events,
}

/// Where the events of a generation go. There is room for all of them from the start, so that sending never waits.
#[derive(Clone, Debug)]
pub(super) struct Events {
    sender: mpsc::Sender<EngineEvent>,
    clock: Clock,
    deadline: Option<Stamp>,
}

impl Events {
    /// Makes room for the events of a request in a context of this length.
    pub(super) fn new(request: &GenerateRequest, context: usize) -> (Self, mpsc::Receiver<EngineEvent>) {
        let frames = usize::try_from(request.max_tokens).map_or(context, |tokens| tokens.min(context));
        let (sender, receiver) = mpsc::channel(frames + EVENTS_BESIDE_FRAMES);
        (Self { sender, clock: request.clock, deadline: request.deadline }, receiver)
    }

    /// Whether nobody listens any more: the generation is canceled.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the deadline has passed; then the generation is ended with that.
    pub(super) fn is_late(&self) -> bool {
        let now = self.clock.now();
        let Some(deadline) = self.deadline.filter(|deadline| now >= *deadline) else { return false };
        let message = format!("its deadline passed {:.0} ms ago", millis(now - deadline));
        self.end(FailureClass::Timeout, message);
        true
    }

    fn send(&self, event: EngineEvent) {
        // It fails only when nobody listens, which the next step sees.
        drop(self.sender.try_send(event));
    }

    /// Ends the generation with a failure.
    pub(super) fn fail(&self, message: String) {
        self.end(FailureClass::Engine, message);
    }

    fn end(&self, class: FailureClass, message: String) {
        let failure = RequestFailure { class, message, retry_after: None };
        self.send(EngineEvent { at: self.clock.now(), kind: EventKind::Failed(failure) });
    }
}

/// What requests are prepared with.
#[derive(Debug)]
pub(super) struct Preparation {
    pub(super) config: ModelConfig,
    pub(super) tokenizer: Arc<dyn Tokenizer>,
    pub(super) template: ChatTemplate,
    pub(super) kv: Arc<KvCounter>,
    /// Bytes of all keys and values at most.
    pub(super) kv_limit: Option<u64>,
    /// Who knows what memory may still be taken.
    pub(super) memory: Option<Arc<dyn MemorySource>>,
    /// Whether beginnings of prompts are kept.
    pub(super) keeps_prefixes: bool,
}

/// Whether a generation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Running,
    Ended,
}

/// A running generation.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) slot: KvSlot,
    /// Tokens of the prompt that were found and not computed; `None` where nothing is kept.
    found: Option<u32>,
    /// The prompt, then every generated token.
    tokens: Vec<u32>,
    prompt_len: usize,
    /// Lower goes first.
    pub(super) priority: i32,
    max_tokens: usize,
    ignore_eos: bool,
    reports_log_probabilities: bool,
    sampler: Sampler,
    text: TextAssembler,
    pub(super) events: Events,
}

impl Preparation {
    /// Checks a request and makes its room.
    pub(super) fn begin(&self, job: Job) -> Result<Sequence, EngineError> {
        let Job { request, events } = job;
        check(&request)?;
        let tokens = self.prompt_tokens(&request.prompt)?;
        let max_tokens = usize::try_from(request.max_tokens).unwrap_or(usize::MAX);
        self.check_fits(tokens.len().saturating_add(max_tokens))?;
        self.check_memory(tokens.len() + max_tokens)?;
        Ok(Sequence {
            slot: KvSlot::new(&self.config, &self.kv),
            found: self.keeps_prefixes.then_some(0),
            prompt_len: tokens.len(),
            priority: request.priority,
            max_tokens,
            ignore_eos: request.ignore_eos,
            reports_log_probabilities: request.logprobs.is_some(),
            sampler: Sampler::new(request.sampling, &tokens),
            text: TextAssembler::new(request.stop),
            tokens,
            events,
        })
    }

    /// Refuses more tokens than the model's context has.
    pub(super) fn check_fits(&self, needed: usize) -> Result<(), EngineError> {
        if needed <= self.config.context_length {
            return Ok(());
        }
        let context = u32::try_from(self.config.context_length).unwrap_or(u32::MAX);
        Err(EngineError::ContextOverflow { needed: needed as u64, context })
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

    /// Tokens of a text, after the beginning-of-sequence token where the model wants one.
    pub(super) fn text_tokens(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        let encoded = self.tokenizer.encode(text).map_err(|error| invalid(error.to_string()))?;
        Ok(match self.tokenizer.bos() {
            Some(bos) if encoded.first() != Some(&bos) => std::iter::once(bos).chain(encoded).collect(),
            Some(_) | None => encoded,
        })
    }

    fn prompt_tokens(&self, prompt: &Prompt) -> Result<Vec<u32>, EngineError> {
        let tokens = match prompt {
            Prompt::Text(text) => self.text_tokens(text)?,
            Prompt::Tokens(tokens) => tokens.clone(),
            Prompt::Chat(messages) => {
                let rendered = self.template.render(messages).map_err(|error| invalid(error.to_string()))?;
                if rendered.wants_bos {
                    self.text_tokens(&rendered.text)?
                } else {
                    self.tokenizer.encode(&rendered.text).map_err(|error| invalid(error.to_string()))?
                }
            }
        };
        if tokens.is_empty() {
            return Err(invalid("the prompt has no token".to_owned()));
        }
        let vocab = self.config.vocab;
        match tokens.iter().find(|&&token| token as usize >= vocab) {
            Some(token) => Err(invalid(format!("token `{token}` is not below {vocab}, the size of the vocabulary"))),
            None => Ok(tokens),
        }
    }
}

fn check(request: &GenerateRequest) -> Result<(), EngineError> {
    request.sampling.check().map_err(|error| invalid(error.to_string()))?;
    if request.max_tokens == 0 {
        return Err(invalid("max_tokens is `0`, it must be at least 1".to_owned()));
    }
    if request.stop.iter().any(String::is_empty) {
        return Err(invalid("a stop string is empty".to_owned()));
    }
    Ok(())
}

fn invalid(problem: String) -> EngineError {
    EngineError::InvalidRequest { problem }
}

impl Sequence {
    /// Whether no token was generated yet.
    pub(super) fn is_reading(&self) -> bool {
        self.generated() == 0
    }

    /// Tokens that wait to be computed.
    pub(super) fn pending(&self) -> usize {
        self.tokens.len() - self.slot.len()
    }

    /// Takes over what is kept of the beginning.
    pub(super) fn find_beginning(&mut self, prefixes: &mut PrefixCache) {
        let found = prefixes.find(&self.tokens, &mut self.slot).min(self.prompt_len);
        if self.is_reading()
            && let Some(count) = &mut self.found
        {
            *count = u32::try_from(found).unwrap_or(u32::MAX);
        }
    }

    /// The tokens, and the keys and values of those that were computed.
    pub(super) fn cached(&mut self) -> (&[u32], &mut KvSlot) {
        (&self.tokens, &mut self.slot)
    }

    /// Gives its memory back, or up to what is kept.
    pub(super) fn give_up(&mut self, prefixes: &mut PrefixCache) {
        prefixes.keep_rest(&self.tokens, self.slot.take());
    }

    /// The slot and the next unread tokens, at most `limit`.
    pub(super) fn next_piece(&mut self, limit: usize) -> (&mut KvSlot, &[u32]) {
        let start = self.slot.len();
        let end = self.tokens.len().min(start + limit);
        (&mut self.slot, &self.tokens[start..end])
    }

    /// Chooses the next token and reports it.
    pub(super) fn accept(&mut self, logits: &mut [f32], tokenizer: &dyn Tokenizer) -> Progress {
        // The model's own probability, so before sampling changes the logits.
        let before = self.reports_log_probabilities.then(|| logits.to_vec());
        let token = match self.sampler.choose(logits) {
            Ok(token) => token,
            Err(error) => {
                self.events.fail(error.to_string());
                return Progress::Ended;
            }
        };
        let at = self.events.clock.now();
        if !self.ignore_eos && tokenizer.eos().contains(&token) {
            self.report_rest(at);
            return self.finish(FinishReason::Stop);
        }
        self.tokens.push(token);
        let mut piece = self.text.push(&tokenizer.token_bytes(token));
        let is_last = self.generated() == self.max_tokens;
        if is_last && !piece.stopped {
            piece.text.push_str(&self.text.finish());
        }
        #[expect(clippy::cast_possible_truncation, reason = "frames carry single precision")]
        let log_probabilities = before.iter().map(|logits| log_probability(logits, token) as f32).collect();
        let frame =
            Frame { channel: Channel::Answer, text: piece.text, tokens: 1, token_ids: vec![token], log_probabilities };
        self.events.send(EngineEvent { at, kind: EventKind::Frame(frame) });
        match (piece.stopped, is_last) {
            (true, _) => self.finish(FinishReason::Stop),
            (false, true) => self.finish(FinishReason::Length),
            (false, false) => Progress::Running,
        }
    }

    fn generated(&self) -> usize {
        self.tokens.len() - self.prompt_len
    }

    /// Reports text that was held back, in a frame without a token.
    fn report_rest(&mut self, at: Stamp) {
        let text = self.text.finish();
        if !text.is_empty() {
            self.events.send(EngineEvent { at, kind: EventKind::Frame(Frame::answer(text, 0)) });
        }
    }

    fn finish(&self, reason: FinishReason) -> Progress {
        let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
        let usage = Usage {
            input_tokens: count(self.prompt_len),
            output_tokens: count(self.generated()),
            cached_input_tokens: self.found,
            reasoning_tokens: None,
        };
        let at = self.events.clock.now();
        self.events.send(EngineEvent { at, kind: EventKind::Usage(usage) });
        self.events.send(EngineEvent { at, kind: EventKind::Finished { reason } });
        Progress::Ended
    }
}
