//! Documents become Markdown: what a file is, its text with structure, and how far that can be believed.
//!
//! [`convert`] takes the bytes of one file. What the file is is [sniffed](Format::sniff) from its content, never believed
//! from its name. The result is one frozen text in which byte offsets stay valid, with the pages that it came from and
//! [signals](Signals) that say how far it can be trusted; or a [`Refusal`] of a closed list. [`walk`] hands over the files of a
//! ZIP archive one by one, within [limits](ArchiveLimits). This room knows nothing of
//! data sets, folders and models, and reads no file itself.

mod archive;
mod decode;
mod document;
mod error;
mod html;
mod inline;
mod language;
mod markdown;
mod markup;
mod office;
mod pdf;
mod sheet;
mod signals;
mod sniff;
mod table;
mod tabular;
mod text;
mod zip;

pub use archive::{ArchiveLimits, Walk, walk};
pub use document::{Converted, Grade, Page, Signals};
pub use error::{Refusal, RefusalKind};
pub use sniff::Format;

/// Bounds of one conversion.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest input in bytes.
    pub input_bytes: u64,
    /// The largest text in bytes; also bounds what is unpacked from the parts of an office file.
    pub text_bytes: u64,
    /// The most pages, sheets or parts.
    pub pages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { input_bytes: 512 << 20, text_bytes: 256 << 20, pages: 20_000 }
    }
}

/// The Markdown of a file. `name` helps only where content cannot tell (CSV against text, Markdown against text).
///
/// # Errors
///
/// A [`Refusal`] that says of what kind; the text of a file that could be read in part comes as [`Grade::Degraded`].
pub fn convert(bytes: &[u8], name: &str, limits: &Limits) -> Result<Converted, Refusal> {
    let found = bytes.len() as u64;
    if found > limits.input_bytes {
        return Err(Refusal::new(RefusalKind::TooLarge, format!("{found} bytes, at most {}", limits.input_bytes)));
    }
    let format = Format::sniff(bytes, name)?;
    match format {
        Format::Pdf => pdf::read(bytes, limits),
        Format::Html => html::read(bytes, limits),
        Format::Docx => office::read(bytes, limits),
        Format::Xlsx => sheet::read(bytes, limits),
        Format::Csv => sheet::read_csv(bytes, limits),
        Format::Markdown | Format::Text => text::read(bytes, format, limits),
        Format::Zip => Err(Refusal::new(RefusalKind::Unsupported, format!("no reader of {format}"))),
    }
}
