//! What a report says, before anything is printed: the console, Markdown and HTML print the same sections.

pub(crate) mod comparison;
mod detection;
mod evaluate;
mod header;
pub(crate) mod history;
mod load;
mod matrix;
pub(crate) mod memory_profile;
mod outcome;
pub(crate) mod performance;
mod phases;
mod server;
mod stream;

pub(crate) use header::{host, overview, phase_title, phase_topic, run_facts, status_word, title};
pub(crate) use matrix::{
    cell_label, cell_words, cells_with_any, compare_cells, flag_text, metric_title, provenance_word,
};
pub(crate) use outcome::{Step, findings, next_steps, projections, targets};
pub(crate) use phases::{Section, quality_metric, section, tasks, variants};

/// How a text stands out. Nothing depends on it alone: every tone has its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Ordinary text.
    #[default]
    Plain,
    /// The text that a reader looks for.
    Strong,
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// Something undecided, or to be read with doubt.
    Doubt,
    /// Aside.
    Faint,
}

/// A piece of text with its tone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// The words.
    pub(crate) text: String,
    /// How they stand out.
    pub(crate) tone: Tone,
}

impl Text {
    /// Text with a tone.
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Where the text of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// Its heading.
    pub(crate) heading: String,
    /// Where its text stands.
    pub(crate) align: Align,
    /// Whether it stays with the column before it when a table is split to fit.
    pub(crate) attached: bool,
}

impl Column {
    /// A column of words.
    pub(crate) fn words(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), align: Align::Left, attached: false }
    }

    /// A column of numbers.
    pub(crate) fn numbers(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), align: Align::Right, attached: false }
    }

    /// The column, kept beside the one before it.
    pub(crate) fn attached(self) -> Self {
        Self { attached: true, ..self }
    }
}

/// A table; the first column labels its rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// What it shows; empty when the section says it.
    pub(crate) caption: String,
    /// Its columns.
    pub(crate) columns: Vec<Column>,
    /// Its rows, each as long as `columns`.
    pub(crate) rows: Vec<Vec<Text>>,
    /// Footnotes, in the order of their marks.
    pub(crate) notes: Vec<String>,
    /// What else is to be said below it.
    pub(crate) remarks: Vec<String>,
    /// Whether a narrow console leaves it out.
    pub(crate) is_detail: bool,
}

/// The footnotes of a table: equal texts share a mark.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<String>);

impl Notes {
    /// The mark of a text, `¹`.
    pub(crate) fn mark(&mut self, text: &str) -> String {
        let index = self.0.iter().position(|known| known == text).unwrap_or_else(|| {
            self.0.push(text.to_owned());
            self.0.len() - 1
        });
        superscript(index + 1)
    }

    /// The texts, in the order of their marks.
    pub(crate) fn into_vec(self) -> Vec<String> {
        self.0
    }
}

/// A number as a footnote mark: `¹²`.
pub(crate) fn superscript(number: usize) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digits = number.to_string();
    digits.bytes().map(|byte| DIGITS[usize::from(byte - b'0')]).collect()
}
