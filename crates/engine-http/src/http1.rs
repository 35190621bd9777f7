//! Answers over HTTP/1.1, decoded as they come (RFC 9112).
//!
//! [`httparse`] reads the head; framing of the body is here, because a body is handed on in place: a slice of the
//! buffer that was read, with nothing copied and nothing queued between the socket and the parser of events. That is
//! what makes a frame cheap, and what lets each read keep its own stamp.

/// Largest head, and largest trailer section, bytes. Servers commonly send less than one tenth.
const LARGEST_HEAD: usize = 64 << 10;

/// Header fields of a head at most.
const MOST_FIELDS: usize = 128;

/// An answer that is no HTTP/1.1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// The head cannot be read.
    #[error("its head cannot be read ({0})")]
    Head(httparse::Error),
    /// The head is larger than the limit.
    #[error("its head is larger than {LARGEST_HEAD} bytes")]
    LargeHead,
    /// The length of the body is no number, or there are several.
    #[error("its length cannot be read")]
    Length,
    /// The body is encoded in a way that was not asked for.
    #[error("its transfer coding is not `chunked`")]
    Coding,
    /// The server switches to another protocol.
    #[error("it switches to another protocol")]
    Upgrade,
    /// A chunk is not framed as it should be.
    #[error("a chunk is not framed as it should be")]
    Chunk,
}

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// The head as it came, with the status line.
    text: Box<[u8]>,
}

impl Head {
    /// The first value of a header field; empty when it is missing or no text.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        let mut values = self.lines().filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        values.next().and_then(|(_, value)| std::str::from_utf8(value).ok()).unwrap_or_default()
    }

    /// Names and values of the header fields in their order, those left out that are no text.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines()
            .filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?)))
    }

    fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        // Empty lines before the status line are allowed (RFC 9112, 2.2).
        let lines = self.text.split(|&byte| byte == b'\n').skip_while(|line| line.trim_ascii().is_empty());
        lines.skip(1).filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
    }
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The head. Interim heads (status 100 to 199) are passed over.
    Head(Head),
    /// A part of the body; never empty.
    Data(&'a [u8]),
    /// The body ended. What is left of the input is no part of this answer.
    End,
    /// The input is used up.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// So many bytes are to come.
    Length(u64),
    UntilClose,
    /// The size line of a chunk: the value so far, and whether there was a digit.
    Size {
        value: u64,
        any: bool,
    },
    /// Within the rest of a size line, which means nothing here.
    Extension(u64),
    /// The LF of a size line.
    SizeEnd(u64),
    Chunk(u64),
    ChunkCr,
    ChunkLf,
    /// The start of a line of the trailer section, or of the empty line at its end.
    Trailer,
    TrailerLine,
    LastLf,
    /// The body is complete; its end is to be told.
    Complete,
    Over,
}

/// Decodes one answer.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// A head whose end has not come.
    partial: Vec<u8>,
    trailer_bytes: usize,
    keeps_connection: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { state: State::Head, partial: Vec::new(), trailer_bytes: 0, keeps_connection: false }
    }
}

