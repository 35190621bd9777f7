//! Generated prompts: event text of an exact number of tokens, or of about so many words.

mod exact;
mod text;

pub use exact::{PromptError, exact_prompt};
pub use text::{BYTES_PER_TOKEN_GUESS, GeneratedPrompt, PromptSettings, prompt_of_bytes, prompt_of_words};
