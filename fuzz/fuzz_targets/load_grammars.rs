//! Any text as arrivals, lengths, times, parts and data: a value that prints and reads back, or a typed error.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use weighbridge_load::Victim;
use weighbridge_workload::{Arrivals, DataSpec, LengthDistribution, Part, SpecError, TimeDistribution};

fn check<T: FromStr<Err = SpecError> + Display + Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => assert!(!value.to_string().is_empty()),
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
}

fuzz_target!(|text: &str| {
    check::<Arrivals>(text);
    check::<LengthDistribution>(text);
    check::<TimeDistribution>(text);
    check::<Part>(text);
    check::<DataSpec>(text);
    match text.parse::<Victim>() {
        Ok(victim) => assert_eq!(victim.to_string().parse::<Victim>().ok(), Some(victim)),
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
    if let Ok(arrivals) = text.parse::<Arrivals>() {
        assert!(arrivals.times(1).take(100).collect::<Vec<_>>().is_sorted());
        assert_eq!(arrivals.to_string().parse(), Ok(arrivals));
    }
});
