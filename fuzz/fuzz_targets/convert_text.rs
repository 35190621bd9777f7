//! Whatever bytes a file holds, it is told what it is, and converted or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_convert::{Limits, convert};

fuzz_target!(|data: &[u8]| {
    for name in ["a.md", "a.csv", "a.txt"] {
        drop(convert(data, name, &Limits::default()));
    }
});
