//! Documents of a task, in each form that is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_eval::task::Value;
use weighbridge_eval::task::data::Rows;

fuzz_target!(|bytes: &[u8]| {
    for name in ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet", "a.conll"] {
        if let Ok(rows) = Rows::of_bytes(std::path::Path::new(name), bytes, &Value::None) {
            for row in 0..rows.len() {
                assert!(rows.get(row).is_some());
            }
        }
    }
});
