//! Gates of a comparison, precisions and wall times: any text is read or refused, and what is read prints back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_summary::Until;
use weighbridge_types::time::WallTime;
use weighbridge_verdict::gate::Gate;

fuzz_target!(|text: &str| {
    let _ = Gate::parse(text);
    if let Ok(until) = text.parse::<Until>() {
        assert_eq!(until.to_string().parse::<Until>(), Ok(until));
    }
    if let Some(time) = WallTime::parse(text) {
        assert_eq!(WallTime::parse(&time.to_string()), Some(time));
    }
});
