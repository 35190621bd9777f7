//! Plain pages beside a load: metrics, versions, health.
//!
//! They have connections of their own, so that a page that is fetched while streams run takes none of theirs and
//! enters none of their counts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base_url::BaseUrl;
use crate::client::Client;
use crate::error::HttpError;
use crate::options::HttpOptions;
use crate::preset::Dialect;

/// Servers whose connections are kept; a load scrapes one or two.
const CLIENTS_KEPT: usize = 8;

/// Fetches pages of a server and of others.
pub(crate) struct Fetcher {
    base: BaseUrl,
    dialect: Dialect,
    options: HttpOptions,
    /// By the root of their server.
    clients: Mutex<Vec<(String, Arc<Client>)>>,
}

impl Fetcher {
    pub(crate) fn new(base: BaseUrl, dialect: Dialect, options: &HttpOptions) -> Self {
        let options = HttpOptions { kernel_stamps: false, max_connections: None, ..options.clone() };
        Self { base, dialect, options, clients: Mutex::new(Vec::new()) }
    }

    /// The body of a page with a good status: `/path` on the server itself, or a whole URL. The key and the header
    /// fields go to the server itself alone.
    pub(crate) async fn get(&self, place: &str, timeout: Duration) -> Result<Vec<u8>, HttpError> {
        let (root, target) = self.locate(place)?;
        let url = format!("{root}{target}");
        let fetch = async {
            let client = self.client(&root).await?;
            let answer = client.fetch("GET", &target, b"").await.and_then(|answer| client.accept(answer));
            answer.map_err(|failure| HttpError::unreachable(&url, failure))
        };
        match tokio::time::timeout(timeout, fetch).await {
            Ok(answer) => answer.map(|answer| answer.body),
            Err(_) => Err(HttpError::slow(&url, timeout)),
        }
    }

    /// The root of a page's server and the page's target on it.
    fn locate(&self, place: &str) -> Result<(String, String), HttpError> {
        if place.starts_with('/') {
            let target: http::Uri = place
                .parse()
                .map_err(|_| HttpError::Url { url: place.to_owned(), problem: "its path cannot be sent" })?;
            return Ok((self.base.root(), target.to_string()));
        }
        page(place).map(|(page, target)| (page.root(), target))
    }

    async fn client(&self, root: &str) -> Result<Arc<Client>, HttpError> {
        let known = self.lock().iter().find(|(known, _)| known == root).map(|(_, client)| Arc::clone(client));
        if let Some(client) = known {
            return Ok(client);
        }
        let own = root == self.base.root();
        let mut options = self.options.clone();
        if !own {
            (options.key, options.headers) = (None, Vec::new());
        }
        let client = Arc::new(Client::new(BaseUrl::parse(root)?, self.dialect, &options).await?);
        let mut clients = self.lock();
        if clients.len() < CLIENTS_KEPT {
            clients.push((root.to_owned(), Arc::clone(&client)));
        }
        Ok(client)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, Arc<Client>)>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server of a whole URL, and the URL's target on it: its path as it is written, with its query.
pub(crate) fn page(url: &str) -> Result<(BaseUrl, String), HttpError> {
    let (before, query) = url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
    let page = BaseUrl::parse(before)?;
    let slash = if page.path.is_empty() || before.ends_with('/') { "/" } else { "" };
    let path = format!("{}{slash}", page.path);
    let target = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    let sendable = target.parse::<http::Uri>().is_ok();
    let problem = "its query cannot be sent";
    if sendable { Ok((page, target)) } else { Err(HttpError::Url { url: page.to_string(), problem }) }
}
