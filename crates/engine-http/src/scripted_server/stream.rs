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
    /// Whether a part of it went out.
    pub(super) is_begun: bool,
}

/// The writes of a stream as they are put together.
pub(super) struct Stream {
    wire: Wire,
    crlf_without_space: bool,
    pub(super) writes: VecDeque<PlannedWrite>,
    /// Time of the last write.
    pub(super) last: Duration,
}

impl Stream {
    pub(super) fn new(wire: Wire, crlf_without_space: bool) -> Self {
        Self { wire, crlf_without_space, writes: VecDeque::new(), last: Duration::ZERO }
    }

    /// Adds bytes to be written at a time, or to the write before it if that is due then and completes no token.
    pub(super) fn put(&mut self, after: Duration, bytes: Bytes, tokens: u32) {
        self.last = after;
        match self.writes.back_mut() {
            Some(write) if write.after == after && (write.tokens == 0 || tokens == 0) => {
                write.bytes = [&write.bytes[..], &bytes].concat().into();
                write.tokens += tokens;
            }
            _ => self.writes.push_back(PlannedWrite { after, bytes, tokens, is_begun: false }),
        }
    }

    pub(super) fn head(&mut self, after: Duration) {
        let content_type = if self.wire.is_lines() { "application/x-ndjson" } else { "text/event-stream" };
        let version = env!("CARGO_PKG_VERSION");
        let head = format!(
            "HTTP/1.1 200 OK\r\nserver: {SERVER_NAME}/{version}\r\ncontent-type: {content_type}\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        self.put(after, head.into(), 0);
    }

    /// One chunk of the body that completes no token; nothing where there are no bytes.
    pub(super) fn chunk(&mut self, after: Duration, body: &[u8]) {
        if !body.is_empty() {
            self.put(after, chunk(body), 0);
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

/// A chunk of a chunked body (RFC 9112, 7.1).
pub(super) fn chunk(body: &[u8]) -> Bytes {
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat().into()
}
