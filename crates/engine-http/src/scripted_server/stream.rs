//! Putting the writes of a stream together.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::SERVER_NAME;
use super::wire::{Piece, Wire};

/// A write to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedWrite {
    /// When, from the moment when the request was read.
    pub(super) after: Duration,
    pub(super) bytes: Bytes,
    /// Tokens that it completes.
    pub(super) tokens: u32,
    /// Bytes of it that went out.
    pub(super) sent: usize,
}

/// The writes of a stream as they are put together.
pub(super) struct Stream {
    wire: Wire,
    crlf_without_space: bool,
    /// Whether the body is sent in chunks; else the head names a length.
    is_chunked: bool,
    pub(super) writes: VecDeque<PlannedWrite>,
    /// Time of the last write.
    pub(super) last: Duration,
}

impl Stream {
    pub(super) fn new(wire: Wire, crlf_without_space: bool) -> Self {
        Self { wire, crlf_without_space, is_chunked: true, writes: VecDeque::new(), last: Duration::ZERO }
    }

    /// Adds bytes to be written at a time, or to the write before it if that is due then and completes no token.
    pub(super) fn put(&mut self, after: Duration, bytes: Bytes, tokens: u32) {
        self.last = after;
        match self.writes.back_mut() {
            Some(write) if write.after == after && (write.tokens == 0 || tokens == 0) => {
                write.bytes = [&write.bytes[..], &bytes].concat().into();
                write.tokens += tokens;
            }
            _ => self.writes.push_back(PlannedWrite { after, bytes, tokens, sent: 0 }),
        }
    }

    /// The head of the answer. A length that is given is named, and the body is then sent as it is.
    pub(super) fn head(&mut self, after: Duration, length: Option<usize>) {
        self.is_chunked = length.is_none();
        let content_type = if self.wire.is_lines() { "application/x-ndjson" } else { "text/event-stream" };
        let framing = match length {
            Some(length) => format!("content-length: {length}"),
            None => "transfer-encoding: chunked".to_owned(),
        };
        let version = env!("CARGO_PKG_VERSION");
        let head = format!(
            "HTTP/1.1 200 OK\r\nserver: {SERVER_NAME}/{version}\r\ncontent-type: {content_type}\r\n{framing}\r\n\r\n"
        );
        self.put(after, head.into(), 0);
    }

    /// A part of the body as it goes over the wire: a chunk (RFC 9112, 7.1), or the bytes themselves.
    pub(super) fn body(&self, part: &[u8]) -> Bytes {
        if self.is_chunked {
            [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat().into()
        } else {
            Bytes::copy_from_slice(part)
        }
    }

    /// A part of the body that completes no token; nothing where there are no bytes.
    pub(super) fn chunk(&mut self, after: Duration, part: &[u8]) {
        if !part.is_empty() {
            self.put(after, self.body(part), 0);
        }
    }

    pub(super) fn end(&mut self, after: Duration) {
        self.put(after, Bytes::from_static(b"0\r\n\r\n"), 0);
    }

    pub(super) fn frame_piece(&self, piece: &Piece, bytes: &mut Vec<u8>) {
        if self.wire.is_lines() {
            bytes.extend_from_slice(piece.data.as_bytes());
            bytes.push(b'\n');
            return;
        }
        let (space, end) = if self.crlf_without_space { ("", "\r\n") } else { (" ", "\n") };
        if let Some(name) = piece.name {
            bytes.extend_from_slice(format!("event:{space}{name}{end}").as_bytes());
        }
        bytes.extend_from_slice(format!("data:{space}{}{end}{end}", piece.data).as_bytes());
    }

    pub(super) fn frame_comment(&self, bytes: &mut Vec<u8>) {
        if !self.wire.is_lines() {
            bytes.extend_from_slice(b": keep-alive\n\n");
        }
    }
}
