//! Prompts of a known length, made before anything is timed.

use std::sync::Arc;

use weighbridge_engine::{Engine, Prompt, Tokenizer};
use weighbridge_workload::{
    BYTES_PER_TOKEN_GUESS, GeneratedPrompt, PromptSettings, exact_prompt, prompt_of_bytes, prompt_of_words,
};

use crate::settings::Lengths;

/// A request ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) prompt: Prompt,
    /// Its length as counted here; `None` without a tokenizer.
    pub(crate) input_tokens: Option<u32>,
    pub(crate) output_tokens: u32,
}

/// Makes prompts, each different from every other, so that no cache of prefixes answers for the model.
pub(crate) struct Prompts {
    tokenizer: Option<Arc<dyn Tokenizer>>,
    /// The scripted engine takes words for tokens.
    is_scripted: bool,
    salt: [u64; 4],
}

impl Prompts {
    /// Prompts for an engine. Equal salts give equal prompts.
    pub(crate) fn new(engine: &Arc<dyn Engine>, salt: [u64; 4]) -> Self {
        Self { tokenizer: engine.tokenizer(), is_scripted: engine.describe().scripted, salt }
    }

    /// `count` requests, numbered from `first`.
    pub(crate) fn prepare(&self, lengths: Lengths, first: u64, count: u32) -> Vec<Prepared> {
        (first..).take(count as usize).map(|number| self.request(lengths, number)).collect()
    }

    fn request(&self, lengths: Lengths, number: u64) -> Prepared {
        let [seed, phase, run, part] = self.salt;
        let salt = format!("{seed:x}-{phase}-{run}-{part}-{number} ");
        let settings = PromptSettings { seed, index: number, salt: Some(salt), ..PromptSettings::default() };
        let generated = self.generate(lengths.input, &settings);
        Prepared { prompt: Prompt::Text(generated.text), input_tokens: generated.tokens, output_tokens: lengths.output }
    }

    /// Exact where a tokenizer can say so. A length too short for the salt, or a vocabulary that cannot be steered, is
    /// met as nearly as without a tokenizer; the length is then unknown until the engine has counted.
    fn generate(&self, tokens: u32, settings: &PromptSettings) -> GeneratedPrompt {
        let exact = self.tokenizer.as_deref().map(|tokenizer| exact_prompt(tokenizer, tokens, settings));
        match exact {
            Some(Ok(prompt)) => prompt,
            _ if self.is_scripted => prompt_of_words(tokens, settings),
            _ => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a few million")]
                let bytes = (f64::from(tokens) * BYTES_PER_TOKEN_GUESS) as usize;
                prompt_of_bytes(bytes, settings)
            }
        }
    }
}
