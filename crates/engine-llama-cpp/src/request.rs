//! From a request to tokens.

use std::sync::Arc;

use llama_cpp_2::model::{LlamaChatMessage, LlamaModel};
use weighbridge_engine::answer::{Answer, Events};
use weighbridge_engine::{EngineError, GenerateRequest, Message, Prompt, Tokenizer};

/// A generation as it was asked for.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: GenerateRequest,
    pub(crate) events: Events,
}

/// What requests are prepared with.
#[derive(Debug)]
pub(crate) struct Preparation {
    pub(crate) model: Arc<LlamaModel>,
    pub(crate) tokenizer: Arc<dyn Tokenizer>,
    /// Tokens of a prompt and its answer at most.
    pub(crate) context: u32,
}

/// A running generation.
#[derive(Debug)]
pub(crate) struct Sequence {
    pub(crate) answer: Answer,
    /// llama.cpp's number of it.
    pub(crate) id: i32,
    /// Tokens whose keys and values were computed.
    pub(crate) read: usize,
    /// Places of keys and values that are kept free for it.
    pub(crate) cells: usize,
    /// Lower goes first.
    pub(crate) priority: i32,
}

impl Sequence {
    /// Tokens that wait to be computed.
    pub(crate) fn pending(&self) -> usize {
        self.answer.tokens().len() - self.read
    }

    /// Whether nobody wants it any more; a deadline that has passed is told.
    pub(crate) fn is_over(&self) -> bool {
        self.answer.events().is_closed() || self.answer.events().is_late()
    }
}

impl Preparation {
    /// Checks a request and finds its tokens. `id` is free.
    pub(crate) fn begin(&self, request: GenerateRequest, events: Events, id: i32) -> Result<Sequence, EngineError> {
        request.check()?;
        request.check_toolless("llama.cpp")?;
        let tokens = self.prompt_tokens(&request.prompt)?;
        let cells = tokens.len().saturating_add(usize::try_from(request.max_tokens).unwrap_or(usize::MAX));
        self.check_fits(cells)?;
        let priority = request.priority;
        Ok(Sequence { answer: Answer::new(request, tokens, events), id, read: 0, cells, priority })
    }

    /// Refuses more tokens than the context has.
    pub(crate) fn check_fits(&self, needed: usize) -> Result<(), EngineError> {
        match needed <= self.context as usize {
            true => Ok(()),
            false => Err(EngineError::ContextOverflow { needed: needed as u64, context: self.context }),
        }
    }

    /// Tokens of a text, after the beginning-of-sequence token where the model wants one.
    pub(crate) fn text_tokens(&self, text: &str) -> Result<Vec<u32>, EngineError> {
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
            Prompt::Chat(messages) => self.text_tokens(&self.render(messages)?)?,
        };
        if tokens.is_empty() {
            return Err(invalid("the prompt has no token".to_owned()));
        }
        let vocab = self.tokenizer.vocab_size();
        match tokens.iter().find(|&&token| token >= vocab) {
            Some(token) => Err(invalid(format!("token `{token}` is not below {vocab}, the size of the vocabulary"))),
            None => Ok(tokens),
        }
    }

    /// Renders a conversation as llama.cpp does: by the known form that the model's template resembles.
    fn render(&self, messages: &[Message]) -> Result<String, EngineError> {
        let template =
            self.model.chat_template(None).map_err(|_| invalid("the model has no chat template".to_owned()))?;
        let message = |message: &Message| {
            LlamaChatMessage::new(message.role.name().to_owned(), message.content.clone())
                .map_err(|_| invalid("a message holds a zero byte, which llama.cpp cannot take".to_owned()))
        };
        let messages = messages.iter().map(message).collect::<Result<Vec<_>, _>>()?;
        let unknown = |_| invalid("llama.cpp does not know the form of the model's chat template".to_owned());
        self.model.apply_chat_template(&template, &messages, true).map_err(unknown)
    }
}

fn invalid(problem: String) -> EngineError {
    EngineError::InvalidRequest { problem }
}
