//! Any bytes as a file of a cache, of both versions: entries or a typed end, and values or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_cache::segment::{HEAD, HEAD_2, read};

fuzz_target!(|data: &[u8]| {
    for head in [b"".as_slice(), HEAD, HEAD_2] {
        let _ = read([head, data].concat().as_slice(), |mut entry| {
            // As if the checksum were right: what is behind it must stand anything as well.
            entry.is_whole = true;
            let _ = entry.kept();
            Ok(())
        });
    }
});
