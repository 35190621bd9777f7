//! The thread that generates and scores with one decoder.
//!
//! Each step computes the next tokens of one generation, and of all others that are as far and wait for as many. Generations of
//! different lengths take turns: the graph has one length of the past for a whole batch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};
use weighbridge_engine::answer::{Answer, Events, Progress};
use weighbridge_engine::sampling::{LogitsError, likeliest, log_probability};
use weighbridge_engine::{EngineError, GenerateRequest, Prompt, ScoreRequest, ScoredContinuation, Tokenizer};

use crate::decoder::{Decoder, State};
use crate::error::OnnxError;

/// Generations that run at once at most; further ones wait.
const RUNNING: usize = 32;

/// Generations of one step at most.
const BATCH: usize = 16;

/// Tokens of a prompt that are read at once.
const PIECE: usize = 256;

/// Logits that are held at once: 16 MiB, some 80 rows of GPT-2's vocabulary.
const LOGITS_AT_ONCE: usize = 4 << 20;

/// What is asked.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Boxed, because requests are large.
    Generate(Box<GenerateRequest>, Events),
    Score(ScoreRequest, oneshot::Sender<Result<Vec<ScoredContinuation>, EngineError>>),
}

/// Bytes of keys and values.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) now: AtomicU64,
    pub(crate) peak: AtomicU64,
}

impl Held {
    fn set(&self, bytes: u64) {
        self.now.store(bytes, Ordering::Relaxed);
        self.peak.fetch_max(bytes, Ordering::Relaxed);
    }
}

/// A running generation.
struct Sequence {
    answer: Answer,
    state: State,
}

/// Runs until nobody can ask any more and everything is answered.
pub(crate) struct Decoding {
    decoder: Arc<Decoder>,
    asks: mpsc::Receiver<Ask>,
    sequences: VecDeque<Sequence>,
    held: Arc<Held>,
}

impl Decoding {
    /// `held` is kept at the bytes of all keys and values.
    pub(crate) const fn new(decoder: Arc<Decoder>, asks: mpsc::Receiver<Ask>, held: Arc<Held>) -> Self {
        Self { decoder, asks, sequences: VecDeque::new(), held }
    }

    pub(crate) fn run(mut self) {
        loop {
            let ask = if self.sequences.is_empty() { self.asks.blocking_recv() } else { None };
            let is_over = self.sequences.is_empty() && ask.is_none();
            if is_over {
                return;
            }
            ask.into_iter().for_each(|ask| self.take(ask));
            while self.sequences.len() < RUNNING
                && let Ok(ask) = self.asks.try_recv()
            {
                self.take(ask);
            }
            self.sequences
                .retain(|sequence| !sequence.answer.events().is_closed() && !sequence.answer.events().is_late());
            self.step();
            let tokens: usize = self.sequences.iter().map(|sequence| sequence.state.len).sum();
            self.held.set(tokens as u64 * self.decoder.bytes_per_token());
        }
    }

    fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Generate(request, events) => match self.begin(*request, events.clone()) {
                Ok(answer) => self.sequences.push_back(Sequence { answer, state: self.decoder.start() }),
                Err(error) => events.refuse(&error),
            },
            Ask::Score(request, answer) => drop(answer.send(self.score(&request))),
        }
    }

    fn begin(&self, request: GenerateRequest, events: Events) -> Result<Answer, EngineError> {
        request.check()?;
        request.check_toolless("onnx")?;
        let tokens = match &request.prompt {
            Prompt::Text(text) => self.text_tokens(text)?,
            Prompt::Tokens(tokens) => tokens.clone(),
            Prompt::Chat(_) => {
                return Err(invalid("a chat is no text: this engine knows no chat templates".to_owned()));
            }
        };
        let words = self.decoder.vocabulary();
        if tokens.is_empty() {
            return Err(invalid("the prompt has no token".to_owned()));
        }
        if let Some(token) = tokens.iter().find(|&&token| token as usize >= words) {
            return Err(invalid(format!("token `{token}` is not below {words}, the size of the vocabulary")));
        }
        self.check_fits(tokens.len().saturating_add(request.max_tokens as usize))?;
        Ok(Answer::new(request, tokens, events))
    }

    fn text_tokens(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        let tokenizer = self.decoder.tokenizer();
        let encoded = tokenizer.encode(text).map_err(|error| invalid(error.to_string()))?;
        Ok(match tokenizer.bos() {
            Some(bos) if encoded.first() != Some(&bos) => std::iter::once(bos).chain(encoded).collect(),
            Some(_) | None => encoded,
        })
    }

    fn check_fits(&self, needed: usize) -> Result<(), EngineError> {
        let context = self.decoder.context();
        if needed <= context {
            return Ok(());
        }
        Err(EngineError::ContextOverflow { needed: needed as u64, context: u32::try_from(context).unwrap_or(u32::MAX) })
    }

    /// Takes the generation that has waited longest, and those that are as far, one token further; or reads a piece of its
    /// prompt.
    fn step(&mut self) {
        let Some(mut first) = self.sequences.pop_front() else { return };
        let pending = first.answer.tokens().len() - first.state.len;
        if pending > 1 {
            let end = first.answer.tokens().len() - 1;
            let piece = &first.answer.tokens()[first.state.len..end.min(first.state.len + PIECE)];
            match self.decoder.read(&mut first.state, piece) {
                Ok(()) => self.sequences.push_back(first),
                Err(error) => first.answer.events().fail(error.to_string()),
            }
            return;
        }
        let len = first.state.len;
        let mut batch = vec![first];
        let is_alike = |other: &Sequence| other.state.len == len && other.answer.tokens().len() == len + 1;
        while batch.len() < BATCH
            && let Some(place) = self.sequences.iter().position(is_alike)
        {
            batch.extend(self.sequences.remove(place));
        }
        self.decode(batch);
    }

    fn decode(&mut self, mut batch: Vec<Sequence>) {
        let tokenizer = self.decoder.tokenizer();
        let last: Vec<[u32; 1]> =
            batch.iter().map(|sequence| [*sequence.answer.tokens().last().unwrap_or(&0)]).collect();
        let tokens: Vec<&[u32]> = last.iter().map(|token| &token[..]).collect();
        let mut states: Vec<&mut State> = batch.iter_mut().map(|sequence| &mut sequence.state).collect();
        match self.decoder.logits(&mut states, &tokens) {
            Ok(mut logits) => {
                for (mut sequence, logits) in batch.into_iter().zip(logits.chunks_exact_mut(self.decoder.vocabulary()))
                {
                    if sequence.answer.accept(logits, &*tokenizer) == Progress::Running {
                        self.sequences.push_back(sequence);
                    }
                }
            }
            Err(error) => batch.iter().for_each(|sequence| sequence.answer.events().fail(error.to_string())),
        }
    }

    /// Scores every continuation; the prompt is read once. The tokens of a continuation are those of the joined text after the
    /// ones it shares with the prompt alone, so that a token across the border counts.
    fn score(&self, request: &ScoreRequest) -> Result<Vec<ScoredContinuation>, EngineError> {
        let prompt = self.text_tokens(&request.prompt)?;
        let texts = request.continuations.iter().map(|continuation| {
            let tokens = self.text_tokens(&format!("{}{continuation}", request.prompt))?;
            self.check_fits(tokens.len())?;
            Ok(tokens)
        });
        let texts: Vec<Vec<u32>> = texts.collect::<Result<_, EngineError>>()?;
        let shared = texts.iter().map(|text| shared_len(&prompt, text)).min().unwrap_or(0).saturating_sub(1);
        let mut state = self.decoder.start();
        for piece in prompt[..shared].chunks(PIECE) {
            self.decoder.read(&mut state, piece).map_err(failed)?;
        }
        texts.iter().map(|text| self.score_text(&prompt, text, state.clone())).collect()
    }

    fn score_text(&self, prompt: &[u32], text: &[u32], mut state: State) -> Result<ScoredContinuation, EngineError> {
        // The first token of all has nothing before it.
        let first = shared_len(prompt, text).max(1).min(text.len());
        let mut scored =
            ScoredContinuation { tokens: text[first..].to_vec(), log_probabilities: Vec::new(), is_greedy: true };
        let words = self.decoder.vocabulary();
        while state.len + 1 < text.len() {
            let start = state.len;
            let end = (text.len() - 1).min(start + (LOGITS_AT_ONCE / words).max(1));
            let logits = self.decoder.logits(&mut [&mut state], &[&text[start..end]]).map_err(failed)?;
            for (row, &token) in
                logits.chunks_exact(words).zip(&text[start + 1..]).skip(first.saturating_sub(start + 1))
            {
                let best = likeliest(row).ok_or(LogitsError);
                let best = best.map_err(|error| EngineError::Failed { problem: error.to_string() })?;
                scored.is_greedy &= best == token;
                scored.log_probabilities.push(log_probability(row, token));
            }
        }
        Ok(scored)
    }
}

/// Tokens that two texts begin with alike.
fn shared_len(first: &[u32], second: &[u32]) -> usize {
    first.iter().zip(second).take_while(|(a, b)| a == b).count()
}

fn invalid(problem: String) -> EngineError {
    EngineError::InvalidRequest { problem }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where errors are mapped")]
fn failed(error: OnnxError) -> EngineError {
    EngineError::Failed { problem: error.to_string() }
}
