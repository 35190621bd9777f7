//! Whatever a client sends as a request, it is read or refused; whatever a server elsewhere sends as an event, it is told apart.
#![no_main]

use libfuzzer_sys::fuzz_target;

const ROUTES: [&str; 6] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/api/generate",
    "/api/chat",
];

fuzz_target!(|data: &[u8]| {
    for route in ROUTES {
        drop(weighbridge_server::check_body(route, data));
    }
    if let Ok(event) = std::str::from_utf8(data) {
        let _ = weighbridge_server::holds_token(event);
    }
});
