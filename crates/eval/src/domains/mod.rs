//! The six domains: sets of questions that were written, or are generated, for this project.
//!
//! Reasoning, integration and creativity are generated from a seed, with answers that the generator computes or checks
//! that it sets; another seed gives a set that nobody has seen. Language, social and knowledge are written by hand and
//! ship as JSON lines. A task names a set as its data: `dataset_path: weighbridge`, `dataset_name: reasoning`, and the
//! difficulty as its split.

mod creativity;
mod draw;
mod integration;
mod reasoning;
mod written;

use crate::task::Value;

pub use draw::Options;

/// What a task names as `dataset_path` to get data from the binary.
pub const DATASET: &str = "weighbridge";

/// What a set asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Domain {
    /// Deriving what follows: arithmetic, order, calendar, truth, counting.
    Reasoning,
    /// Writing within a form: required words, acrostics, letters left out.
    Creativity,
    /// English: grammar, forms, meaning.
    Language,
    /// People: feelings, intentions, what others know, what is fitting.
    Social,
    /// Putting sources, tools and formats together.
    Integration,
    /// Facts.
    Knowledge,
}

impl Domain {
    /// Every domain, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Reasoning, Self::Creativity, Self::Language, Self::Social, Self::Integration, Self::Knowledge];

    /// Name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reasoning => "reasoning",
            Self::Creativity => "creativity",
            Self::Language => "language",
            Self::Social => "social",
            Self::Integration => "integration",
            Self::Knowledge => "knowledge",
        }
    }
}

/// How hard a set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difficulty {
    /// One step, or what everybody knows.
    Easy,
    /// Several steps, or what is learned at school.
    Medium,
    /// Many steps, or what is learned in a field.
    Hard,
}

impl Difficulty {
    /// Every difficulty, in order.
    pub const ALL: [Self; 3] = [Self::Easy, Self::Medium, Self::Hard];

    /// Name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Easy => "easy",
            Self::Medium => "medium",
            Self::Hard => "hard",
        }
    }

    /// One of three values.
    fn of<T>(self, easy: T, medium: T, hard: T) -> T {
        match self {
            Self::Easy => easy,
            Self::Medium => medium,
            Self::Hard => hard,
        }
    }
}

/// The documents of a set, by the names that a task file gives.
///
/// A generated document has `id`, `kind`, `question`, `answer` and `checks`; a written one `id`, `question`, `choices`
/// and `answer`, the number of the right choice. The split `open` of creativity has prompts only.
///
/// # Errors
/// Says which names there are.
pub fn rows(domain: &str, split: &str, options: &Options) -> Result<Vec<Value>, String> {
    let named = Domain::ALL.into_iter().find(|known| known.name() == domain);
    let known = || Domain::ALL.map(Domain::name).join(", ");
    let named = named.ok_or_else(|| format!("there is no shipped set `{domain}`; there are {}", known()))?;
    if named == Domain::Creativity && split == creativity::OPEN {
        return Ok(creativity::open());
    }
    let difficulty = Difficulty::ALL.into_iter().find(|known| known.name() == split);
    let difficulty = difficulty
        .ok_or_else(|| format!("the shipped set `{domain}` has no split `{split}`; it has easy, medium and hard"))?;
    match named {
        Domain::Reasoning => draw::items(named, difficulty, options, reasoning::item),
        Domain::Integration => draw::items(named, difficulty, options, integration::item),
        Domain::Creativity => draw::items(named, difficulty, options, creativity::item),
        Domain::Language | Domain::Social | Domain::Knowledge => written::items(named, difficulty),
    }
}
