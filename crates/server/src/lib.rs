//! The HTTP server in front of the model service.
//!
//! [`app`] makes the routes: OpenAI's, Anthropic's and Ollama's dialects over one way of answering, and `/api/v1` for whoever
//! runs the service. [`run`] serves them on a listener until it is told to stop, and then finishes what it has begun. A
//! handler reads a request, asks the service, and writes the answer; how models are held is the business of
//! `weighbridge-serving`.
//!
//! An answer is written by a task of its own into a channel of few places, so that a client that reads slowly holds no more than
//! that, and one that is gone stops its generation. The price is one hop between threads per chunk.

mod admin;
mod answer;
mod ask;
mod audit;
mod auth;
mod cached;
mod catalog;
mod counted;
mod dialect;
mod error;
mod figures;
mod generate;
mod metrics;
mod near;
mod offer;
mod openapi;
mod routes;
mod run;
mod servers;
mod service;
mod stall;
mod upstream;
mod vectors;
mod visitor;
mod warm;
mod watch;

pub use auth::{Keys, Scope};
pub use dialect::check_body;
pub use error::ApiError;
pub use metrics::metrics_app;
pub use near::NearAnswers;
pub use openapi::openapi;
pub use routes::app;
pub use run::{Limits, run};
pub use servers::{RelayTo, Server};
pub use service::{ModelLimits, Origin, Served, Service, ServiceSettings};
pub use upstream::holds_token;
pub use warm::{WarmPlan, WarmRequest, warm};
pub use watch::{MemoryThresholds, Watch};
