//! From what a user asks to the tokens that a model in this process reads.

use std::fmt::Debug;
use std::sync::Arc;

use crate::error::EngineError;
use crate::request::{Message, Prompt};
use crate::tokenizer::Tokenizer;
use crate::tools::Tools;

/// The text of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// What the model reads; it ends where the assistant's answer begins.
    pub text: String,
    /// Whether the beginning-of-sequence token is still to be added. Templates write it themselves.
    pub wants_bos: bool,
}

/// How a model wants conversations written. Called once for each request that is one.
pub trait ChatForm: Send + Sync + Debug {
    /// Writes a conversation up to the answer.
    ///
    /// # Errors
    /// Why it cannot be written, such as one that begins with the assistant.
    fn render(&self, messages: &[Message]) -> Result<Rendered, String>;

    /// Whether conversations may offer tools.
    fn has_tools(&self) -> bool {
        false
    }

    /// Writes a conversation that offers tools up to the answer.
    ///
    /// # Errors
    /// Why it cannot be written.
    fn render_with_tools(&self, messages: &[Message], tools: &Tools) -> Result<Rendered, String> {
        let _ = (messages, tools);
        Err("the model's chat template has no place for tools".to_owned())
    }
}

/// Reads prompts for one model, and refuses what it cannot read.
#[derive(Clone, Debug)]
pub struct PromptReader {
    /// Text to tokens.
    pub tokenizer: Arc<dyn Tokenizer>,
    /// Conversations to text.
    pub chat: Arc<dyn ChatForm>,
    /// Rows of the model's table of tokens; every token is below it.
    pub vocab: usize,
    /// Longest context, tokens.
    pub context_length: usize,
}

impl PromptReader {
    /// Tokens of a text, after the beginning-of-sequence token where the model wants one.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] for a text that the vocabulary cannot express.
    pub fn text_tokens(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        let encoded = self.tokenizer.encode(text).map_err(|error| invalid(error.to_string()))?;
        Ok(match self.tokenizer.bos() {
            Some(bos) if encoded.first() != Some(&bos) => std::iter::once(bos).chain(encoded).collect(),
            Some(_) | None => encoded,
        })
    }

    /// Tokens of a prompt: at least one, each in the vocabulary.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`].
    pub fn tokens(&self, prompt: &Prompt, tools: Option<&Tools>) -> Result<Vec<u32>, EngineError> {
        if tools.is_some() && !matches!(prompt, Prompt::Chat(_)) {
            return Err(invalid("only a conversation offers tools".to_owned()));
        }
        let tokens = match prompt {
            Prompt::Text(text) => self.text_tokens(text)?,
            Prompt::Tokens(tokens) => tokens.clone(),
            Prompt::Chat(messages) => {
                let rendered = match tools {
                    None => self.chat.render(messages),
                    Some(tools) => self.chat.render_with_tools(messages, tools),
                };
                let rendered = rendered.map_err(invalid)?;
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
        let vocab = self.vocab;
        match tokens.iter().find(|&&token| token as usize >= vocab) {
            Some(token) => Err(invalid(format!("token `{token}` is not below {vocab}, the size of the vocabulary"))),
            None => Ok(tokens),
        }
    }

    /// Refuses more tokens than the model's context has.
    ///
    /// # Errors
    /// [`EngineError::ContextOverflow`].
    pub fn check_fits(&self, needed: usize) -> Result<(), EngineError> {
        if needed <= self.context_length {
            return Ok(());
        }
        let context = u32::try_from(self.context_length).unwrap_or(u32::MAX);
        Err(EngineError::ContextOverflow { needed: needed as u64, context })
    }
}

fn invalid(problem: String) -> EngineError {
    EngineError::InvalidRequest { problem }
}
