//! Reading requests, as far as a scripted server needs it.

use std::io;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Largest request, bytes.
const LARGEST_REQUEST: usize = 64 << 20;

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// Null for a body that is no JSON.
    pub(super) body: Value,
}

/// Reads a request; `None` when the client closed the connection instead. `buffer` holds what was read beyond it.
pub(super) async fn read(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let head_end = loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
        if more(socket, buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let length = content_length(&head);
    while buffer.len() < head_end + length {
        if more(socket, buffer).await? == 0 {
            return Ok(None);
        }
    }
    let body = serde_json::from_slice(&buffer[head_end..head_end + length]).unwrap_or_default();
    buffer.drain(..head_end + length);
    let mut words = head.split_ascii_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, target) = (word(), word());
    let path = target.split('?').next().unwrap_or_default().to_owned();
    Ok(Some(Request { method, path, body }))
}

async fn more(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    if buffer.len() > LARGEST_REQUEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the request is too large"));
    }
    socket.read_buf(buffer).await
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