impl Decoder {
    /// Takes the next piece off the input.
    ///
    /// # Errors
    /// When this is no HTTP/1.1. Nothing further can be read.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Piece<'a>, BadAnswer> {
        loop {
            match self.state {
                State::Head => match self.read_head(input)? {
                    Some(head) => return Ok(Piece::Head(head)),
                    None if input.is_empty() => return Ok(Piece::Nothing),
                    None => {}
                },
                State::Complete => {
                    self.state = State::Over;
                    return Ok(Piece::End);
                }
                State::Over => return Ok(Piece::Nothing),
                _ if input.is_empty() => return Ok(Piece::Nothing),
                State::UntilClose => return Ok(Piece::Data(std::mem::take(input))),
                State::Length(left) => {
                    let data = take(input, left);
                    let left = left - data.len() as u64;
                    self.state = if left == 0 { State::Complete } else { State::Length(left) };
                    return Ok(Piece::Data(data));
                }
                State::Chunk(left) => {
                    let data = take(input, left);
                    let left = left - data.len() as u64;
                    self.state = if left == 0 { State::ChunkCr } else { State::Chunk(left) };
                    return Ok(Piece::Data(data));
                }
                State::ChunkCr if input.len() > 1 && input.starts_with(b"\r\n") => {
                    *input = &input[2..];
                    self.state = State::Size { value: 0, any: false };
                }
                _ => self.read_framing(input)?,
            }
        }
    }

    /// Takes the end of the connection: whether the answer is complete with it.
    #[must_use]
    pub fn close(&mut self) -> bool {
        let complete = matches!(self.state, State::UntilClose | State::Complete | State::Over);
        self.keeps_connection = false;
        self.state = State::Over;
        complete
    }

    /// Whether the answer was read to its end and the connection may carry another.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.keeps_connection && self.state == State::Over
    }

    /// Takes a byte of what stands between the parts of a chunked body.
    fn read_framing(&mut self, input: &mut &[u8]) -> Result<(), BadAnswer> {
        let Some((&byte, rest)) = input.split_first() else { return Ok(()) };
        *input = rest;
        self.state = match (self.state, byte) {
            (State::Size { value, .. }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).ok_or(BadAnswer::Chunk)?;
                let value = value.checked_mul(16).ok_or(BadAnswer::Chunk)? | u64::from(digit);
                State::Size { value, any: true }
            }
            (State::Size { value, any: true }, b'\r') => State::SizeEnd(value),
            (State::Size { value, any: true }, b';' | b' ' | b'\t') => State::Extension(value),
            (State::Extension(value), b'\r') => State::SizeEnd(value),
            (State::Extension(value), _) => {
                self.count_trailer()?;
                State::Extension(value)
            }
            (State::SizeEnd(0), b'\n') => State::Trailer,
            (State::SizeEnd(size), b'\n') => State::Chunk(size),
            (State::ChunkCr, b'\r') => State::ChunkLf,
            (State::ChunkLf, b'\n') => State::Size { value: 0, any: false },
            (State::Trailer, b'\r') => State::LastLf,
            (State::TrailerLine, b'\n') => State::Trailer,
            (State::Trailer | State::TrailerLine, _) => {
                self.count_trailer()?;
                State::TrailerLine
            }
            (State::LastLf, b'\n') => State::Complete,
            _ => return Err(BadAnswer::Chunk),
        };
        Ok(())
    }

    fn count_trailer(&mut self) -> Result<(), BadAnswer> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > LARGEST_HEAD { Err(BadAnswer::Chunk) } else { Ok(()) }
    }

    /// Reads a head, or keeps what came of it. `None` also after an interim head.
    fn read_head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, BadAnswer> {
        if input.is_empty() {
            return Ok(None);
        }
        if self.partial.is_empty() {
            return match self.parse_head(input)? {
                Some((length, head)) => {
                    *input = &input[length..];
                    Ok(head)
                }
                None => self.keep_partial(input),
            };
        }
        // A head ends with a line: without one there is nothing new to find.
        if memchr::memchr(b'\n', input).is_none() {
            return self.keep_partial(input);
        }
        let before = self.partial.len();
        let mut whole = std::mem::take(&mut self.partial);
        whole.extend_from_slice(input);
        match self.parse_head(&whole)? {
            Some((length, head)) => {
                // The head ends within what came last, or it would have been found before.
                *input = &input[length.saturating_sub(before).min(input.len())..];
                Ok(head)
            }
            None => {
                whole.truncate(before);
                self.partial = whole;
                self.keep_partial(input)
            }
        }
    }

    fn keep_partial(&mut self, input: &mut &[u8]) -> Result<Option<Head>, BadAnswer> {
        self.partial.extend_from_slice(input);
        *input = &[];
        if self.partial.len() > LARGEST_HEAD {
            return Err(BadAnswer::LargeHead);
        }
        Ok(None)
    }

    /// The length of the head and, unless it is an interim one, the head; `None` while its end has not come.
    fn parse_head(&mut self, bytes: &[u8]) -> Result<Option<(usize, Option<Head>)>, BadAnswer> {
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = answer.parse(bytes).map_err(BadAnswer::Head)? else {
            return Ok(None);
        };
        if length > LARGEST_HEAD {
            return Err(BadAnswer::LargeHead);
        }
        let status = answer.code.unwrap_or_default();
        match status {
            101 => return Err(BadAnswer::Upgrade),
            100..200 => return Ok(Some((length, None))),
            _ => {}
        }
        self.begin_body(status, answer.version == Some(1), answer.headers)?;
        Ok(Some((length, Some(Head { status, text: bytes[..length].into() }))))
    }

    /// Finds out how the body is framed (RFC 9112, 6.3) and whether the connection stays (9.3).
    fn begin_body(&mut self, status: u16, is_newest: bool, fields: &[httparse::Header<'_>]) -> Result<(), BadAnswer> {
        let (mut length, mut chunked) = (None, false);
        self.keeps_connection = is_newest;
        for field in fields {
            let value = field.value.trim_ascii();
            if field.name.eq_ignore_ascii_case("content-length") {
                let told = read_length(value).ok_or(BadAnswer::Length)?;
                if length.replace(told).is_some_and(|before| before != told) {
                    return Err(BadAnswer::Length);
                }
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                if !value.eq_ignore_ascii_case(b"chunked") || chunked {
                    return Err(BadAnswer::Coding);
                }
                chunked = true;
            } else if field.name.eq_ignore_ascii_case("connection") {
                let has = |token: &str| {
                    value
                        .split(|&byte| byte == b',')
                        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
                };
                self.keeps_connection = (self.keeps_connection || has("keep-alive")) && !has("close");
            }
        }
        self.state = match (status, chunked, length) {
            (204 | 304, _, _) | (_, false, Some(0)) => State::Complete,
            (_, true, _) => State::Size { value: 0, any: false },
            (_, false, Some(length)) => State::Length(length),
            (_, false, None) => {
                self.keeps_connection = false;
                State::UntilClose
            }
        };
        Ok(())
    }
}

