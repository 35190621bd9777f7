//! Lines of JSON (NDJSON), cut out of a stream as they come.

/// What a stream of lines did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A line is longer than the parser's limit.
    #[error("a line is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// A line is no UTF-8.
    #[error("a line is no UTF-8")]
    NotText,
}

/// Cuts one stream into lines. Empty lines and white space around a line are dropped.
#[derive(Debug)]
pub struct LineParser {
    limit: usize,
    /// A line whose end has not come.
    line: Vec<u8>,
}

impl LineParser {
    /// Makes a parser that refuses lines of more than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, line: Vec::new() }
    }

    /// Takes bytes and hands over the lines that they complete, in order.
    ///
    /// # Errors
    /// When a line is too long or no UTF-8. The stream cannot be read further.
    pub fn push(&mut self, mut bytes: &[u8], mut on_line: impl FnMut(&str)) -> Result<(), LineError> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            if self.line.is_empty() {
                self.check_room(end)?;
                hand_over(&bytes[..end], &mut on_line)?;
            } else {
                self.keep(&bytes[..end])?;
                hand_over(&self.line, &mut on_line)?;
                self.line.clear();
            }
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes)
    }

    /// Hands over the last line, which may lack its end.
    ///
    /// # Errors
    /// When it is no UTF-8.
    pub fn finish(&mut self, mut on_line: impl FnMut(&str)) -> Result<(), LineError> {
        hand_over(&std::mem::take(&mut self.line), &mut on_line)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), LineError> {
        self.check_room(bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn check_room(&self, more: usize) -> Result<(), LineError> {
        if self.line.len() + more > self.limit { Err(LineError::TooLong { limit: self.limit }) } else { Ok(()) }
    }
}

fn hand_over(line: &[u8], on_line: &mut impl FnMut(&str)) -> Result<(), LineError> {
    let line = std::str::from_utf8(line).map_err(|_| LineError::NotText)?.trim();
    if !line.is_empty() {
        on_line(line);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, LineError> {
        let mut parser = LineParser::new(40);
        let mut lines = Vec::new();
        for piece in pieces {
            parser.push(piece, |line| lines.push(line.to_owned()))?;
        }
        parser.finish(|line| lines.push(line.to_owned()))?;
        Ok(lines)
    }

    #[test]
    fn lines_are_cut_out() {
        let check = |stream: &str, expected: &[&str]| {
            assert_eq!(parse([stream.as_bytes()]).unwrap(), expected, "{stream:?} whole");
            let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            assert_eq!(parse(bytes).unwrap(), expected, "{stream:?} byte by byte");
        };
        check("{}\n{\"a\":1}\n", &["{}", "{\"a\":1}"]);
        check("a\r\n\r\n\nb", &["a", "b"]);
        check("ä€🦀\n", &["ä€🦀"]);
        check("", &[]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert_eq!(parse([&b"\xff\n"[..]]), Err(LineError::NotText));
        assert_eq!(parse([&b"\xc3"[..]]), Err(LineError::NotText));
        let long = "x".repeat(41);
        assert_eq!(parse([long.as_bytes()]), Err(LineError::TooLong { limit: 40 }));
        assert_eq!(parse([&long.as_bytes()[..30], &long.as_bytes()[30..]]), Err(LineError::TooLong { limit: 40 }));
        assert_eq!(parse([format!("{long}\n").as_bytes()]), Err(LineError::TooLong { limit: 40 }));
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_lines(stream in "([a-zä€🦀]{0,9}\r?\n?){0,20}", cuts in prop::collection::vec(0usize..300, 0..20)) {
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            prop_assert_eq!(parse(pieces), parse([bytes]));
        }
    }
}
