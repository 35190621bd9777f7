//! OpenAI's `/v1/chat/completions` and `/v1/completions`.

mod read;
mod write;

pub(crate) use read::{Api, ask};
pub(crate) use write::{OpenAiWriter, failure};
