//! One HTTP client core with time stamps, and its dialects.
//!
//! [`HttpEngine`] weighs a model behind the OpenAI API (with the presets vLLM, TGI, SGLang, llama-server and MLX), the
//! Anthropic messages API or Ollama's own. It knows nothing of runs, phases or statistics: a request goes in, stamped
//! events come out. [`scripted_server`] is the other side of the wire with a known timeline, against which the client
//! is tested and calibrated. [`Relay`] hands requests on without a look into them: what a proxy needs of the client.
//!
//! Time is taken where bytes cross the socket, below TLS and before any parsing: just before the first write, after
//! the last one, and for each read. On Linux the time of a read is the kernel's stamp of the packet, so that it holds
//! even where this program was late to read it; under TLS, elsewhere, and where the wall clock was set meanwhile, it is
//! the time just after the read. Each request says in its receipt which it was. Several events in one read share its
//! stamp; where the kernel had joined packets, that is the stamp of the last one.
//!
//! Each request drives its own connection within its stream, so there is no task per connection, and a read is taken
//! in where it was made: framing, events and frames are read in place. The price: a stream that is not polled does not
//! read.
//!
//! Only text or log-probabilities make a frame. Frames that announce a role, hold nothing, keep alive or report usage
//! never do. There is no tokenizer here: a frame counts as one token unless the server tells more, by log-probabilities
//! or by a running usage count.

mod base_url;
mod client;
mod connection;
mod dialect;
mod engine;
mod error;
mod exchange;
mod failure;
mod fetch;
mod generation;
pub mod http1;
mod inbox;
mod kernel_clock;
mod models;
pub mod ndjson;
mod options;
mod pages;
mod pool;
mod preset;
mod receive;
mod relay;
mod request_head;
mod score;
pub mod scripted_server;
mod secret;
mod socket;
pub mod sse;
mod tls;
mod transport;
mod watchdog;
mod webhook;

pub use client::ConnectionCounts;
pub use engine::HttpEngine;
pub use error::HttpError;
pub use options::{Delivery, HttpOptions, StreamUsage, TextPrompts};
pub use pages::Pages;
pub use pool::{ConnectionLimits, ConnectionPools};
pub use relay::{Relay, Relayed};
pub use secret::Secret;
pub use webhook::Webhook;
