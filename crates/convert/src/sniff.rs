//! What a file is, from its content.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Refusal, RefusalKind};

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
    /// A workbook of Excel (Office Open XML), or another that its reader takes.
    Xlsx,
    /// Values between commas, semicolons or tabs.
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
        let head = &bytes[..bytes.len().min(1024)];
        if bytes.is_empty() {
            return Err(Refusal::new(RefusalKind::Empty, "0 bytes"));
        }
        if head.windows(5).any(|window| window == b"%PDF-") {
            return Ok(Self::Pdf);
        }
        let _ = name;
        Ok(Self::Text)
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
