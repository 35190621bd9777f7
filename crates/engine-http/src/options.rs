//! What a user can choose about the client.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::pool::ConnectionPools;
use crate::secret::Secret;

/// Settings of an [`HttpEngine`](crate::HttpEngine).
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Key sent with every request; `None` sends none.
    pub key: Option<Secret>,
    /// Whether the key may travel over plain HTTP to another machine. Loopback needs no permission.
    pub key_in_clear: bool,
    /// A PEM file of certificate authorities to trust beside the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// Longest time to connect, with the TLS handshake. 10 s: beyond three lost SYN packets nobody answers.
    pub connect_timeout: Duration,
    /// Longest wait from the request to the first byte of the answer. 300 s: a long prompt on a CPU takes minutes.
    pub first_byte_timeout: Duration,
    /// Longest silence within an answer. 120 s: gateways ping every 15 to 30 s.
    pub idle_timeout: Duration,
    /// Longest wait from the request to the first token, whatever else comes before it. `None` sets no limit of its own.
    pub first_token_timeout: Option<Duration>,
    /// Longest time without a token after the first one, whatever else comes. `None` sets no limit of its own.
    pub stall_timeout: Option<Duration>,
    /// Longest time for a whole request. One hour.
    pub total_timeout: Duration,
    /// Longest time that a kept connection is used again. 4 s: common Python and Node servers close after 5 s.
    pub keep_alive: Duration,
    /// Kept connections at most; others are closed after use. 1024.
    pub idle_connections: usize,
    /// How answers are delivered.
    pub delivery: Delivery,
    /// How a text prompt is sent; `None` takes the preset's way.
    pub text_prompts: Option<TextPrompts>,
    /// Header fields that are sent with every request; one of ours of the same name gives way. Values do not print,
    /// and those of fields whose names say so (such as `x-api-key`) are treated as keys.
    pub headers: Vec<(String, Secret)>,
    /// Fields that are put into every request body, over those that the engine wrote.
    pub extra_body: Map<String, Value>,
    /// Largest event of a stream, and largest answer that is not a stream, bytes. 16 MiB.
    pub largest_event: usize,
    /// Largest body of a stream, bytes. 1 GiB: a million tokens with log-probabilities fit.
    pub largest_answer: u64,
    /// Connections at most; further requests wait until one is free. `None` opens as many as there are requests.
    pub max_connections: Option<usize>,
    /// Connections that are shared with other clients; they bound and keep them, whatever the settings of this client say of that.
    pub pools: Option<Arc<ConnectionPools>>,
    /// Whether connections are used again; else each request opens one and asks the server to close it.
    pub reuse_connections: bool,
    /// Whether the kernel stamps the arrival of bytes, where it can: on Linux, without TLS.
    pub kernel_stamps: bool,
    /// What a stream is asked to report on token counts.
    pub stream_usage: StreamUsage,
}

/// What a stream is asked to report on token counts. Dialects other than OpenAI's report without being asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamUsage {
    /// With each chunk where the preset's servers can, else at the end.
    #[default]
    Preset,
    /// At the end.
    AtEnd,
    /// Nothing: for servers that refuse `stream_options`.
    Unasked,
}

/// How answers are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Token by token.
    Stream,
    /// All at once; such a request has one frame and no token gaps.
    Whole,
}

/// How a text prompt is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextPrompts {
    /// To be continued: the completions API.
    Continue,
    /// As the message of a user: the chat API, whose template adds tokens.
    AsUserMessage,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            key: None,
            key_in_clear: false,
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(120),
            first_token_timeout: None,
            stall_timeout: None,
            total_timeout: Duration::from_secs(3600),
            keep_alive: Duration::from_secs(4),
            idle_connections: 1024,
            delivery: Delivery::Stream,
            text_prompts: None,
            headers: Vec::new(),
            extra_body: Map::new(),
            largest_event: 16 << 20,
            largest_answer: 1 << 30,
            max_connections: None,
            pools: None,
            reuse_connections: true,
            kernel_stamps: true,
            stream_usage: StreamUsage::Preset,
        }
    }
}
