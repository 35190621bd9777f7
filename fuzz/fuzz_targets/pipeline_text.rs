//! Texts of documents: blocks, chunks, patterns and templates, with every span within the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_pipeline::converse::converse_patterns;
use weighbridge_pipeline::extract::extract_patterns;
use weighbridge_pipeline::preprocess::blocks::blocks;
use weighbridge_pipeline::preprocess::{TokenCounter, split};
use weighbridge_pipeline::settings::{ChunkSettings, Settings, SizeUnit};

fuzz_target!(|text: &str| {
    let settings = Settings::default();
    let chunks = ChunkSettings { size: 120, overlap: 20, unit: SizeUnit::Characters };
    for chunk in split(text, &blocks(text), &chunks, &TokenCounter::default()) {
        let own = chunk.text(text);
        let found = extract_patterns(&own, &[], &settings.extraction);
        for candidate in converse_patterns(&own, &[], &found, &settings.conversations) {
            for range in candidate.turns.iter().flat_map(|turn| &turn.evidence) {
                assert!(own.get(range.clone()).is_some());
                assert!(chunk.locate(range).into_iter().all(|range| text.get(range).is_some()));
            }
        }
    }
});