/// Takes up to `most` bytes off the input.
fn take<'a>(input: &mut &'a [u8], most: u64) -> &'a [u8] {
    let count = usize::try_from(most).map_or(input.len(), |most| most.min(input.len()));
    let (data, rest) = input.split_at(count);
    *input = rest;
    data
}

fn read_length(value: &[u8]) -> Option<u64> {
    // A sign would be read by `parse` and is no digit.
    let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Status, body, whether the end was seen, whether the connection can be used again.
    type Read = (Vec<u16>, Vec<u8>, bool, bool);

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Read, BadAnswer> {
        let mut decoder = Decoder::default();
        let (mut statuses, mut body, mut ended) = (Vec::new(), Vec::new(), false);
        for mut input in pieces {
            loop {
                match decoder.next(&mut input)? {
                    Piece::Nothing => break,
                    Piece::Head(head) => statuses.push(head.status),
                    Piece::Data(data) => body.extend_from_slice(data),
                    Piece::End => ended = true,
                }
            }
        }
        Ok((statuses, body, ended, decoder.is_reusable()))
    }

    fn check(answer: &str, body: &str, ended: bool, reusable: bool) {
        let expected = Ok((vec![200], body.as_bytes().to_vec(), ended, reusable));
        assert_eq!(read([answer.as_bytes()]), expected, "{answer:?} whole");
        assert_eq!(read(answer.as_bytes().chunks(1)), expected, "{answer:?} byte by byte");
    }

    #[test]
    fn bodies_are_framed_as_the_standard_says() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&format!("{chunked}3\r\nabc\r\n0a\r\n0123456789\r\n0\r\n\r\n"), "abc0123456789", true, true);
        check(&format!("{chunked}3;name=value\r\nabc\r\n0\r\n\r\n"), "abc", true, true);
        check(&format!("{chunked}1 \r\na\r\n0\r\nx-trailer: 1\r\ny: 2\r\n\r\n"), "a", true, true);
        check(&format!("{chunked}3\r\nab"), "ab", false, false);
        check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", "abc", true, true);
        check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc", "abc", true, true);
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", true, true);
        check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: foo, Close\r\n\r\nabc", "abc", true, false);
        check("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na", "a", true, false);
        check("HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\na", "a", true, true);
        check("HTTP/1.1 200 OK\r\n\r\nabc", "abc", false, false);
        check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na", "a", true, true);
        check("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabc", "a", true, true);
    }

    #[test]
    fn what_is_no_http_is_refused() {
        let check = |answer: &str, expected: fn(&BadAnswer) -> bool| {
            let error = read([answer.as_bytes()]).unwrap_err();
            assert!(expected(&error), "{answer:?}: {error:?}");
            assert!(read(answer.as_bytes().chunks(1)).is_err(), "{answer:?}");
        };
        let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
        check("SSH-2.0-OpenSSH\r\n", |error| matches!(error, BadAnswer::Head(_)));
        check("HTTP/1.1 abc OK\r\n\r\n", |error| matches!(error, BadAnswer::Head(_)));
        check("HTTP/1.1 101 Switching\r\n\r\n", |error| *error == BadAnswer::Upgrade);
        check(&head("content-length: -1"), |error| *error == BadAnswer::Length);
        check(&head("content-length: +1"), |error| *error == BadAnswer::Length);
        check(&head("content-length: 1\r\ncontent-length: 2"), |error| *error == BadAnswer::Length);
        check(&head("transfer-encoding: gzip, chunked"), |error| *error == BadAnswer::Coding);
        let chunked = head("transfer-encoding: chunked");
        check(&format!("{chunked}x\r\n"), |error| *error == BadAnswer::Chunk);
        check(&format!("{chunked}\r\n"), |error| *error == BadAnswer::Chunk);
        check(&format!("{chunked}1\r\nabc"), |error| *error == BadAnswer::Chunk);
        check(&format!("{chunked}11111111111111111\r\n"), |error| *error == BadAnswer::Chunk);
        check(&format!("{chunked}0\r\n{}", "x".repeat(LARGEST_HEAD + 1)), |error| *error == BadAnswer::Chunk);
        check(&head(&format!("x: {}", "y".repeat(LARGEST_HEAD))), |error| *error == BadAnswer::LargeHead);
    }

    #[test]
    fn fields_are_found() {
        let mut input = &b"HTTP/1.1 429 Too Many\r\nContent-Type: a/b \r\nRETRY-AFTER:7\r\nx: \xff\r\n\r\n"[..];
        let Ok(Piece::Head(head)) = Decoder::default().next(&mut input) else { panic!("a head") };
        assert_eq!((head.status, head.field("content-type"), head.field("retry-after")), (429, "a/b", "7"));
        assert_eq!((head.field("x"), head.field("missing")), ("", ""));
        assert_eq!(head.fields().collect::<Vec<_>>(), [("Content-Type", "a/b"), ("RETRY-AFTER", "7")]);
        let mut input = &b"\r\nHTTP/1.1 200 a:b\r\nc: d\r\n\r\n"[..];
        let Ok(Piece::Head(head)) = Decoder::default().next(&mut input) else { panic!("a head") };
        assert_eq!(head.fields().collect::<Vec<_>>(), [("c", "d")]);
    }

    #[test]
    fn a_closed_connection_ends_only_what_has_no_length() {
        let check = |answer: &str, complete: bool| {
            let mut decoder = Decoder::default();
            let mut input = answer.as_bytes();
            while decoder.next(&mut input).unwrap() != Piece::Nothing {}
            assert_eq!(decoder.close(), complete, "{answer:?}");
            assert!(!decoder.is_reusable());
        };
        check("HTTP/1.1 200 OK\r\n\r\nabc", true);
        check("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc", false);
        check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", true);
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", false);
        check("HTTP/1.1 200 OK\r\n", false);
        check("", false);
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_body(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            cuts in prop::collection::vec(0usize..600, 0..12),
        ) {
            let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            for part in &parts {
                answer.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                answer.extend_from_slice(part);
                answer.extend_from_slice(b"\r\n");
            }
            answer.extend_from_slice(b"0\r\n\r\n");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(answer.len())).collect();
            cuts.extend([0, answer.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &answer[pair[0]..pair[1]]);
            prop_assert_eq!(read(pieces), Ok((vec![200], parts.concat(), true, true)));
        }

        #[test]
        fn fields_are_listed_as_they_were_sent(
            fields in prop::collection::vec(("[a-zA-Z-]{1,9}", "([!-~]([ -~]{0,9}[!-~])?)?"), 0..8),
            pad in "[ \t]{0,2}",
            end in prop::sample::select(vec!["\r\n", "\n"]),
        ) {
            // What frames the body has rules of its own.
            let framing = ["content-length", "transfer-encoding", "connection"];
            prop_assume!(fields.iter().all(|(name, _)| !framing.contains(&&*name.to_ascii_lowercase())));
            let lines: String = fields.iter().map(|(name, value)| format!("{name}:{pad}{value}{pad}{end}")).collect();
            let answer = format!("HTTP/1.1 200 OK{end}{lines}{end}");
            let Ok(Piece::Head(head)) = Decoder::default().next(&mut answer.as_bytes()) else { panic!("a head") };
            let listed: Vec<_> = head.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            prop_assert_eq!(listed, fields);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400), place in 0usize..400) {
            let (before, after) = bytes.split_at(place.min(bytes.len()));
            // A head that is cut may be found out later, so only what both could read is compared.
            if let (Ok(cut), Ok(whole)) = (read([before, after]), read([&bytes[..]])) {
                prop_assert_eq!(cut, whole);
            }
        }
    }
}
