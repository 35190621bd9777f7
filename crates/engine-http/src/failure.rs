//! What servers say when they refuse, as failures of a request.

use std::error::Error;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use weighbridge_engine::RequestFailure;
use weighbridge_types::request::FailureClass;
use weighbridge_types::time::WallTime;

use crate::exchange::Broken;
use crate::http1::{BadAnswer, Head};
use crate::secret::{Secret, redact_all};

/// Characters of a message at most, and so of a server's text in it.
const MESSAGE: usize = 200;
/// Characters of a server's text that are looked at. Well above [`MESSAGE`], so that a key in the text is whole when
/// it is taken out, before the message is cut to size.
const QUOTED: usize = 4000;
/// Characters of a body of the wrong kind that a message quotes.
const QUOTED_BEGINNING: usize = 80;

pub(crate) fn failure(class: FailureClass, message: impl Into<String>) -> RequestFailure {
    RequestFailure { class, message: message.into(), retry_after: None }
}

pub(crate) fn malformed(problem: &str, text: &str) -> RequestFailure {
    failure(FailureClass::Malformed, format!("{problem}: `{}`", excerpt(text, QUOTED)))
}

pub(crate) fn server_error(text: &str) -> RequestFailure {
    failure(FailureClass::ServerError, format!("the server reports an error: {}", excerpt(&complaint(text), QUOTED)))
}

/// The failure as it may be shown: without secrets, and short.
pub(crate) fn shown(failure: RequestFailure, secrets: &[Secret]) -> RequestFailure {
    RequestFailure { message: excerpt(&redact_all(secrets, &failure.message), MESSAGE), ..failure }
}

/// The failure that a status of 300 or more stands for.
pub(crate) fn refused(head: &Head, body: &str) -> RequestFailure {
    let status = head.status;
    let class = match status {
        300..400 => {
            let target = excerpt(head.field("location"), QUOTED);
            let message = format!("HTTP {status} to `{target}`: redirects are not followed");
            return failure(FailureClass::Malformed, message);
        }
        429 => FailureClass::RateLimited,
        400..500 => FailureClass::ClientError,
        _ => FailureClass::ServerError,
    };
    let said = excerpt(&complaint(body), QUOTED);
    let message = if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
    RequestFailure { retry_after: retry_after(head.field("retry-after"), WallTime::now()), ..failure(class, message) }
}

/// The failure of an answer with a good status whose body is of another kind.
pub(crate) fn wrong_kind(head: &Head, wanted: &str, body: &str) -> RequestFailure {
    let kind = head.field("content-type");
    let kind = if kind.is_empty() { "no content type" } else { kind };
    let begins = excerpt(body, QUOTED_BEGINNING);
    failure(FailureClass::Malformed, format!("the answer is `{kind}` and not {wanted}; it begins `{begins}`"))
}

/// The failure of a connection in use. `answered` tells whether a byte of the answer had come.
pub(crate) fn broken(error: &Broken, answered: bool) -> RequestFailure {
    match error {
        Broken::Bad(bad @ (BadAnswer::Head(_) | BadAnswer::LargeHead)) => {
            failure(FailureClass::Malformed, format!("the answer is no HTTP: {bad}"))
        }
        Broken::Bad(bad) => failure(FailureClass::Malformed, format!("the answer is not sound HTTP: {bad}")),
        Broken::Io(_) | Broken::Closed => {
            let place = if answered { "within the answer" } else { "before an answer" };
            failure(FailureClass::Truncated, format!("the server closed the connection {place} ({error})"))
        }
    }
}

/// The failure of a connection that could not be opened.
pub(crate) fn no_connection(error: &io::Error) -> RequestFailure {
    match open_files_used_up(error) {
        Some(whose) => {
            let message = format!("{error}: {whose}; allow more with `ulimit -n`, or use fewer connections");
            failure(FailureClass::Connect, message)
        }
        None => failure(FailureClass::Connect, error.to_string()),
    }
}

/// Whose limit of open files was reached, if that is what the error says.
#[cfg(unix)]
fn open_files_used_up(error: &io::Error) -> Option<String> {
    use nix::errno::Errno;
    use nix::sys::resource::{Resource, getrlimit};

    match Errno::from_raw(error.raw_os_error()?) {
        Errno::EMFILE => Some(match getrlimit(Resource::RLIMIT_NOFILE) {
            Ok((limit, _)) => format!("this process may have {limit} files open, connections among them"),
            Err(_) => "this process may have no more files open, connections among them".to_owned(),
        }),
        Errno::ENFILE => Some("the whole system may have no more files open".to_owned()),
        _ => None,
    }
}

