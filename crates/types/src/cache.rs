//! Where a run's cache hits came from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of the server's prompt cache that a run declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheState {
    /// No prompt is in it.
    Cold,
    /// Every prompt, or its shared part, is in it.
    Warm,
    /// The workload means to hit and to miss: sessions, shared prefixes.
    Mixed,
    /// Nothing was done to know it.
    #[default]
    Uncontrolled,
}

impl CacheState {
    /// The name used in files and flags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::Mixed => "mixed",
            Self::Uncontrolled => "uncontrolled",
        }
    }
}

/// Prompt tokens found in a cache, of those looked up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CacheHits {
    /// Tokens found.
    pub found: f64,
    /// Tokens looked up; above 0.
    pub of: f64,
}

impl CacheHits {
    /// `found / of`; `None` when nothing was looked up.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        (self.of > 0.0).then(|| self.found / self.of)
    }
}

/// A rule of cache provenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheRule {
    /// Declared cold, and tokens were found.
    ColdButHits,
    /// Declared warm, and tokens were not found.
    WarmButMisses,
    /// Prompts were salted, and tokens were found all the same.
    SaltedButHits,
    /// The same prompts were sent to the same start of the server before.
    Contaminated,
    /// The same prompts were sent before; whether the server was restarted since is not known.
    PerhapsContaminated,
    /// The usage of the requests and the server's counters tell different shares.
    CountsDisagree,
    /// Declared cold, and nothing keeps the prompts out of the cache.
    ColdWithoutSalt,
    /// Nobody tells the hits.
    Unobserved,
    /// Nothing was declared.
    Undeclared,
}

impl CacheRule {
    /// Whether the figures contradict what was declared; else it is a note.
    #[must_use]
    pub const fn is_alarm(self) -> bool {
        match self {
            Self::ColdButHits
            | Self::WarmButMisses
            | Self::SaltedButHits
            | Self::Contaminated
            | Self::PerhapsContaminated
            | Self::CountsDisagree => true,
            Self::ColdWithoutSalt | Self::Unobserved | Self::Undeclared => false,
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheNote {
    /// The rule.
    pub rule: CacheRule,
    /// What was found, for people, with its numbers.
    pub text: String,
}

/// Where a run's cache hits came from, as far as it can be known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CacheProvenance {
    /// What the run declares.
    pub declared: CacheState,
    /// Whether each prompt began with words of its own run.
    pub salted: bool,
    /// Hits by the usage of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_usage: Option<CacheHits>,
    /// Hits by the counters of the server, which count everybody's requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_server: Option<CacheHits>,
    /// Findings, alarms first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<CacheNote>,
}
