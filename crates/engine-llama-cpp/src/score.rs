//! Log-probabilities of given texts.

use tokio::sync::oneshot;
use weighbridge_engine::sampling::{LogitsError, likeliest, log_probability};
use weighbridge_engine::{EngineError, ScoreRequest, ScoredContinuation};

use crate::worker::{BATCH, SCORED, Worker, add};

/// Logits that llama.cpp is to hold at once: 16 MiB, some 80 rows of GPT-2's vocabulary.
const LOGITS_AT_ONCE: usize = 4 << 20;

/// Texts to be scored, and where the answer goes.
#[derive(Debug)]
pub(crate) struct ScoreJob {
    pub(crate) request: ScoreRequest,
    pub(crate) answer: oneshot::Sender<Result<Vec<ScoredContinuation>, EngineError>>,
}

impl Worker<'_> {
    /// Scores every continuation; what they have in common is read once. The tokens of a continuation are those of the joined
    /// text after the ones it shares with the prompt alone, so that a token across the border counts.
    pub(crate) fn score(&mut self, request: &ScoreRequest) -> Result<Vec<ScoredContinuation>, EngineError> {
        let prompt = self.preparation.text_tokens(&request.prompt)?;
        let mut held = Vec::new();
        let scored = request.continuations.iter().map(|continuation| {
            let text = self.preparation.text_tokens(&format!("{}{continuation}", request.prompt))?;
            self.preparation.check_fits(text.len())?;
            self.score_text(&prompt, text, &mut held)
        });
        let scored = scored.collect();
        // Removing a whole sequence cannot fail.
        drop(self.context.kv_cache_seq_rm(SCORED, None, None));
        scored
    }

    /// `held` are the tokens whose keys and values are there.
    fn score_text(
        &mut self,
        prompt: &[u32],
        text: Vec<u32>,
        held: &mut Vec<u32>,
    ) -> Result<ScoredContinuation, EngineError> {
        // The first token of all has nothing before it.
        let first = shared(prompt, &text).max(1).min(text.len());
        let mut scored =
            ScoredContinuation { tokens: text[first..].to_vec(), log_probabilities: Vec::new(), is_greedy: true };
        let mut start = shared(held, &text).min(first.saturating_sub(1));
        if self.context.kv_cache_seq_rm(SCORED, u32::try_from(start).ok(), None).is_err() {
            // Models with a state instead of keys and values forget all or nothing.
            drop(self.context.kv_cache_seq_rm(SCORED, None, None));
            start = 0;
        }
        let rows_at_once = (LOGITS_AT_ONCE / self.preparation.tokenizer.vocab_size().max(1) as usize).clamp(1, BATCH);
        while start + 1 < text.len() {
            // The last token is judged and not read.
            let end = (text.len() - 1).min(if start + 1 < first {
                (first - 1).min(start + BATCH)
            } else {
                start + rows_at_once
            });
            self.batch.clear();
            add(&mut self.batch, &text[start..end], start, SCORED, |place| start + place + 1 >= first);
            if let Err(error) = self.context.decode(&mut self.batch) {
                return Err(EngineError::Failed { problem: format!("score the texts in llama.cpp: {error}") });
            }
            for (row, place) in (0..).zip(start..end).filter(|(_, place)| place + 1 >= first) {
                let (logits, token) = (self.context.get_logits_ith(row), text[place + 1]);
                let likeliest =
                    likeliest(logits).ok_or_else(|| EngineError::Failed { problem: LogitsError.to_string() })?;
                scored.is_greedy &= likeliest == token;
                scored.log_probabilities.push(log_probability(logits, token));
            }
            start = end;
        }
        *held = text;
        held.truncate(start);
        Ok(scored)
    }
}

/// How many tokens two texts begin with alike.
fn shared(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
