//! Whom a service without keys answers: programs of this machine, and no page of another site.
//!
//! A browser lets any page send requests to 127.0.0.1, and a name of its author's that is made to lead there lets the page read the
//! answers (DNS rebinding). Both show in fields that a page cannot set: `Host` and `Origin`. Where keys are needed they hold nothing
//! up: a page has no key.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, Uri, header};
use weighbridge_serving::FaultClass;

use crate::error::ApiError;

/// Refuses a request that was sent to a name which is none of this machine's, or by a page from elsewhere; `hosts` are names that are
/// let through besides.
pub(crate) fn check(uri: &Uri, headers: &HeaderMap, hosts: &[String]) -> Result<(), ApiError> {
    let refuse = |what: &str, hint: &str| {
        Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", format!("{what}; {hint}"), FaultClass::Request))
    };
    let host = uri.authority().map(|authority| Some(authority.as_str()));
    let host = host.or_else(|| headers.get(header::HOST).map(|host| host.to_str().ok()));
    // A browser always names one.
    if host.is_some_and(|host| !host.is_some_and(|host| is_known(host, hosts))) {
        return refuse("the request names a host that is not this machine", "name it with `--allow-host`, or use keys");
    }
    let origin =
        headers.get(header::ORIGIN).map(|origin| origin.to_str().ok().and_then(|origin| origin.split_once("://")));
    if origin.is_some_and(|origin| !origin.is_some_and(|(_, host)| is_known(host, hosts))) {
        return refuse("a page of another site asks", "name its host with `--allow-host`, or use keys");
    }
    Ok(())
}

/// Whether a host, with a port or without, is this machine or named.
fn is_known(authority: &str, hosts: &[String]) -> bool {
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || host.eq_ignore_ascii_case("localhost") || hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_and_names_of_others_are_refused() {
        let check = |uri: &str, fields: &[(&'static str, &str)], expected: bool| {
            let fields = fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let result = check(&uri.parse().unwrap(), &HeaderMap::from_iter(fields), &["models.lan".to_owned()]);
            assert_eq!(result.is_ok(), expected, "{uri} {result:?}");
        };
        check("/", &[], true);
        for host in
            ["127.0.0.1:8700", "127.9.9.9", "localhost:1", "LOCALHOST", "[::1]:8700", "models.lan", "Models.LAN:80"]
        {
            check("/", &[("host", host)], true);
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "evil.localhost.example:8700", "10.0.0.1", "", "[::2]:1"]
        {
            check("/", &[("host", host)], false);
        }
        check("http://evil.example/v1/models", &[("host", "127.0.0.1")], false);
        for origin in ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:5", "https://models.lan"] {
            check("/", &[("host", "127.0.0.1"), ("origin", origin)], true);
        }
        for origin in ["https://evil.example", "null", "http://localhost.evil.example", "file://", ""] {
            check("/", &[("host", "127.0.0.1"), ("origin", origin)], false);
        }
    }
}
