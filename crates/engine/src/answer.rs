//! A generation while it runs in this process: from the logits of each step to events.

use tokio::sync::mpsc;
use weighbridge_types::request::{Channel, FailureClass, FinishReason, Usage};
use weighbridge_types::time::{Clock, Stamp};
use weighbridge_types::units::millis;

use crate::constraint::{Choice, Guide};
use crate::error::EngineError;
use crate::event::{EngineEvent, EventKind, Frame, FrameDetail, RequestFailure};
use crate::request::GenerateRequest;
use crate::sampling::{Sampler, likeliest_tokens, log_probability};
use crate::stage::Stage;
use crate::text::TextAssembler;
use crate::tokenizer::Tokenizer;

/// Events of a generation besides its frames, with some to spare: counts, end, and a frame of held-back text.
const EVENTS_BESIDE_FRAMES: usize = 4;

/// Where the events of a generation go. There is room for all of them from the start, so that sending never waits.
#[derive(Clone, Debug)]
pub struct Events {
    sender: mpsc::Sender<EngineEvent>,
    clock: Clock,
    deadline: Option<Stamp>,
}

impl Events {
    /// Makes room for the events of a request in a context of this length.
    #[must_use]
    pub fn new(request: &GenerateRequest, context: usize) -> (Self, mpsc::Receiver<EngineEvent>) {
        let frames = usize::try_from(request.max_tokens).map_or(context, |tokens| tokens.min(context));
        let (sender, receiver) = mpsc::channel(frames + EVENTS_BESIDE_FRAMES);
        (Self { sender, clock: request.clock, deadline: request.deadline }, receiver)
    }

    /// Whether nobody listens any more: the generation is canceled.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the deadline has passed; then the generation is ended with that.
    #[must_use]
    pub fn is_late(&self) -> bool {
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

    /// Ends the generation with what the engine refuses: what is wrong with the request itself is the fault of who asked.
    pub fn refuse(&self, error: &EngineError) {
        let class = match error {
            EngineError::Unsupported { .. }
            | EngineError::ContextOverflow { .. }
            | EngineError::InvalidRequest { .. } => FailureClass::ClientError,
            EngineError::Failed { .. } => FailureClass::Engine,
        };
        self.end(class, error.to_string());
    }

    /// Ends the generation with a failure.
    pub fn fail(&self, message: String) {
        self.end(FailureClass::Engine, message);
    }

    fn end(&self, class: FailureClass, message: String) {
        let failure = RequestFailure { class, message, retry_after: None };
        self.send(EngineEvent { at: self.clock.now(), kind: EventKind::Failed(failure) });
    }
}

/// Whether a generation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits for its next token.
    Running,
    /// Its last event was sent.
    Ended,
}

/// The tokens of a generation, how the next one is chosen, and where it is told.
#[derive(Debug)]
pub struct Answer {
    /// Tokens of the prompt that were found and not computed; `None` where nothing is kept.
    pub cached: Option<u32>,
    /// The prompt, then every generated token.
    tokens: Vec<u32>,
    prompt_len: usize,
    max_tokens: usize,
    ignore_eos: bool,
    /// Likeliest tokens to report beside the chosen one's log-probability; `None` reports neither.
    logprobs: Option<u32>,
    sampler: Sampler,
    /// What keeps the text to its grammar, if there is one.
    guide: Option<Guide>,
    text: TextAssembler,
    events: Events,
}

impl Answer {
    /// Begins after a prompt of at least one token. The request has passed [`GenerateRequest::check`].
    #[must_use]
    pub fn new(request: GenerateRequest, prompt: Vec<u32>, events: Events) -> Self {
        Self {
            cached: None,
            prompt_len: prompt.len(),
            max_tokens: usize::try_from(request.max_tokens).unwrap_or(usize::MAX),
            ignore_eos: request.ignore_eos,
            logprobs: request.logprobs,
            sampler: Sampler::new(request.sampling, &prompt),
            guide: request.constraint.map(Guide::new),
            text: TextAssembler::new(request.stop),
            tokens: prompt,
            events,
        }
    }

