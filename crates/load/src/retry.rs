//! When a request is tried once more.

use std::time::Duration;

use weighbridge_types::request::{FailureClass, Outcome};

/// How often, and after how long, a failed request is tried again. The time between counts in every latency from the
/// planned start, since a user waits through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after the first one.
    pub most: u32,
    /// Wait before the first retry; doubles with each, and a server's `Retry-After` comes first.
    pub backoff: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    /// No retry: a load generator shows failures.
    fn default() -> Self {
        Self { most: 0, backoff: Duration::from_millis(250), longest: Duration::from_secs(30) }
    }
}

impl RetryPolicy {
    /// How long to wait before trying again after `retries` retries; `None` to give up.
    #[must_use]
    pub fn wait(&self, outcome: &Outcome, retry_after: Option<Duration>, retries: u32) -> Option<Duration> {
        let Outcome::Failed { class, .. } = outcome else { return None };
        let is_transient = match class {
            FailureClass::Connect
            | FailureClass::RateLimited
            | FailureClass::ServerError
            | FailureClass::Truncated
            | FailureClass::Empty => true,
            FailureClass::Tls
            | FailureClass::ClientError
            | FailureClass::Timeout
            | FailureClass::TimeoutConnect
            | FailureClass::TimeoutFirstToken
            | FailureClass::TimeoutStall
            | FailureClass::Malformed
            | FailureClass::Engine => false,
        };
        let backoff = self.backoff.saturating_mul(1 << retries.min(16));
        (is_transient && retries < self.most).then(|| retry_after.unwrap_or(backoff).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let policy = RetryPolicy { most: 2, ..RetryPolicy::default() };
        let failed = |class| Outcome::Failed { class, message: String::new() };
        let check = |outcome: &Outcome, after, retries, expected: Option<u64>| {
            assert_eq!(policy.wait(outcome, after, retries), expected.map(Duration::from_millis), "{outcome:?}");
        };
        check(&failed(FailureClass::RateLimited), Some(Duration::from_secs(2)), 0, Some(2000));
        check(&failed(FailureClass::RateLimited), Some(Duration::from_secs(2000)), 0, Some(30_000));
        check(&failed(FailureClass::ServerError), None, 0, Some(250));
        check(&failed(FailureClass::ServerError), None, 1, Some(500));
        check(&failed(FailureClass::ServerError), None, 2, None);
        check(&failed(FailureClass::ClientError), None, 0, None);
        check(&Outcome::Cancelled, None, 0, None);
    }
}
