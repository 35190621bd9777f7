//! Any bytes as lines, cut at any place: the same lines as uncut, or the same error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_engine_http::ndjson::{LineError, LineParser};

fn parse(pieces: &[&[u8]]) -> Result<Vec<String>, LineError> {
    let mut parser = LineParser::new(4096);
    let mut lines = Vec::new();
    for piece in pieces {
        parser.push(piece, |line| lines.push(line.to_owned()))?;
    }
    parser.finish(|line| lines.push(line.to_owned()))?;
    Ok(lines)
}

fuzz_target!(|input: (&[u8], usize)| {
    let (data, place) = input;
    let (head, tail) = data.split_at(place.min(data.len()));
    assert_eq!(parse(&[head, tail]), parse(&[data]));
});
