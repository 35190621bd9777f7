//! Whatever stands on a line of a file of requests to be made ready, it is read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_server::WarmRequest;

fuzz_target!(|data: &[u8]| {
    drop(WarmRequest::read(data));
});
