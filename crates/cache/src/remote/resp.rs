//! The protocol of Redis, version 2: what this client says and understands of it.

use std::io::{self, BufRead, Read};

use crate::segment::{ENTRY_HEAD, LONGEST};

/// Longest line: a status, a number or an error.
const LONGEST_LINE: u64 = 64 << 10;

/// What a server answers. Arrays are answers to questions that are not asked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A status, as `OK`.
    Status(String),
    /// What the server refuses to do, and why.
    Error(String),
    /// A number.
    Number(i64),
    /// Bytes, or that there are none.
    Bytes(Option<Vec<u8>>),
}

/// A command and its arguments as bytes.
pub(super) fn command(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", parts.len()).into_bytes();
    for part in parts {
        bytes.extend(format!("${}\r\n", part.len()).bytes());
        bytes.extend(*part);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// Reads one answer.
///
/// # Errors
/// What reading gives, and `InvalidData` for anything that is no answer, or a longer one than was ever put.
pub fn read(mut from: impl BufRead) -> io::Result<Reply> {
    let line = line(&mut from)?;
    let (kind, rest) = line.split_at_checked(1).ok_or_else(invalid)?;
    match kind {
        "+" => Ok(Reply::Status(rest.to_owned())),
        "-" => Ok(Reply::Error(rest.to_owned())),
        ":" => Ok(Reply::Number(rest.parse().map_err(|_| invalid())?)),
        "$" if rest == "-1" => Ok(Reply::Bytes(None)),
        "$" => {
            let length = rest.parse().ok().filter(|length| *length <= ENTRY_HEAD + LONGEST);
            Ok(Reply::Bytes(Some(block(from, length.ok_or_else(invalid)?)?)))
        }
        _ => Err(invalid()),
    }
}

/// Reads a line without its end.
pub(super) fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\r\n") {
        Some(line) => String::from_utf8(line.to_vec()).map_err(|_| invalid()),
        None if line.len() as u64 == LONGEST_LINE => Err(invalid()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Reads so many bytes and the end of a line.
pub(super) fn block(mut from: impl BufRead, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Grows as bytes come: a wrong length does not take memory that the answer does not fill.
    from.by_ref().take(length as u64).read_to_end(&mut bytes)?;
    let mut end = [0; 2];
    from.read_exact(&mut end)?;
    if &end == b"\r\n" { Ok(bytes) } else { Err(invalid()) }
}

pub(super) fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer has another form")
}

#[cfg(test)]
mod tests {
    use proptest::prop_assert_eq;

    use super::*;

    #[test]
    fn answers_are_read() {
        let check = |text: &[u8], expected: Option<Reply>| assert_eq!(read(text).ok(), expected, "{text:?}");
        check(b"+OK\r\n", Some(Reply::Status("OK".to_owned())));
        check(b"-ERR no\r\n", Some(Reply::Error("ERR no".to_owned())));
        check(b":-7\r\n", Some(Reply::Number(-7)));
        check(b"$-1\r\n", Some(Reply::Bytes(None)));
        check(b"$4\r\na\r\nb\r\n", Some(Reply::Bytes(Some(b"a\r\nb".to_vec()))));
        for wrong in [b"".as_slice(), b"+OK", b"+OK\n", b"$3\r\nab\r\n", b"$2\r\nabcd", b"$-2\r\n", b"$99999999999\r\n"]
        {
            check(wrong, None);
        }
        for wrong in [b"*0\r\n".as_slice(), b":x\r\n", b"\r\n", b"+\xff\r\n", b"hello\r\n"] {
            check(wrong, None);
        }
        check(&[b'+'; 1 << 17], None);
    }

    proptest::proptest! {
        /// A command reads back as the blocks that it is made of, whatever bytes they hold.
        #[test]
        fn commands_are_made_of_blocks(parts in proptest::collection::vec(proptest::collection::vec(0_u8.., 0..50), 1..5)) {
            let bytes = command(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let mut rest = bytes.as_slice();
            prop_assert_eq!(line(&mut rest).unwrap(), format!("*{}", parts.len()));
            for part in parts {
                prop_assert_eq!(read(&mut rest).unwrap(), Reply::Bytes(Some(part)));
            }
            prop_assert_eq!(rest.len(), 0);
        }

        /// Any bytes end in an answer or an error, and an answer that is cut is none.
        #[test]
        fn any_bytes_are_read(kind in "[-+:$*]?", bytes in proptest::collection::vec(0_u8.., 0..60), cut in 0..60_usize) {
            let bytes = [kind.as_bytes(), &bytes].concat();
            let _ = read(bytes.as_slice());
            let whole = [b"$50\r\n".as_slice(), &[7; 50], b"\r\n"].concat();
            proptest::prop_assert!(read(&whole[..cut.min(whole.len() - 1)]).is_err());
        }
    }
}
