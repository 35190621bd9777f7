//! How good an item is: terms that are each measured, gates that end it, and what plants errors to test both.

mod gates;
mod grounding;
mod judge;
mod planted;
mod reference;
mod score;

pub use gates::{ItemRefusal, leaks_source};
pub use grounding::{Evidence, Grounding, ground};
pub use judge::{JUDGE_PROMPT, JudgeReport, Judged, judge_prompt, judge_schema, read_verdict};
pub use planted::{Planted, PlantedKind, PlantedReport, plant, planted_report, swappable};
pub use reference::{ReferenceScore, reference_level, reference_score};
pub use score::{Answerability, ItemScore, ScoreInput, round_trip_f1, score_item, token_f1, well_formed};
