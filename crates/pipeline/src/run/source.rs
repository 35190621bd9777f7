//! Where documents come from: the edge finds, reads and converts them, in processes of its own where it likes.

use std::time::Duration;

use weighbridge_convert::{Converted, Refusal};

/// A document as it comes in.
#[derive(Clone, Debug)]
pub struct SourceDocument {
    /// Its path, within the input; members of archives have the archive's path before theirs.
    pub path: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub file: String,
    /// The licence that it came under; `None` where nobody said.
    pub licence: Option<String>,
    /// Its Markdown, or why there is none.
    pub outcome: Result<Converted, Refusal>,
    /// What reading took.
    pub read_in: Duration,
    /// What converting took.
    pub converted_in: Duration,
}

/// Gives the documents of a run, in an order that is the same on every run: of two that are nearly the same the first is
/// kept. Asked by one thread, once for each document, until it gives none. Any iterator is one.
pub trait Source {
    /// The next document.
    fn next_document(&mut self) -> Option<SourceDocument>;

    /// How many there are in all, where that is known.
    fn total(&self) -> Option<u64> {
        None
    }
}

impl<I: Iterator<Item = SourceDocument>> Source for I {
    fn next_document(&mut self) -> Option<SourceDocument> {
        self.next()
    }

    fn total(&self) -> Option<u64> {
        match self.size_hint() {
            (low, Some(high)) if low == high => Some(low as u64),
            _ => None,
        }
    }
}
