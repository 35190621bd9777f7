//! A task file, with every key that it may have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_eval::task::TaskConfig;
use weighbridge_eval::task::library::parse;

fuzz_target!(|text: &str| {
    if let Ok(value) = parse(text, std::path::Path::new("folder/task.yaml")) {
        drop(TaskConfig::from_value(&value));
    }
});