/// Files that connections leave free of those that this process may have open: a record has to be written and read while
/// they are kept.
#[cfg(unix)]
const FILES_KEPT_FREE: u64 = 12;

/// Refuses a connection that would take the last files, as the system does a little later. The lowest free number is
/// given out first, so that a socket's number tells how many are in use.
#[cfg(unix)]
pub(crate) fn keep_files_free(socket: &tokio::net::TcpStream) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use nix::errno::Errno;
    use nix::sys::resource::{Resource, getrlimit};

    let number = u64::try_from(socket.as_raw_fd()).unwrap_or(0);
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((limit, _)) if number.saturating_add(FILES_KEPT_FREE) >= limit => Err(Errno::EMFILE.into()),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(crate) fn keep_files_free(_socket: &tokio::net::TcpStream) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn open_files_used_up(_error: &io::Error) -> Option<String> {
    None
}

/// The innermost error, which says most.
pub(crate) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The beginning of a text on one line, cut at a character.
pub(crate) fn excerpt(text: &str, characters: usize) -> String {
    let mut words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = String::new();
    while line.chars().count() <= characters {
        let Some(word) = words.next() else { return line };
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().take(characters + 1));
    }
    let mut cut: String = line.chars().take(characters - 1).collect();
    cut.push('…');
    cut
}

/// The message within the error objects that servers send, or the whole text.
fn complaint(text: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let places = ["/error/message", "/error", "/message", "/detail"];
    let found = places.into_iter().find_map(|place| value.pointer(place)?.as_str());
    found.map_or_else(|| text.to_owned(), str::to_owned)
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3). `None` when it is missing or cannot be read.
pub(crate) fn retry_after(value: &str, now: WallTime) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(date.saturating_sub(Duration::from_millis(now.unix_millis())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let now = WallTime::from_unix_millis(784_111_770_000);
        let check = |value: &str, expected: Option<u64>| {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value}");
        };
        check("7", Some(7));
        check("0", Some(0));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(7));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        check("soon", None);
        check("-3", None);
        check("", None);
    }

    fn head(status: u16) -> Head {
        let answer = format!("HTTP/1.1 {status} x\r\n\r\n");
        match crate::http1::Decoder::default().next(&mut answer.as_bytes()) {
            Ok(crate::http1::Piece::Head(head)) => head,
            other => panic!("{other:?}"),
        }
    }

    #[cfg(unix)]
    #[test]
    fn used_up_files_are_named_with_the_remedy() {
        let said = no_connection(&io::Error::from(nix::errno::Errno::EMFILE));
        assert_eq!(said.class, FailureClass::Connect);
        assert!(said.message.contains("files open") && said.message.contains("`ulimit -n`"), "{}", said.message);
        let other = no_connection(&io::Error::from(nix::errno::Errno::ECONNREFUSED)).message;
        assert!(!other.contains("ulimit"), "{other}");
    }

    #[test]
    fn the_status_decides_the_class() {
        let check = |status, class| assert_eq!(refused(&head(status), "").class, class, "{status}");
        check(302, FailureClass::Malformed);
        check(400, FailureClass::ClientError);
        check(404, FailureClass::ClientError);
        check(429, FailureClass::RateLimited);
        check(500, FailureClass::ServerError);
        check(503, FailureClass::ServerError);
    }

    #[test]
    fn the_message_is_found_and_cut() {
        let check = |body: &str, expected: &str| assert_eq!(excerpt(&complaint(body), 20), expected);
        check(r#"{"error":{"message":"no such model"}}"#, "no such model");
        check(r#"{"error":"out of memory"}"#, "out of memory");
        check(r#"{"object":"error","message":"too long"}"#, "too long");
        check(r#"{"detail":"Not Found"}"#, "Not Found");
        check("  two\n\twords\u{1b} ", "two words");
        check("0123456789 0123456789", "0123456789 01234567…");
        check("0123456789 012345678", "0123456789 012345678");
        check("äääääääääääääääääääääääääää", "äääääääääääääääääää…");
    }
}
