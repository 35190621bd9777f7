//! The work on one chunk: what it says, what can be asked of it, and how far the answers stand in it.

use serde::{Deserialize, Serialize};
use weighbridge_types::time::Clock;

use super::model::{Ask, Model, ModelFailure, Reply};
use super::times::{Stage, StageTimes};
use crate::converse::{
    CONVERSATION_PROMPT, Candidate, conversation_prompt, conversation_schema, converse_patterns, read_conversations,
};
use crate::digest::digest_of;
use crate::extract::{
    EXTRACTION_PROMPT, Extraction, Losses, extract_patterns, extraction_prompt, extraction_schema, keep_best,
    read_extractions,
};
use crate::settings::Settings;

/// Version of what patterns and templates make of a text: part of what a stored result is found by.
const PATTERNS: &str = "patterns-1";

/// What came of a chunk. It is kept in the journal; ranges are bytes of the chunk's text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChunkResult {
    /// What it says.
    pub extractions: Vec<Extraction>,
    /// What can be asked.
    pub candidates: Vec<Candidate>,
    /// What was lost on the way.
    pub losses: Losses,
    /// What was paid for.
    pub calls: Calls,
    /// Why it is less than it should be; `None` where it is not.
    pub degraded: Option<String>,
}

/// Calls of a model, and what they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that were not, after all their tries.
    pub failed: u64,
    /// Further tries.
    pub retries: u64,
    /// Tokens of prompts, as far as told.
    pub prompt_tokens: u64,
    /// Tokens of answers, as far as told.
    pub output_tokens: u64,
}

impl Calls {
    /// Counts an answer.
    pub fn count(&mut self, reply: &Reply) {
        self.answered += 1;
        self.retries += u64::from(reply.retries);
        self.prompt_tokens += reply.prompt_tokens.unwrap_or(0);
        self.output_tokens += reply.output_tokens.unwrap_or(0);
    }

    /// Adds those of another.
    pub const fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.retries += other.retries;
        self.prompt_tokens += other.prompt_tokens;
        self.output_tokens += other.output_tokens;
    }
}

/// The key of a chunk's result: everything that decides it.
#[must_use]
pub fn chunk_key(text: &str, headings: &[String], settings: &Settings, model: Option<&str>) -> String {
    let stage = "chunk";
    let prompts = if model.is_some() { vec![EXTRACTION_PROMPT, CONVERSATION_PROMPT, PATTERNS] } else { vec![PATTERNS] };
    digest_of(&(
        stage,
        text,
        headings,
        &settings.extraction,
        &settings.conversations,
        settings.gates.extraction,
        model,
        prompts,
    ))
}

/// Works on a chunk: with a model where there is one, else by patterns.
///
/// # Errors
///
/// When the model gives no answer.
pub fn work_chunk(
    text: &str,
    headings: &[String],
    settings: &Settings,
    model: Option<&dyn Model>,
    clock: Clock,
    times: &mut StageTimes,
) -> Result<ChunkResult, ModelFailure> {
    match model {
        Some(model) => by_model(text, headings, settings, model, clock, times),
        None => Ok(by_patterns(text, headings, settings, clock, times)),
    }
}

/// Works on a chunk by patterns alone.
#[must_use]
pub(super) fn by_patterns(
    text: &str,
    headings: &[String],
    settings: &Settings,
    clock: Clock,
    times: &mut StageTimes,
) -> ChunkResult {
    let mut losses = Losses::default();
    let begin = clock.now();
    let found = extract_patterns(text, headings, &settings.extraction);
    let extractions = sure(found, settings, &mut losses);
    let middle = clock.now();
    times.add(Stage::Extraction, "patterns", middle - begin);
    let candidates = converse_patterns(text, headings, &extractions, &settings.conversations);
    times.add(Stage::Conversations, "templates", clock.now() - middle);
    ChunkResult { extractions, candidates, losses, calls: Calls::default(), degraded: None }
}

fn by_model(
    text: &str,
    headings: &[String],
    settings: &Settings,
    model: &dyn Model,
    clock: Clock,
    times: &mut StageTimes,
) -> Result<ChunkResult, ModelFailure> {
    let mut result = ChunkResult::default();
    let begin = clock.now();
    let ask = Ask {
        prompt: extraction_prompt(text, headings, &settings.extraction),
        schema: Some(extraction_schema(&settings.extraction)),
        max_tokens: settings.extraction.max_tokens,
    };
    let reply = model.ask(&ask)?;
    let answered = clock.now();
    times.add(Stage::Extraction, "model", answered - begin);
    result.calls.count(&reply);
    let found = read_extractions(&reply.text, text, &settings.extraction, &mut result.losses);
    result.extractions = sure(found, settings, &mut result.losses);
    let begin = clock.now();
    times.add(Stage::Extraction, "align", begin - answered);
    let ask = Ask {
        prompt: conversation_prompt(text, headings, &result.extractions, settings),
        schema: Some(conversation_schema(settings)),
        max_tokens: settings.conversations.max_tokens,
    };
    let reply = model.ask(&ask)?;
    let answered = clock.now();
    times.add(Stage::Conversations, "model", answered - begin);
    result.calls.count(&reply);
    result.candidates = read_conversations(&reply.text, text, settings, &mut result.losses);
    times.add(Stage::Conversations, "align", clock.now() - answered);
    if result.losses.unparsable > 0 {
        result.degraded = Some("unparsable_reply".to_owned());
    } else if result.losses.truncated > 0 {
        result.degraded = Some("truncated_reply".to_owned());
    }
    Ok(result)
}

/// Those that reach the gate, each once, the surest first to stay.
fn sure(mut found: Vec<Extraction>, settings: &Settings, losses: &mut Losses) -> Vec<Extraction> {
    let before = found.len();
    found.retain(|one| one.confidence >= settings.gates.extraction);
    losses.surplus += (before - found.len()) as u64;
    keep_best(found, settings.extraction.most_per_chunk, losses)
}
