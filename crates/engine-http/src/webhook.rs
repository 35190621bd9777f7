//! One message to an address that was named for it.

use std::fmt;
use std::time::Duration;

use crate::base_url::BaseUrl;
use crate::client::Client;
use crate::error::HttpError;
use crate::fetch::page;
use crate::options::HttpOptions;
use crate::preset::Dialect;

/// Where messages go: an `https` URL, or an `http` URL of this machine.
///
/// Path and query of such a URL are often its only key, so neither is ever shown.
#[derive(Clone)]
pub struct Webhook {
    base: BaseUrl,
    target: String,
}

impl Webhook {
    /// Reads a URL, which may have a query.
    ///
    /// # Errors
    /// When it cannot be used, or its message would travel to another machine in clear text.
    pub fn parse(url: &str) -> Result<Self, HttpError> {
        let place = || {
            let start = url.find("://").map_or(0, |at| at + "://".len());
            let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
            format!("{}{}", &url[..start], url[start..end].rsplit('@').next().unwrap_or_default())
        };
        let (base, target) = page(url).map_err(|error| match error {
            HttpError::Url { problem, .. } => HttpError::Url { url: place(), problem },
            error => error,
        })?;
        if !base.secure && !base.is_loopback() {
            let problem = "a message in clear text goes to this machine only";
            return Err(HttpError::Url { url: base.root(), problem });
        }
        Ok(Self { base, target })
    }

    /// Posts a JSON document, once. Redirects are not followed.
    ///
    /// # Errors
    /// When nobody answers in time, or the status is no success.
    pub async fn post(&self, body: &[u8], timeout: Duration) -> Result<(), HttpError> {
        let root = self.base.root();
        let options = HttpOptions { kernel_stamps: false, reuse_connections: false, ..HttpOptions::default() };
        let post = async {
            let client = Client::new(self.base.clone(), Dialect::OpenAi, &options).await?;
            let answer = client.fetch("POST", &self.target, body).await.and_then(|answer| client.accept(answer));
            answer.map_err(|mut failure| {
                if self.target.len() > 1 {
                    failure.message = failure.message.replace(&self.target, "…");
                }
                HttpError::unreachable(&root, failure)
            })
        };
        match tokio::time::timeout(timeout, post).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(HttpError::slow(&root, timeout)),
        }
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("root", &self.base.root()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_where_nobody_else_reads_them_and_no_key_is_shown() {
        let check = |url: &str, expected: Result<(&str, &str), &str>| match (Webhook::parse(url), expected) {
            (Ok(hook), Ok((root, target))) => {
                assert_eq!((hook.base.root().as_str(), hook.target.as_str()), (root, target));
                assert!(!format!("{hook:?}").contains("word"), "{hook:?}");
            }
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.contains(part) && !error.contains("word"), "{error}");
            }
            (found, _) => panic!("{url}: {found:?}"),
        };
        check("https://hooks.example.com/a/word?k=word", Ok(("https://hooks.example.com", "/a/word?k=word")));
        check("http://127.0.0.1:9000", Ok(("http://127.0.0.1:9000", "/")));
        check("http://localhost/word/", Ok(("http://localhost", "/word/")));
        check("http://[::1]:9/", Ok(("http://[::1]:9", "/")));
        check("http://hooks.example.com/word", Err("clear text"));
        check("https://me:word@example.com/word", Err("credentials"));
        check("ftp://example.com/word", Err("neither `http://`"));
        check("example.com/word", Err("`example.com`: it is no URL"));
        check("", Err("no URL"));
        check("https:///word", Err("URL"));
        check("https://h/p?a b=word", Err("query"));
    }
}
