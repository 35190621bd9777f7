//! Reading requests, as far as a scripted server needs it.

use std::future::poll_fn;
use std::io;

use serde_json::Value;
use weighbridge_types::time::Stamp;

use crate::socket::Socket;

/// Largest request, bytes.
const LARGEST_REQUEST: usize = 64 << 20;

/// Bytes that are read at once.
const PIECE: usize = 16 << 10;

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// Null for a body that is no JSON.
    pub(super) body: Value,
    /// When its last byte came.
    pub(super) received: Stamp,
}

/// Reads a request; `None` when the client closed the connection instead. `buffer` holds what was read beyond it.
pub(super) async fn read(socket: &mut Socket, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let head_end = loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
        if more(socket, buffer).await? == 0 {
            return Ok(None);
        }
    };
    let length = content_length(&String::from_utf8_lossy(&buffer[..head_end]));
    while buffer.len() < head_end + length {
        if more(socket, buffer).await? == 0 {
            return Ok(None);
        }
    }
    let body = serde_json::from_slice(&buffer[head_end..head_end + length]).unwrap_or_default();
    let head = String::from_utf8_lossy(&buffer[..head_end]);
    let mut words = head.split_ascii_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let received = socket.marks().last_read.unwrap_or_default();
    let request = Request { method: method.to_owned(), path: path.to_owned(), body, received };
    drop(head);
    buffer.drain(..head_end + length);
    Ok(Some(request))
}

async fn more(socket: &mut Socket, buffer: &mut Vec<u8>) -> io::Result<usize> {
    if buffer.len() > LARGEST_REQUEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the request is too large"));
    }
    let filled = buffer.len();
    buffer.resize(filled + PIECE, 0);
    let read = poll_fn(|cx| socket.poll_receive(cx, &mut buffer[filled..])).await;
    buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
    read
}

fn content_length(head: &str) -> usize {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0).min(LARGEST_REQUEST)
}

impl Request {
    /// The prompt, or the last message.
    pub(super) fn prompt(&self) -> &str {
        let last = || self.body.get("messages")?.as_array()?.last()?.get("content")?.as_str();
        self.body.get("prompt").and_then(Value::as_str).or_else(last).unwrap_or_default()
    }

    /// Output tokens asked for at most, under any dialect's name.
    pub(super) fn max_tokens(&self) -> Option<u32> {
        let places = ["/max_tokens", "/max_completion_tokens", "/options/num_predict"];
        let found = places.into_iter().find_map(|place| self.body.pointer(place)?.as_u64());
        found.and_then(|tokens| u32::try_from(tokens).ok())
    }

    /// Whether a flag is set.
    pub(super) fn asks(&self, pointer: &str) -> bool {
        self.body.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
    }
}
