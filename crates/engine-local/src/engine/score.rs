//! Log-probabilities of given texts.

use tokio::sync::oneshot;
use weighbridge_engine::sampling::{LogitsError, likeliest, log_probability};
use weighbridge_engine::stage::Stage;
use weighbridge_engine::{EngineError, ScoreRequest, ScoredContinuation};

use super::worker::Worker;
use crate::graph::{KvSlot, Span};

/// Logits that are held at once: 16 MiB, some 80 rows of GPT-2's vocabulary.
const LOGITS_AT_ONCE: usize = 4 << 20;

/// Tokens of the prompt that are read in one pass.
const PROMPT_PIECE: usize = 256;

/// Texts to be scored, and where the answer goes.
#[derive(Debug)]
pub(super) struct ScoreJob {
    pub(super) request: ScoreRequest,
    pub(super) answer: oneshot::Sender<Result<Vec<ScoredContinuation>, EngineError>>,
}

impl Worker {
    /// Scores every continuation; the prompt is read once. The tokens of a continuation are those of the joined text
    /// after the ones it shares with the prompt alone, so that a token across the border counts.
    pub(super) fn score(&mut self, request: &ScoreRequest) -> Result<Vec<ScoredContinuation>, EngineError> {
        let tokenize = Stage::Tokenize.enter();
        let prompt = self.preparation.reader.text_tokens(&request.prompt)?;
        let texts = request.continuations.iter().map(|continuation| {
            let tokens = self.preparation.reader.text_tokens(&format!("{}{continuation}", request.prompt))?;
            self.preparation.reader.check_fits(tokens.len())?;
            Ok(tokens)
        });
        let texts: Vec<Vec<u32>> = texts.collect::<Result<_, EngineError>>()?;
        drop(tokenize);
        let _stage = Stage::Prefill.enter();
        self.preparation.reader.check_fits(prompt.len())?;
        let mut slot = KvSlot::new(&self.preparation.config, &self.preparation.kv);
        let found = self.prefixes.find(&prompt, &mut slot);
        // The prompt's last token is read with each continuation: its logits judge the first token.
        for piece in prompt[..prompt.len().saturating_sub(1)][found..].chunks(PROMPT_PIECE) {
            self.model.forward(&mut self.compute, &mut self.scratch, &mut [Span { slot: &mut slot, tokens: piece }]);
        }
        self.prefixes.keep(&prompt, &mut slot);
        texts.iter().map(|text| self.score_text(&prompt, text, &mut slot)).collect()
    }

    fn score_text(
        &mut self,
        prompt: &[u32],
        text: &[u32],
        slot: &mut KvSlot,
    ) -> Result<ScoredContinuation, EngineError> {
        let shared = prompt.iter().zip(text).take_while(|(a, b)| a == b).count();
        // The first token of all has nothing before it.
        let first = shared.max(1).min(text.len());
        slot.truncate(first.saturating_sub(1));
        let mut scored =
            ScoredContinuation { tokens: text[first..].to_vec(), log_probabilities: Vec::new(), is_greedy: true };
        let rows_at_once = (LOGITS_AT_ONCE / self.preparation.config.vocab).max(1);
        while first + scored.log_probabilities.len() < text.len() {
            let start = slot.len();
            let end = (text.len() - 1).min(start + rows_at_once);
            let spans = &mut [Span { slot, tokens: &text[start..end] }];
            self.model.forward(&mut self.compute, &mut self.scratch, spans);
            // A token that the prompt was read past is read again, without being scored.
            let skipped = first + scored.log_probabilities.len() - start - 1;
            let rows: Vec<usize> = (skipped..end - start).collect();
            let logits = self.model.logits(&mut self.compute, &mut self.scratch, &rows);
            for (logits, &token) in logits.chunks_exact(self.preparation.config.vocab).zip(&text[start + skipped + 1..])
            {
                let likeliest =
                    likeliest(logits).ok_or_else(|| EngineError::Failed { problem: LogitsError.to_string() })?;
                scored.is_greedy &= likeliest == token;
                scored.log_probabilities.push(log_probability(logits, token));
            }
        }
        Ok(scored)
    }
}
