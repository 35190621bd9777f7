//! Any bytes as an event stream, cut at any place: the same events as uncut, or the same error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_engine_http::sse::{SseError, SseParser};

fn parse(pieces: &[&[u8]]) -> Result<Vec<(String, String)>, SseError> {
    let mut parser = SseParser::new(4096);
    let mut events = Vec::new();
    for piece in pieces {
        parser.push(piece, |event| events.push((event.name.to_owned(), event.data.to_owned())))?;
    }
    Ok(events)
}

fuzz_target!(|input: (&[u8], usize)| {
    let (data, place) = input;
    let (head, tail) = data.split_at(place.min(data.len()));
    assert_eq!(parse(&[head, tail]), parse(&[data]));
});
