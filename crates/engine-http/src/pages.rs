//! Pages of servers for whoever watches a load from a runtime of its own.

use std::fmt;
use std::time::Duration;

use weighbridge_types::model_ref::EndpointRef;

use crate::base_url::BaseUrl;
use crate::engine::base_url;
use crate::error::HttpError;
use crate::fetch::Fetcher;
use crate::options::HttpOptions;
use crate::preset::traits;

/// Fetches pages of an endpoint and of other servers, without an engine. Its connections belong to the runtime that
/// fetches first.
pub struct Pages {
    endpoint: EndpointRef,
    options: HttpOptions,
    base: BaseUrl,
    fetcher: Fetcher,
}

impl Pages {
    /// Prepares to fetch pages beside an endpoint. The key and the header fields go to the endpoint's server alone.
    ///
    /// # Errors
    /// When the endpoint's URL cannot be used.
    pub fn new(endpoint: EndpointRef, options: HttpOptions) -> Result<Self, HttpError> {
        let traits = traits(endpoint.preset);
        let base = base_url(&endpoint, &traits)?;
        let fetcher = Fetcher::new(base.clone(), traits.dialect, &options);
        Ok(Self { endpoint, options, base, fetcher })
    }

    /// The same pages without a connection, for another runtime.
    #[must_use]
    pub fn unconnected(&self) -> Self {
        let fetcher = Fetcher::new(self.base.clone(), traits(self.endpoint.preset).dialect, &self.options);
        let (endpoint, options, base) = (self.endpoint.clone(), self.options.clone(), self.base.clone());
        Self { endpoint, options, base, fetcher }
    }

    /// Scheme, host and port of the endpoint.
    #[must_use]
    pub fn root(&self) -> String {
        self.base.root()
    }

    /// Whether the endpoint is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.base.is_loopback()
    }

    /// Whether a whole URL can be fetched and written down: with a host, without credentials and without a query, which
    /// may hold a secret.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(url: &str) -> Result<(), HttpError> {
        BaseUrl::parse(url).map(drop)
    }

    /// Fetches a page: `/path` from the endpoint's root, or a whole URL, which may be another server's.
    ///
    /// # Errors
    /// When the place cannot be used, nobody answers in time, the status is no success, or the page is larger than
    /// [`HttpOptions::largest_event`].
    pub async fn get(&self, place: &str, timeout: Duration) -> Result<Vec<u8>, HttpError> {
        self.fetcher.get(place, timeout).await
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("base", &self.base).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_may_hold_a_secret_is_refused() {
        let check = |url: &str, expected: Option<&str>| {
            let problem = Pages::check(url).err().map(|error| error.to_string());
            match expected {
                None => assert_eq!(problem, None),
                Some(part) => assert!(problem.as_ref().is_some_and(|found| found.contains(part)), "{problem:?}"),
            }
            assert!(!problem.unwrap_or_default().contains("word"));
        };
        check("http://127.0.0.1:8000/metrics", None);
        check("http://127.0.0.1:8000/metrics?token=word", Some("query"));
        check("http://me:word@127.0.0.1/metrics", Some("credentials"));
        check("127.0.0.1:8000", Some("http://"));
        check("metrics", Some("http://"));
    }
}
