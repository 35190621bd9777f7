//! Server-sent events, parsed as they come.
//!
//! Follows the WHATWG HTML standard, "Parsing an event stream": lines end with CR, LF or CRLF; comments, `id` and
//! `retry` are passed over; several `data` lines are joined with LF; an event that the stream's end cuts off is
//! dropped. The parser is fed bytes as they were read, cut anywhere, also within a character.

/// What an event stream did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// An event is larger than the parser's limit.
    #[error("an event is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// An event is no UTF-8.
    #[error("an event is no UTF-8")]
    NotText,
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// Its type; empty when the stream names none, which the standard calls `message`.
    pub name: &'a str,
    /// Its data.
    pub data: &'a str,
}

const BOM: &[u8] = "\u{feff}".as_bytes();

/// Parses one event stream.
#[derive(Debug)]
pub struct SseParser {
    limit: usize,
    /// A line whose end has not come.
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    /// Whether the event has a `data` line, even an empty one.
    has_data: bool,
    /// Whether an LF that comes next belongs to the CR before it.
    after_cr: bool,
    at_start: bool,
}

impl SseParser {
    /// Makes a parser that refuses events of more than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            name: Vec::new(),
            data: Vec::new(),
            has_data: false,
            after_cr: false,
            at_start: true,
        }
    }

    /// Takes bytes and hands over the events that they complete, in order.
    ///
    /// # Errors
    /// When an event is too large or no UTF-8. The stream cannot be read further.
    pub fn push(&mut self, mut bytes: &[u8], mut on_event: impl FnMut(SseEvent<'_>)) -> Result<(), SseError> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            self.check_room(line.len())?;
            if let Some(data) = self.whole_event(line, bytes[end], rest) {
                // One line of data and the empty line after it, as nearly all events are: nothing is copied.
                on_event(SseEvent { name: "", data: text(data)? });
                bytes = &rest[1..];
                continue;
            }
            if self.line.is_empty() {
                self.take_line(line, &mut on_event)?;
            } else {
                self.line.extend_from_slice(line);
                let whole = std::mem::take(&mut self.line);
                self.take_line(&whole, &mut on_event)?;
                self.line = whole;
                self.line.clear();
            }
            self.after_cr = bytes[end] == b'\r' && rest.is_empty();
            bytes = if bytes[end] == b'\r' { rest.strip_prefix(b"\n").unwrap_or(rest) } else { rest };
        }
        self.check_room(bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// The data of an event that begins and ends here.
    fn whole_event<'a>(&self, line: &'a [u8], end: u8, rest: &[u8]) -> Option<&'a [u8]> {
        let fresh = self.line.is_empty() && !self.has_data && self.name.is_empty() && !self.at_start;
        if !fresh || end != b'\n' || rest.first() != Some(&b'\n') {
            return None;
        }
        let value = line.strip_prefix(b"data:")?;
        Some(value.strip_prefix(b" ").unwrap_or(value))
    }

    fn check_room(&self, more: usize) -> Result<(), SseError> {
        let size = self.line.len() + self.data.len() + more;
        if size > self.limit { Err(SseError::TooLarge { limit: self.limit }) } else { Ok(()) }
    }

    fn take_line(&mut self, line: &[u8], on_event: &mut impl FnMut(SseEvent<'_>)) -> Result<(), SseError> {
        let line = if std::mem::take(&mut self.at_start) { line.strip_prefix(BOM).unwrap_or(line) } else { line };
        if line.is_empty() {
            return self.dispatch(on_event);
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..])),
            None => (line, &b""[..]),
        };
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            // Comments have an empty field name; `id` and `retry` serve reconnecting, which a meter never does.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, on_event: &mut impl FnMut(SseEvent<'_>)) -> Result<(), SseError> {
        if std::mem::take(&mut self.has_data) {
            on_event(SseEvent { name: text(&self.name)?, data: text(&self.data)? });
        }
        self.name.clear();
        self.data.clear();
        Ok(())
    }
}

fn text(bytes: &[u8]) -> Result<&str, SseError> {
    std::str::from_utf8(bytes).map_err(|_| SseError::NotText)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<(String, String)>, SseError> {
        let mut parser = SseParser::new(200);
        let mut events = Vec::new();
        for piece in pieces {
            parser.push(piece, |event| events.push((event.name.to_owned(), event.data.to_owned())))?;
        }
        Ok(events)
    }

    fn check(stream: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect();
        assert_eq!(parse([stream.as_bytes()]).unwrap(), expected, "{stream:?} whole");
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(parse(bytes).unwrap(), expected, "{stream:?} byte by byte");
    }

    #[test]
    fn streams_are_read_as_the_standard_says() {
        check("data: a\n\ndata: b\n\n", &[("", "a"), ("", "b")]);
        check("data: a\r\n\r\ndata: b\r\n\r\n", &[("", "a"), ("", "b")]);
        check("data: a\r\rdata: b\r\r", &[("", "a"), ("", "b")]);
        check("data:a\n\n", &[("", "a")]);
        check("data:  a\n\n", &[("", " a")]);
        check("data: a\ndata: b\n\n", &[("", "a\nb")]);
        check("data\n\ndata\ndata\n\n", &[("", ""), ("", "\n")]);
        check("data:\n\n", &[("", "")]);
        check(": ping\n\n:\n\ndata: a\n\n", &[("", "a")]);
        check("event: ping\ndata: {}\n\ndata: a\n\n", &[("ping", "{}"), ("", "a")]);
        check("event: lost\n\ndata: a\n\n", &[("", "a")]);
        check("id: 1\nretry: 5\nodd: x\ndata: a\n\n", &[("", "a")]);
        check("\u{feff}data: ä€🦀\n\n", &[("", "ä€🦀")]);
        check("\n\n\n", &[]);
        check("data: cut off", &[]);
        check("data: cut off\n", &[]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert_eq!(parse([&b"data: \xff\n\n"[..]]), Err(SseError::NotText));
        let check = |stream: &str| assert_eq!(parse([stream.as_bytes()]), Err(SseError::TooLarge { limit: 200 }));
        check(&"x".repeat(201));
        check(&format!("data: {}\n\n", "x".repeat(201)));
        check(&"data: 0123456789\n".repeat(30));
    }

    /// Streams that look like those of servers, with everything that is legal.
    fn streams() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            Just("data: ".to_owned()),
            "data: ?[a-zäß€🦀 :]{0,8}",
            ": ?[a-z]{0,4}",
            "event: ?[a-z_]{0,8}",
            "[a-z]{0,4}",
            Just(String::new()),
            Just(String::new()),
        ];
        let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
        prop::collection::vec((line, end), 0..30)
            .prop_map(|lines| lines.into_iter().flat_map(|(line, end)| [line, end.to_owned()]).collect())
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_events(stream in streams(), cuts in prop::collection::vec(0usize..600, 0..20)) {
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            prop_assert_eq!(parse(pieces), parse([bytes]));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse([&bytes[..]]);
        }
    }
}
