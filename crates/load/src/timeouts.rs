//! How long a request may wait in each of its phases.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::LoadError;

/// Longest waits of a request to an endpoint, by phase, seconds. The whole request has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timeouts {
    /// For a connection, with the TLS handshake.
    pub connect_s: f64,
    /// From the request to its first token; null leaves it to the limit of the whole request.
    pub first_token_s: Option<f64>,
    /// Between two tokens.
    pub stall_s: f64,
}

impl Default for Timeouts {
    /// Beyond 10 s, three lost SYN packets, nobody answers. Beyond 2 minutes without a token a stream that had begun is
    /// taken for dead.
    fn default() -> Self {
        Self { connect_s: 10.0, first_token_s: None, stall_s: 120.0 }
    }
}

/// A year: no wait is longer.
const LONGEST_S: f64 = 366.0 * 86_400.0;

impl Timeouts {
    /// Checks every value.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        let waits = [
            ("connect-timeout", self.connect_s),
            ("first-token-timeout", self.first_token_s.unwrap_or(1.0)),
            ("stall-timeout", self.stall_s),
        ];
        for (setting, value) in waits {
            if !(1e-3..=LONGEST_S).contains(&value) {
                let problem = "it must be 1 ms to a year".to_owned();
                return Err(LoadError::Setting { setting, value: format!("{value} s"), problem });
            }
        }
        Ok(())
    }

    /// Longest wait for a connection.
    #[must_use]
    pub fn connect(&self) -> Duration {
        Duration::from_secs_f64(self.connect_s)
    }

    /// Longest wait for the first token of a request that may take `whole`.
    #[must_use]
    pub fn first_token(&self, whole: Duration) -> Duration {
        self.first_token_s.map_or(whole, Duration::from_secs_f64)
    }

    /// Longest wait between two tokens.
    #[must_use]
    pub fn stall(&self) -> Duration {
        Duration::from_secs_f64(self.stall_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_checked() {
        let check = |timeouts: Timeouts, part: Option<&str>| match (timeouts.check(), part) {
            (Ok(()), None) => {}
            (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{error}"),
            other => panic!("{other:?}"),
        };
        let usual = Timeouts::default();
        check(usual, None);
        check(Timeouts { connect_s: 0.0, ..usual }, Some("connect-timeout"));
        check(Timeouts { first_token_s: Some(f64::NAN), ..usual }, Some("first-token-timeout"));
        check(Timeouts { stall_s: 1e12, ..usual }, Some("stall-timeout"));
        assert_eq!(usual.first_token(Duration::from_secs(7)), Duration::from_secs(7));
    }
}
