//! Where cache hits came from: what was declared, what was seen, and what the same server was sent before.

mod provenance;
mod sent;

pub use provenance::{CacheEvidence, cache_metric, judge_cache};
pub use sent::{Prior, SendLogError, Sent, append_sent, prior_sends};
