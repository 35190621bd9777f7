//! Replies of models: salvaged, aligned and grounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_pipeline::converse::read_conversations;
use weighbridge_pipeline::extract::{Losses, read_extractions};
use weighbridge_pipeline::quality::{Evidence, ground, read_verdict};
use weighbridge_pipeline::settings::Settings;

fuzz_target!(|input: (&str, &str)| {
    let (reply, text) = input;
    let settings = Settings::default();
    let mut losses = Losses::default();
    for extraction in read_extractions(reply, text, &settings.extraction, &mut losses) {
        assert!(text.get(extraction.span).is_some());
    }
    for turn in read_conversations(reply, text, &settings, &mut losses).iter().flat_map(|one| &one.turns) {
        assert!(turn.evidence.iter().all(|range| text.get(range.clone()).is_some()));
        let cited = turn.evidence.iter().map(|range| &text[range.clone()]);
        let _ = ground(&turn.answer, &Evidence::new(cited), turn.alignment.quality());
    }
    let _ = read_verdict(reply);
});
