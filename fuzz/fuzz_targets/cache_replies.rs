//! Any bytes as the answers of a cache server: replies or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_cache::remote::resp::read;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    while read(&mut rest).is_ok() {}
});
