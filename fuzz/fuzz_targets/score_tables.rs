//! Any text as a table of costs and as a hierarchy of weaknesses: an error or a table, and distances that are symmetric.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_eval::cwe::{Hierarchy, last_in};
use weighbridge_eval::score::Costs;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = Costs::parse(text);
    let named = last_in(text);
    let Ok(hierarchy) = Hierarchy::parse(text) else { return };
    for id in [1, 20, 79, 1000] {
        assert!(hierarchy.distance(id, id).is_none_or(|edges| edges == 0));
        if let Some(named) = named {
            assert_eq!(hierarchy.distance(id, named), hierarchy.distance(named, id));
        }
    }
});
