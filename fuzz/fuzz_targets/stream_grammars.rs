//! What a user writes of a stream: routes, outages and targets are read or refused, and what is read is printed back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_eval::stream::{Outage, Route, Target};

fuzz_target!(|text: &str| {
    if let Ok(route) = text.parse::<Route>() {
        assert!(!route.name.is_empty() && !route.model.is_empty());
        assert!(route.sources.is_empty() == route.takes(None));
    }
    if let Ok(outage) = text.parse::<Outage>() {
        assert_eq!(outage.to_string().parse::<Outage>().ok(), Some(outage));
    }
    drop(Target::parse(text));
});
