//! Any bytes as an answer over HTTP/1.1, cut at any place: the same body as uncut where both can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_engine_http::http1::{BadAnswer, Decoder, Piece};

fn read(pieces: &[&[u8]]) -> Result<(Vec<(u16, usize)>, Vec<u8>, bool), BadAnswer> {
    let mut decoder = Decoder::default();
    let (mut heads, mut body, mut ended) = (Vec::new(), Vec::new(), false);
    for piece in pieces {
        let mut input = *piece;
        loop {
            match decoder.next(&mut input)? {
                Piece::Nothing => break,
                Piece::Head(head) => heads.push((head.status, head.fields().count())),
                Piece::Data(data) => body.extend_from_slice(data),
                Piece::End => ended = true,
            }
        }
    }
    Ok((heads, body, ended))
}

fuzz_target!(|input: (&[u8], usize)| {
    let (data, place) = input;
    let (head, tail) = data.split_at(place.min(data.len()));
    // A head that is cut may be found out later.
    if let (Ok(cut), Ok(whole)) = (read(&[head, tail]), read(&[data])) {
        assert_eq!(cut, whole);
    }
});
