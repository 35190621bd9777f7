//! One start of a server, as it is kept in the event log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Marks of one start in seconds from the spawn of the server's process. A mark that was not reached is `None`, and
/// `problem` says why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StartRow {
    /// Which start of the run, from 1.
    pub number: u32,
    /// Its port accepted a connection.
    pub port_s: Option<f64>,
    /// It answered as a server of its kind does.
    pub healthy_s: Option<f64>,
    /// First token of the first request.
    pub first_token_s: Option<f64>,
    /// Released the first of the requests whose latencies stayed alike.
    pub steady_s: Option<f64>,
    /// End-to-end latency of the first request, seconds.
    pub first_e2e_s: Option<f64>,
    /// Median end-to-end latency of the steady requests, seconds.
    pub steady_e2e_s: Option<f64>,
    /// Why a mark was not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
