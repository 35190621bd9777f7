//! Candidates with everything that is known of them before all others are known.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::work::ChunkResult;
use crate::converse::{Candidate, QuestionType};
use crate::digest::span_hash;
use crate::extract::Alignment;
use crate::preprocess::{Chunk, Cleaned, certain_language};
use crate::quality::{Answerability, Evidence, Grounding, ground, leaks_source, well_formed};
use crate::settings::Settings;

/// Bytes of a frozen text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanRecord {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// The first 16 digits of the SHA-256 of the bytes.
    pub hash: String,
    /// The page that holds the first byte; `None` where the document has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub page: Option<u32>,
}

impl SpanRecord {
    /// A span of a text.
    #[must_use]
    pub fn of(cleaned: &Cleaned, range: &Range<usize>) -> Self {
        let hash = span_hash(cleaned.slice(range.clone()));
        Self { start: range.start, end: range.end, hash, page: cleaned.page_of(range.start) }
    }

    /// Whether the bytes of a text are those that were meant.
    #[must_use]
    pub fn verifies(&self, text: &str) -> bool {
        text.get(self.start..self.end).is_some_and(|bytes| span_hash(bytes) == self.hash)
    }
}

/// A candidate that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub document: usize,
    pub chunk: usize,
    pub number: usize,
    pub kind: QuestionType,
    pub class: Option<String>,
    pub turns: Vec<DraftTurn>,
}

/// A turn that was measured.
#[derive(Clone, Debug)]
pub(crate) struct DraftTurn {
    pub wordings: Vec<DraftWording>,
    pub answer: String,
    pub spans: Vec<SpanRecord>,
    pub alignment: Alignment,
    pub grounding: Grounding,
    pub leaks: bool,
    pub is_other_language: bool,
}

/// A way to ask, with what depends on it.
#[derive(Clone, Debug)]
pub(crate) struct DraftWording {
    pub text: String,
    pub answerability: f64,
    pub well_formed: f64,
}

/// What of a document its drafts need.
pub(crate) struct Ground<'a> {
    pub document: usize,
    pub cleaned: &'a Cleaned,
    pub language: Option<&'a str>,
    pub settings: &'a Settings,
}

/// Measures the candidates of a chunk.
pub(crate) fn drafts(
    ground: &Ground<'_>,
    chunk: &Chunk,
    text: &str,
    headings: &[String],
    result: &ChunkResult,
) -> Vec<Draft> {
    let draft = |(number, candidate): (usize, &Candidate)| Draft {
        document: ground.document,
        chunk: chunk.index,
        number,
        kind: candidate.kind,
        class: candidate.extraction.and_then(|at| result.extractions.get(at)).map(|one| one.class.clone()),
        turns: candidate.turns.iter().map(|turn| measure(ground, chunk, text, headings, turn)).collect(),
    };
    result.candidates.iter().enumerate().map(draft).collect()
}

fn measure(of: &Ground<'_>, chunk: &Chunk, text: &str, headings: &[String], turn: &crate::converse::Turn) -> DraftTurn {
    let located: Vec<Range<usize>> = turn.evidence.iter().flat_map(|range| chunk.locate(range)).collect();
    let cited: Vec<&str> = located.iter().map(|range| of.cleaned.slice(range.clone())).collect();
    let evidence = Evidence::new(cited.iter().copied());
    let around = Evidence::new(cited.iter().copied().chain(headings.iter().map(String::as_str)));
    let lengths = of.settings.conversations.answer_min..=of.settings.conversations.answer_max;
    let wordings = turn.questions.iter().map(|question| DraftWording {
        answerability: Answerability::lexical(question, &around).value(),
        well_formed: well_formed(question, &turn.answer, lengths.clone()),
        text: question.clone(),
    });
    let is_other_language = of.language.is_some_and(|expected| {
        let spoken = certain_language(&turn.answer);
        spoken.is_some_and(|spoken| spoken != expected && certain_language(&cited.join(" ")) != Some(spoken))
    });
    DraftTurn {
        wordings: wordings.collect(),
        grounding: ground(&turn.answer, &evidence, turn.alignment.quality()),
        leaks: leaks_source(&turn.answer, text) || turn.questions.iter().any(|question| leaks_source(question, text)),
        is_other_language,
        spans: located.iter().map(|range| SpanRecord::of(of.cleaned, range)).collect(),
        alignment: turn.alignment,
        answer: turn.answer.clone(),
    }
}
