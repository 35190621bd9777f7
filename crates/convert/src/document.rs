//! What a conversion gives.

use serde::{Deserialize, Serialize};

use crate::sniff::Format;

/// The Markdown of a document, frozen: line ends are `\n`, and spans are byte offsets into `markdown`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Converted {
    /// What the file was.
    pub format: Format,
    /// The title that the file gives itself.
    pub title: Option<String>,
    /// The text.
    pub markdown: String,
    /// Where each page, sheet or part begins; in order, the first at 0. Empty where a format has no pages.
    pub pages: Vec<Page>,
    /// How far the text can be trusted.
    pub grade: Grade,
    /// What that rests on.
    pub signals: Signals,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// From 1; the number in the file, not the one printed on it.
    pub number: u32,
    /// Its first byte in the text.
    pub start: usize,
    /// The name of a sheet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
}

/// How far a text can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "grade", content = "reasons")]
pub enum Grade {
    /// Nothing speaks against it.
    Good,
    /// There is text, and something is known to be missing or doubtful: each reason in words.
    Degraded(Vec<String>),
}

/// What was measured of a conversion. `None`: not measured for this format.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Signals {
    /// Words of the text.
    pub words: u64,
    /// Share of characters that are replacement characters, private use or controls, 0 to 1.
    pub garbled: f64,
    /// Agreement of two engines on the words of the document, 0 to 1 (F1 of the bags of words).
    pub agreement: Option<f64>,
    /// Lines of running headers and footers that were left out.
    pub furniture_lines: u64,
    /// Share of the words that they held, 0 to 1.
    pub furniture_share: f64,
    /// Pictures.
    pub images: u64,
    /// Pages without text that hold a picture.
    pub pages_without_text: u64,
    /// Tables.
    pub tables: u64,
    /// Headings.
    pub headings: u64,
}

impl Converted {
    /// The page that holds a byte of the text.
    #[must_use]
    pub fn page_of(&self, offset: usize) -> Option<u32> {
        let after = self.pages.partition_point(|page| page.start <= offset);
        after.checked_sub(1).map(|index| self.pages[index].number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_on_the_last_page_that_begins_before_it() {
        let page = |number, start| Page { number, start, name: None };
        let converted = Converted {
            format: Format::Pdf,
            title: None,
            markdown: "one two three".into(),
            pages: vec![page(1, 0), page(2, 4), page(4, 8)],
            grade: Grade::Good,
            signals: Signals::default(),
        };
        assert_eq!([0, 3, 4, 7, 8, 12].map(|at| converted.page_of(at)), [1, 1, 2, 2, 4, 4].map(Some));
        assert_eq!(Converted { pages: Vec::new(), ..converted }.page_of(3), None);
    }
}
