//! Generated loads: prompts of given lengths, conversations, agents, and what disturbs a server.

mod cache;
mod grammar;
mod merged;
mod part;
mod pool;
mod reuse;
mod sessions;
mod words;

#[cfg(test)]
mod tests;

pub use cache::{CACHE_WARMUP, CacheTraffic, CacheTrafficSettings, CacheWorkload};
pub use merged::{Merged, MergedPart};
pub use part::{CancelWhen, Cancellation, Part, Prefixes, PromptShape, SessionShape, SlowReaders};
pub use pool::TextPool;
pub use reuse::{ReuseSettings, reuse_order, reuse_prompts};
pub use sessions::{Synthetic, SyntheticSettings};

pub(crate) use grammar::read_parts;