    /// The prompt, then every generated token.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Tokens of the prompt.
    #[must_use]
    pub const fn prompt_len(&self) -> usize {
        self.prompt_len
    }

    /// Tokens that were generated.
    #[must_use]
    pub fn generated(&self) -> usize {
        self.tokens.len() - self.prompt_len
    }

    /// Where its events go.
    #[must_use]
    pub const fn events(&self) -> &Events {
        &self.events
    }

    /// Gives up everything but where its events go.
    #[must_use]
    pub fn into_events(self) -> Events {
        self.events
    }

    /// Chooses the next token and reports it. The logits, one for each token of the vocabulary, are changed.
    pub fn accept(&mut self, logits: &mut [f32], tokenizer: &dyn Tokenizer) -> Progress {
        // The model's own probability, so before sampling changes the logits.
        let before = self.logprobs.map(|_| logits.to_vec());
        let sample = Stage::Sample.enter();
        let chosen = self.choose(logits, tokenizer);
        drop(sample);
        let _stage = Stage::PostProcess.enter();
        let token = match chosen {
            Ok(token) => token,
            Err(problem) => {
                self.events.fail(problem);
                return Progress::Ended;
            }
        };
        let at = self.events.clock.now();
        let Some(token) = token else {
            self.report_rest(at);
            return self.finish(FinishReason::Stop);
        };
        self.tokens.push(token);
        let bytes = tokenizer.token_bytes(token);
        let is_over = match self.guide.as_mut().map(|guide| guide.take(&bytes)) {
            None => false,
            Some(Ok(is_over)) => is_over,
            Some(Err(error)) => {
                self.events.fail(error.to_string());
                return Progress::Ended;
            }
        };
        let mut piece = self.text.push(&bytes);
        let is_last = self.generated() == self.max_tokens;
        if (is_last || is_over) && piece.stop.is_none() {
            piece.text.push_str(&self.text.finish());
        }
        #[expect(clippy::cast_possible_truncation, reason = "frames carry single precision")]
        let log_probabilities = before.iter().map(|logits| log_probability(logits, token) as f32).collect();
        let wanted = self.logprobs.map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let likeliest = before.as_deref().map(|logits| likeliest_tokens(logits, wanted)).unwrap_or_default();
        let has_detail = !likeliest.is_empty() || piece.stop.is_some();
        let frame = Frame {
            channel: Channel::Answer,
            text: piece.text,
            tokens: 1,
            token_ids: vec![token],
            log_probabilities,
            detail: has_detail.then(|| Box::new(FrameDetail { likeliest, stop: piece.stop })),
        };
        self.events.send(EngineEvent { at, kind: EventKind::Frame(frame) });
        match (piece.stop.is_some() || is_over, is_last) {
            (true, _) => self.finish(FinishReason::Stop),
            (false, true) => self.finish(FinishReason::Length),
            (false, false) => Progress::Running,
        }
    }

    /// The next token; `None` where the generation ends instead.
    fn choose(&mut self, logits: &mut [f32], tokenizer: &dyn Tokenizer) -> Result<Option<u32>, String> {
        if let Some(guide) = &mut self.guide {
            match guide.restrict(logits, tokenizer) {
                Ok(Choice::Open) => {}
                Ok(Choice::Over) => return Ok(None),
                Err(error) => return Err(error.to_string()),
            }
        }
        let token = self.sampler.choose(logits).map_err(|error| error.to_string())?;
        // Under a grammar an end is only let through where the text is complete.
        let may_end = self.guide.is_some() || !self.ignore_eos;
        Ok(Some(token).filter(|token| !(may_end && tokenizer.eos().contains(token))))
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
            cached_input_tokens: self.cached,
            reasoning_tokens: None,
        };
        let at = self.events.clock.now();
        self.events.send(EngineEvent { at, kind: EventKind::Usage(usage) });
        self.events.send(EngineEvent { at, kind: EventKind::Finished { reason } });
        Progress::Ended
    }
}
