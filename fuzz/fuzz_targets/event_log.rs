//! Any bytes as an event log, and as the lines within one: a log or a typed error.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use weighbridge_store::read_log_from;

fuzz_target!(|data: &[u8]| {
    let _ = read_log_from(data, Path::new("input"));
    if let Ok(frame) = zstd::bulk::compress(data, 1) {
        let _ = read_log_from(frame.as_slice(), Path::new("input"));
    }
});
