//! Any bytes as an ONNX classifier, and any text as its description: an answer or a typed error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_engine_onnx::{Classifier, Description};

fuzz_target!(|data: &[u8]| {
    if let Ok(classifier) = Classifier::from_bytes("fuzz", data.to_vec(), 1) {
        let row = classifier.description().features.row("1' or 'x'='x' -- naïve ☃");
        drop(classifier.run(row));
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(description) = text.parse::<Description>()
    {
        let _ = description.features.row("1' or 'x'='x' -- naïve ☃");
    }
});
