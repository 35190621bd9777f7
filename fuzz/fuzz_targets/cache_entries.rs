//! Any bytes as a file of a cache: entries or a typed end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_cache::segment::{HEAD, read};

fuzz_target!(|data: &[u8]| {
    let _ = read(data, |_| Ok(()));
    let _ = read([HEAD.as_slice(), data].concat().as_slice(), |_| Ok(()));
});
