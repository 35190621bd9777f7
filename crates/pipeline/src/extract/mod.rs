//! Stage 4: what a chunk says, each with the bytes that say it.

mod align;
mod model;
mod patterns;
mod plain;
mod salvage;

use std::ops::Range;

use serde::{Deserialize, Serialize};

pub(crate) use align::lcs;
pub use align::{Aligner, AlignmentLimits};
pub use model::{EXTRACTION_PROMPT, extraction_prompt, extraction_schema, read_extractions};
pub use patterns::extract_patterns;
pub(crate) use plain::plain;
pub use salvage::{Salvaged, salvage_objects};

/// Something that a chunk says. Ranges are bytes of the chunk's text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extraction {
    /// Its class: one of the settings'.
    pub class: String,
    /// In which shape it was found.
    pub shape: Shape,
    /// What it is about, where that has a name.
    pub subject: Option<Mention>,
    /// Where it stands.
    pub span: Range<usize>,
    /// What is said of the subject, piece by piece: cells of a row, steps of a procedure, attributes that a model named.
    pub attributes: Vec<Attribute>,
    /// How its span was found.
    pub alignment: Alignment,
    /// How sure it is, 0 to 1: the share of what speaks for an extraction of its shape that was found.
    pub confidence: f64,
}

/// A name, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mention {
    /// The words, without marks.
    pub text: String,
    /// Its bytes, marks included.
    pub span: Range<usize>,
}

/// A piece of what is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// What the piece is called in the source; `None` where it has no name.
    pub name: Option<Mention>,
    /// What it says.
    pub value: Mention,
}

/// In which shape something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A row of a table.
    Row,
    /// An item of a list that names what it describes.
    Entry,
    /// A sentence.
    Sentence,
    /// Items of an ordered list.
    Steps,
    /// A heading that asks, with what stands under it.
    Question,
    /// A block of code.
    Code,
    /// A list under the sentence or heading that introduces it.
    List,
    /// Told by a model.
    Model,
}

/// How a span was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Alignment {
    /// The text stands there letter for letter.
    Exact,
    /// It does, but for case, space and marks of Markdown.
    Normalized,
    /// Words of it do.
    Fuzzy {
        /// Share of its words that were met.
        coverage: f64,
        /// Share that they make of the words from the first to the last of them.
        density: f64,
    },
}

impl Alignment {
    /// What a grounding is multiplied by: 1, or the coverage.
    #[must_use]
    pub const fn quality(self) -> f64 {
        match self {
            Self::Exact | Self::Normalized => 1.0,
            Self::Fuzzy { coverage, .. } => coverage,
        }
    }
}

/// What was lost between a model's reply and the result, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// Replies in which no object could be read.
    pub unparsable: u64,
    /// Objects that were cut off.
    pub truncated: u64,
    /// Objects that lack a field, or hold a class or type that is none.
    pub malformed: u64,
    /// Texts that do not stand in the chunk.
    pub unaligned: u64,
    /// Beyond the most of a chunk.
    pub surplus: u64,
    /// Said before by the same chunk.
    pub repeated: u64,
}

impl Losses {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.unparsable + self.truncated + self.malformed + self.unaligned + self.surplus + self.repeated
    }

    /// Adds those of another.
    pub const fn add(&mut self, other: &Self) {
        self.unparsable += other.unparsable;
        self.truncated += other.truncated;
        self.malformed += other.malformed;
        self.unaligned += other.unaligned;
        self.surplus += other.surplus;
        self.repeated += other.repeated;
    }
}

/// Keeps the surest of a chunk's extractions, in the order of the text, and each span of a class once.
#[must_use]
pub fn keep_best(mut found: Vec<Extraction>, most: usize, losses: &mut Losses) -> Vec<Extraction> {
    let before = found.len();
    found.sort_by(|one, two| {
        let key = |item: &Extraction| (item.span.start, item.span.end);
        two.confidence.total_cmp(&one.confidence).then(key(one).cmp(&key(two))).then(one.class.cmp(&two.class))
    });
    let mut kept: Vec<Extraction> = Vec::new();
    for item in found {
        // A procedure within a table cell and the cell itself are two things; the same span in the same shape is one.
        let is_known = kept.iter().any(|known| known.span == item.span && known.class == item.class);
        if !is_known {
            kept.push(item);
        }
    }
    losses.repeated += (before - kept.len()) as u64;
    losses.surplus += kept.len().saturating_sub(most) as u64;
    kept.truncate(most);
    kept.sort_by(|one, two| {
        (one.span.start, one.span.end, &one.class).cmp(&(two.span.start, two.span.end, &two.class))
    });
    kept
}
