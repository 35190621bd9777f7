//! What each kind of server has: the one table of their differences.

use weighbridge_types::model_ref::Preset;

use crate::options::TextPrompts;

/// The language of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
    Ollama,
}

/// A field of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// Value that switches it off, sent when the server's own default is something else; `None` leaves it out.
    pub(crate) off: Option<i32>,
}

/// How a server goes on after an end-of-sequence token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IgnoreEos {
    No,
    /// A field `ignore_eos`.
    Field,
    /// A field `ignore_eos`, and `min_tokens`, without which stop tokens of the model's settings still end it.
    FieldAndMinTokens,
}

/// Where a server says which version it is: a path from its root, and the key in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VersionAt {
    pub(crate) path: &'static str,
    pub(crate) key: &'static str,
}

/// How the model list relates to the models that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModelList {
    /// Every model is listed.
    Complete,
    /// Models that are not listed may be asked for: aliases, or models that are loaded when named.
    Partial,
}

/// What a kind of server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traits {
    pub(crate) dialect: Dialect,
    pub(crate) default_url: &'static str,
    pub(crate) text_prompts: TextPrompts,
    pub(crate) top_k: Option<Field>,
    pub(crate) min_p: Option<Field>,
    pub(crate) repetition_penalty: Option<Field>,
    pub(crate) seed: bool,
    pub(crate) logprobs: bool,
    pub(crate) ignore_eos: IgnoreEos,
    pub(crate) token_prompts: bool,
    /// The text of an answer can be held to a grammar.
    pub(crate) constraint: bool,
    /// Each chunk can carry the token count so far.
    pub(crate) continuous_usage: bool,
    /// The completions API returns the prompt's log-probabilities with the tokens' ids.
    pub(crate) score: bool,
    pub(crate) version_at: Option<VersionAt>,
    pub(crate) models: ModelList,
}

const fn field(name: &'static str, off: i32) -> Option<Field> {
    Some(Field { name, off: Some(off) })
}

/// The OpenAI API as its inventor has it.
const OPENAI: Traits = Traits {
    dialect: Dialect::OpenAi,
    default_url: "https://api.openai.com/v1",
    // The chat API is what every compatible server has.
    text_prompts: TextPrompts::AsUserMessage,
    top_k: None,
    min_p: None,
    repetition_penalty: None,
    seed: true,
    logprobs: true,
    ignore_eos: IgnoreEos::No,
    token_prompts: true,
    constraint: true,
    continuous_usage: false,
    score: false,
    version_at: None,
    models: ModelList::Complete,
};

/// The traits of a kind of server. Fields that servers set by themselves, as vLLM does from a model's generation
/// settings and llama.cpp from its command line, are sent even when they are off.
pub(crate) const fn traits(preset: Preset) -> Traits {
    match preset {
        Preset::OpenAi => OPENAI,
        Preset::Anthropic => Traits {
            dialect: Dialect::Anthropic,
            default_url: "https://api.anthropic.com/v1",
            top_k: Some(Field { name: "top_k", off: None }),
            seed: false,
            logprobs: false,
            token_prompts: false,
            constraint: false,
            models: ModelList::Partial,
            ..OPENAI
        },
        Preset::Ollama => Traits {
            dialect: Dialect::Ollama,
            default_url: "http://127.0.0.1:11434",
            text_prompts: TextPrompts::Continue,
            top_k: field("top_k", 0),
            min_p: field("min_p", 0),
            repetition_penalty: field("repeat_penalty", 1),
            logprobs: false,
            token_prompts: false,
            version_at: Some(VersionAt { path: "/api/version", key: "version" }),
            ..OPENAI
        },
        Preset::Vllm => Traits {
            default_url: "http://127.0.0.1:8000/v1",
            text_prompts: TextPrompts::Continue,
            top_k: field("top_k", -1),
            min_p: field("min_p", 0),
            repetition_penalty: field("repetition_penalty", 1),
            ignore_eos: IgnoreEos::FieldAndMinTokens,
            continuous_usage: true,
            score: true,
            version_at: Some(VersionAt { path: "/version", key: "version" }),
            ..OPENAI
        },
        Preset::Sglang => Traits {
            default_url: "http://127.0.0.1:30000/v1",
            text_prompts: TextPrompts::Continue,
            top_k: field("top_k", -1),
            min_p: field("min_p", 0),
            repetition_penalty: field("repetition_penalty", 1),
            ignore_eos: IgnoreEos::Field,
            continuous_usage: true,
            version_at: Some(VersionAt { path: "/get_server_info", key: "version" }),
            ..OPENAI
        },
        Preset::Tgi => Traits {
            default_url: "http://127.0.0.1:3000/v1",
            text_prompts: TextPrompts::Continue,
            token_prompts: false,
            // It has a form of its own for schemas.
            constraint: false,
            version_at: Some(VersionAt { path: "/info", key: "version" }),
            ..OPENAI
        },
        Preset::LlamaServer => Traits {
            default_url: "http://127.0.0.1:8080/v1",
            text_prompts: TextPrompts::Continue,
            top_k: field("top_k", 0),
            min_p: field("min_p", 0),
            repetition_penalty: field("repeat_penalty", 1),
            ignore_eos: IgnoreEos::Field,
            version_at: Some(VersionAt { path: "/props", key: "build_info" }),
            ..OPENAI
        },
        Preset::Mlx => Traits {
            default_url: "http://127.0.0.1:8080/v1",
            text_prompts: TextPrompts::Continue,
            top_k: field("top_k", 0),
            min_p: field("min_p", 0),
            repetition_penalty: field("repetition_penalty", 1),
            logprobs: false,
            token_prompts: false,
            // It passes over fields that it does not know.
            constraint: false,
            models: ModelList::Partial,
            ..OPENAI
        },
    }
}
