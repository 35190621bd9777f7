//! Any bytes as a safetensors file: a header or a typed error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_engine_local::formats::read_safetensors_header;

fuzz_target!(|data: &[u8]| {
    let _ = read_safetensors_header(data, "input");
});
