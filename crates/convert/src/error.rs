//! Why a file gives no text.

use serde::{Deserialize, Serialize};

/// A file that gives no text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("convert a file: {}: {detail}", kind.words())]
pub struct Refusal {
    /// Of which kind.
    pub kind: RefusalKind,
    /// Which value, and where.
    pub detail: String,
}

/// The kinds of [`Refusal`]; nothing else happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// Content of a kind that is not read.
    Unsupported,
    /// A password is needed.
    Encrypted,
    /// The file contradicts itself or ends too early.
    Damaged,
    /// Pictures of text, without text.
    NeedsOcr,
    /// Text that decodes to nonsense.
    Mojibake,
    /// No words at all.
    Empty,
    /// Beyond a limit.
    TooLarge,
    /// It took too long; said by who runs the conversion.
    TimedOut,
    /// The converter died; said by who runs the conversion.
    Crashed,
}

impl Refusal {
    /// A refusal of a kind.
    #[must_use]
    pub fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.kind {
            RefusalKind::Unsupported => "PDF, HTML, Markdown, DOCX, XLSX, CSV and text are read, alone or in a ZIP",
            RefusalKind::Encrypted => "save a copy without its password",
            RefusalKind::Damaged => "open the file in a program that writes its kind, and save it again",
            RefusalKind::NeedsOcr => "recognize its text first; a file with a text layer is read",
            RefusalKind::Mojibake => {
                "its fonts do not say which letters they draw: recognize its text, or find another copy"
            }
            RefusalKind::Empty => "nothing is to be had from it",
            RefusalKind::TooLarge => "split it, or raise the limit that is named",
            RefusalKind::TimedOut => "split it, or raise the time limit",
            RefusalKind::Crashed => "report this as a bug, with the file if it may be shown",
        }
    }
}

impl RefusalKind {
    /// The name in records and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::Encrypted => "encrypted",
            Self::Damaged => "damaged",
            Self::NeedsOcr => "needs_ocr",
            Self::Mojibake => "mojibake",
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::TimedOut => "timed_out",
            Self::Crashed => "crashed",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Unsupported => "of a kind that is not read",
            Self::Encrypted => "it needs a password",
            Self::Damaged => "it is damaged",
            Self::NeedsOcr => "it holds pictures of text and no text",
            Self::Mojibake => "its text decodes to nonsense",
            Self::Empty => "it holds no words",
            Self::TooLarge => "it is too large",
            Self::TimedOut => "it took too long",
            Self::Crashed => "the converter died",
        }
    }
}
