//! Any bytes behind the header of a PDF give a text or a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_convert::{Limits, convert};

fuzz_target!(|bytes: &[u8]| {
    let mut file = b"%PDF-1.7\n".to_vec();
    file.extend_from_slice(bytes);
    let _ = convert(&file, "fuzzed.pdf", &Limits::default());
});
