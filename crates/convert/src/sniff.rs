//! What a file is, from its content.

mod magic;
mod plain;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Refusal, RefusalKind};

pub(crate) use magic::zip_kind;

/// The kinds of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Portable Document Format.
    Pdf,
    /// HTML or XHTML.
    Html,
    /// Markdown.
    Markdown,
    /// A document of Word (Office Open XML).
    Docx,
    /// A workbook of Excel (Office Open XML).
    Xlsx,
    /// Values between commas, semicolons, bars or tabs.
    Csv,
    /// Text.
    Text,
    /// A ZIP archive that is no document: walked, not converted.
    Zip,
}

impl Format {
    /// What the content says; `name` decides only between kinds of text.
    ///
    /// # Errors
    ///
    /// An empty file, and content of no kind that is read.
    pub fn sniff(bytes: &[u8], name: &str) -> Result<Self, Refusal> {
        if bytes.is_empty() {
            return Err(Refusal::new(RefusalKind::Empty, "0 bytes"));
        }
        if let Some(found) = magic::find(bytes) {
            return found;
        }
        plain::find(bytes, name)
    }

    /// The name in records and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Html => "html",
            Self::Markdown => "markdown",
            Self::Docx => "docx",
            Self::Xlsx => "xlsx",
            Self::Csv => "csv",
            Self::Text => "text",
            Self::Zip => "zip",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
