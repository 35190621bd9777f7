//! The heads of requests, written down once per server.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::base_url::BaseUrl;
use crate::error::HttpError;
use crate::options::HttpOptions;
use crate::preset::Dialect;
use crate::secret::Secret;

/// Fields that the client sets by itself, since they belong to the framing of messages.
const FRAMING: [&str; 6] = ["connection", "content-length", "expect", "te", "transfer-encoding", "upgrade"];

/// Parts of a field's name that say that its value is to be kept secret.
const TELLING: [&str; 6] = ["auth", "key", "token", "secret", "cookie", "password"];

/// What the heads of all requests to one server have in common.
#[derive(Clone)]
pub(crate) struct RequestHead {
    /// From the end of the request line to the end of the last field that all share.
    fields: String,
}

/// Whether a field carries a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TELLING.iter().any(|part| name.contains(part))
}

impl RequestHead {
    pub(crate) fn new(base: &BaseUrl, dialect: Dialect, options: &HttpOptions) -> Result<Self, HttpError> {
        let mut fields = vec![
            ("host", base.authority.clone()),
            ("user-agent", concat!("weighbridge/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("accept", "text/event-stream, application/json, application/x-ndjson".to_owned()),
            // What is timed must be computed: a cache of answers on the way, ours among them, is to leave the request alone.
            ("cache-control", "no-store".to_owned()),
        ];
        if dialect == Dialect::Anthropic {
            fields.push(("anthropic-version", "2023-06-01".to_owned()));
        }
        if let Some(key) = &options.key {
            let (name, value) = match dialect {
                Dialect::Anthropic => ("x-api-key", key.reveal().to_owned()),
                Dialect::OpenAi | Dialect::Ollama => ("authorization", format!("Bearer {}", key.reveal())),
            };
            HeaderValue::from_str(&value).map_err(|_| HttpError::KeyUnusable)?;
            fields.push((name, value));
        }
        if !options.reuse_connections {
            fields.push(("connection", "close".to_owned()));
        }
        for (name, _) in &options.headers {
            fields.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
        }
        let mut text = String::from(" HTTP/1.1\r\n");
        let own = fields.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in own.chain(checked(&options.headers)?) {
            text.extend([name, ": ", value, "\r\n"]);
        }
        Ok(Self { fields: text })
    }

    /// A whole request. The target begins with a slash and is part of a URL that was checked.
    pub(crate) fn request(&self, method: &str, target: &str, body: &[u8]) -> Bytes {
        let mut digits = [0; 20];
        let length = decimal(body.len(), &mut digits);
        let framing: [&[u8]; 3] = if body.is_empty() {
            [b"", b"", b""]
        } else {
            [b"content-type: application/json\r\ncontent-length: ", length, b"\r\n"]
        };
        let parts = [method.as_bytes(), b" ", target.as_bytes(), self.fields.as_bytes()];
        let all = parts.into_iter().chain(framing).chain([&b"\r\n"[..], body]);
        let mut request = Vec::with_capacity(all.clone().map(<[u8]>::len).sum());
        all.for_each(|part| request.extend_from_slice(part));
        request.into()
    }
}

/// The user's fields, if they can be sent.
fn checked(fields: &[(String, Secret)]) -> Result<Vec<(&str, &str)>, HttpError> {
    let check = |(name, value): &'_ (String, Secret)| {
        let wrong = |problem| Err(HttpError::Header { name: name.clone(), problem });
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return wrong("its name holds characters that no header has");
        }
        if FRAMING.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return wrong("the client sets it by itself");
        }
        if HeaderValue::from_str(value.reveal()).is_err() {
            return wrong("its value holds characters that no header can carry");
        }
        Ok(())
    };
    fields.iter().try_for_each(check)?;
    Ok(fields.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect())
}

fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            return &digits[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(options: &HttpOptions) -> Result<RequestHead, HttpError> {
        RequestHead::new(&BaseUrl::parse("http://127.0.0.1:8000/v1").unwrap(), Dialect::OpenAi, options)
    }

    #[test]
    fn requests_are_written_as_the_standard_says() {
        let request = head(&HttpOptions::default()).unwrap().request("POST", "/v1/x", b"{\"a\":12345}");
        let text = std::str::from_utf8(&request).unwrap();
        assert!(text.starts_with("POST /v1/x HTTP/1.1\r\nhost: 127.0.0.1:8000\r\nuser-agent: weighbridge/"), "{text}");
        assert!(text.ends_with("content-type: application/json\r\ncontent-length: 11\r\n\r\n{\"a\":12345}"), "{text}");
        let get = head(&HttpOptions::default()).unwrap().request("GET", "/v1/x", b"");
        assert!(get.ends_with(b"\r\n\r\n") && !get.windows(15).any(|part| part == b"content-length:"));
    }

    #[test]
    fn the_users_fields_take_the_place_of_ours() {
        let headers = vec![("User-Agent".to_owned(), Secret::new("me")), ("x-team".to_owned(), Secret::new("a b"))];
        let options = HttpOptions { headers, reuse_connections: false, ..HttpOptions::default() };
        let text = head(&options).unwrap().fields;
        assert!(text.contains("User-Agent: me\r\nx-team: a b\r\n") && !text.contains("weighbridge/"), "{text}");
        assert!(text.contains("connection: close\r\n"), "{text}");
    }

    #[test]
    fn fields_that_cannot_be_sent_are_refused() {
        let check = |name: &str, value: &str, problem: &str| {
            let headers = vec![(name.to_owned(), Secret::new(value))];
            let error = head(&HttpOptions { headers, ..HttpOptions::default() }).err().unwrap().to_string();
            assert!(error.contains(problem) && error.contains(name), "{error}");
        };
        check("a b", "c", "its name");
        check("", "c", "its name");
        check("Content-Length", "3", "by itself");
        check("x", "a\r\nb: c", "its value");
    }

    #[test]
    fn lengths_are_written_in_digits() {
        let check = |number: usize| assert_eq!(decimal(number, &mut [0; 20]), number.to_string().as_bytes());
        [0, 9, 10, 12_345, usize::MAX].into_iter().for_each(check);
    }

    #[test]
    fn secret_fields_are_known_by_their_name() {
        let check = |name: &str, expected| assert_eq!(is_secret(name), expected, "{name}");
        check("X-Api-Key", true);
        check("Authorization", true);
        check("Cookie", true);
        check("x-request-priority", false);
    }
}
