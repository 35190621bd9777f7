//! Any text as a `record.json`: a record that prints and reads back, or a typed error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_types::record::Record;

fuzz_target!(|text: &str| {
    if let Ok(record) = Record::from_json(text) {
        let printed = serde_json::to_string(&record).expect("a record that was read can be printed");
        assert_eq!(Record::from_json(&printed).ok(), Some(record));
    }
});
