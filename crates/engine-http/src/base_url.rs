//! The address of a server.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

use crate::error::HttpError;

/// A checked base URL: scheme, host, port, path; no credentials, no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    pub(crate) secure: bool,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as the `Host` header wants them.
    pub(crate) authority: String,
    /// Without a slash at its end; empty for the root.
    pub(crate) path: String,
}

impl BaseUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, HttpError> {
        let wrong = |problem| HttpError::Url { url: without_credentials(text), problem };
        let uri: Uri = text.parse().map_err(|_| wrong("it is no URL"))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("it begins with neither `http://` nor `https://`")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it holds credentials"));
        }
        if uri.query().is_some() {
            return Err(wrong("it holds a query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        Ok(Self {
            secure,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Scheme, host and port.
    pub(crate) fn root(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// Whether the host is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The path with `/v1` where a user left it out.
    pub(crate) fn versioned(mut self) -> Self {
        if self.path.is_empty() {
            "/v1".clone_into(&mut self.path);
        }
        self
    }

    /// The path without a last part that the user wrote and that the dialect's paths hold themselves.
    pub(crate) fn without(mut self, part: &str) -> Self {
        if let Some(rest) = self.path.strip_suffix(part) {
            self.path = rest.to_owned();
        }
        self
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.root(), self.path)
    }
}

fn without_credentials(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_taken_apart() {
        let check = |text: &str, host: &str, port: u16, path: &str| {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!((url.host.as_str(), url.port, url.path.as_str()), (host, port, path), "{text}");
        };
        check("http://127.0.0.1:8000/v1", "127.0.0.1", 8000, "/v1");
        check("http://127.0.0.1:8000/v1/", "127.0.0.1", 8000, "/v1");
        check("https://api.example.com", "api.example.com", 443, "");
        check("http://[::1]:9/x", "::1", 9, "/x");
        assert_eq!(BaseUrl::parse("http://[::1]:9").unwrap().versioned().to_string(), "http://[::1]:9/v1");
        assert_eq!(BaseUrl::parse("http://h/api").unwrap().without("/api").to_string(), "http://h");
    }

    #[test]
    fn a_wrong_url_says_what_is_wrong_and_no_secret() {
        let check = |text: &str, problem: &str| {
            let error = BaseUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(problem) && !error.contains("sk-1"), "{error}");
        };
        check("ftp://host", "neither `http://`");
        check("host:80", "neither `http://`");
        check("not a url", "no URL");
        check("", "no URL");
        check("http://user:sk-1@host/v1", "credentials");
        check("http://user:sk-1@host:port/v1", "URL");
        check("http://host/v1?key=sk-1", "query");
    }

    #[test]
    fn loopback_is_known() {
        let check = |text: &str, expected| assert_eq!(BaseUrl::parse(text).unwrap().is_loopback(), expected, "{text}");
        check("http://localhost:1", true);
        check("http://127.9.9.9", true);
        check("http://[::1]", true);
        check("http://10.0.0.1", false);
        check("http://localhost.example.com", false);
    }
}
