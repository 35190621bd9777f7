//! Whatever a page holds, it is converted or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_convert::{Limits, convert};

fuzz_target!(|data: &[u8]| {
    let page = [b"<!DOCTYPE html>".as_slice(), data].concat();
    drop(convert(&page, "a.html", &Limits::default()));
});
