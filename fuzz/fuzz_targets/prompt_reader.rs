//! Any bytes as a prompt file of either format: prompts or a typed error that can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_workload::{PromptFormat, read_prompts_from};

fuzz_target!(|data: &[u8]| {
    for format in [PromptFormat::Jsonl, PromptFormat::Csv] {
        match read_prompts_from(data, format, "input") {
            Ok(records) => assert!(records.iter().all(|record| record.line > 0 && record.max_tokens != Some(0))),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
