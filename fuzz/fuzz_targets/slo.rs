//! Any text as an objective: one that prints in a form that reads back as the same, or a typed error with advice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_summary::Slo;

fuzz_target!(|text: &str| {
    match text.parse::<Slo>() {
        Ok(slo) => assert_eq!(slo.to_string().parse::<Slo>(), Ok(slo)),
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
});
