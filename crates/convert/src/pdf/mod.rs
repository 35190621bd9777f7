//! PDF: words with their places become text in the order of reading, with headings, lists, tables and code.
//!
//! The PDF library reads files, fonts and encodings; [`content`] places each glyph. Then furniture goes, tables with rules are
//! taken out, columns are found, lines become blocks, and blocks Markdown. `docs/design/pdf-layout.md` says why the layout is
//! our own.

mod blocks;
mod columns;
mod content;
mod furniture;
mod render;
mod second;
mod table;
#[cfg(test)]
mod tests;
mod word;

use std::panic::{AssertUnwindSafe, catch_unwind};

use unpdf::Error;
use unpdf::parser::backend::{PdfBackend, RawBackend};

use self::blocks::{Block, Kind, Norms, blocks_of};
use self::columns::{Item, regions};
use self::render::{Lexicon, Rendered, render};
use self::word::Sheet;
use crate::Limits;
use crate::document::{Converted, Signals};
use crate::error::{Refusal, RefusalKind};
use crate::language;
use crate::signals::Draft;
use crate::sniff::Format;

/// The Markdown of a PDF.
///
/// # Errors
///
/// A file that needs a password, that cannot be read, that holds pictures alone, whose text decodes to nonsense or that has
/// more pages than is allowed.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Converted, Refusal> {
    // The library is fuzzed by its authors, and files are hostile: a panic of its is an answer here, not an end.
    catch_unwind(AssertUnwindSafe(|| read_pages(bytes, limits)))
        .unwrap_or_else(|_| Err(Refusal::new(RefusalKind::Damaged, "the reader of PDF gave up on it")))
}

fn read_pages(bytes: &[u8], limits: &Limits) -> Result<Converted, Refusal> {
    let backend = RawBackend::load_bytes(bytes).map_err(refused)?;
    let pages = backend.pages();
    if pages.is_empty() {
        return Err(Refusal::new(RefusalKind::Damaged, "it has no pages"));
    }
    if pages.len() > limits.pages as usize {
        return Err(Refusal::new(RefusalKind::TooLarge, format!("{} pages, at most {}", pages.len(), limits.pages)));
    }
    let mut sheets: Vec<Sheet> = pages.iter().map(|(&number, &page)| content::sheet(&backend, number, page)).collect();
    let all_words: u64 = sheets.iter().map(|sheet| sheet.words.len() as u64).sum();
    let agreement = second::agreement(bytes, &sheets);
    let removed = furniture::remove(&mut sheets);
    let lexicon = Lexicon::of(&sheets);
    let norms = Norms::of(&sheets);
    let images: u64 = sheets.iter().map(|sheet| u64::from(sheet.images)).sum();
    let pages_without_text = sheets.iter().filter(|sheet| sheet.words.is_empty() && sheet.images > 0).count() as u64;
    let mut blocks = Vec::new();
    let doubts = doubts(&sheets, pages_without_text);
    for sheet in &mut sheets {
        let tables = table::ruled(sheet);
        let words = std::mem::take(&mut sheet.words).into_iter().map(Item::Word);
        let items = words.chain(tables.into_iter().map(Item::Table)).collect();
        for region in regions(items, sheet.height) {
            blocks.extend(blocks_of(region, sheet.number, &norms));
        }
        let aside = word::lines_of(std::mem::take(&mut sheet.aside));
        if !aside.is_empty() {
            blocks.push(Block { kind: Kind::Paragraph { lines: aside }, page: sheet.number });
        }
    }
    let Rendered { markdown, pages } = render(&blocks, &lexicon, &norms);
    if markdown.is_empty() {
        return Err(without_text(&sheets, images));
    }
    if let Some((known, parts)) = language::known_parts(&markdown)
        && parts >= 8
        && 10 * known < parts
    {
        return Err(Refusal::new(
            RefusalKind::Mojibake,
            format!("{known} of {parts} parts of it are of a known language"),
        ));
    }
    let title = backend.metadata().title;
    let mut converted = Draft { format: Format::Pdf, title, markdown, pages, doubts }.finish()?;
    converted.signals = Signals {
        agreement,
        furniture_lines: removed.lines,
        furniture_share: removed.words as f64 / all_words.max(1) as f64,
        images,
        pages_without_text,
        ..converted.signals
    };
    Ok(converted)
}

fn refused(error: Error) -> Refusal {
    let kind = match error {
        Error::Encrypted | Error::InvalidPassword => RefusalKind::Encrypted,
        _ => RefusalKind::Damaged,
    };
    Refusal::new(kind, error.to_string())
}

fn without_text(sheets: &[Sheet], images: u64) -> Refusal {
    let lost: u32 = sheets.iter().map(|sheet| sheet.lost_streams).sum();
    let unreadable: u32 = sheets.iter().map(|sheet| sheet.unreadable_runs).sum();
    if unreadable > 0 {
        return Refusal::new(RefusalKind::Mojibake, format!("none of {unreadable} runs of text says its letters"));
    }
    if lost > 0 {
        return Refusal::new(RefusalKind::Damaged, format!("{lost} streams of its pages cannot be unpacked"));
    }
    if images > 0 {
        return Refusal::new(RefusalKind::NeedsOcr, format!("{images} pictures on {} pages", sheets.len()));
    }
    Refusal::new(RefusalKind::Empty, format!("{} pages", sheets.len()))
}

/// What is known to be missing.
fn doubts(sheets: &[Sheet], pages_without_text: u64) -> Vec<String> {
    let mut reasons = Vec::new();
    let lost: u32 = sheets.iter().map(|sheet| sheet.lost_streams).sum();
    let runs: u32 = sheets.iter().map(|sheet| sheet.runs).sum();
    let unreadable: u32 = sheets.iter().map(|sheet| sheet.unreadable_runs).sum();
    if lost > 0 {
        reasons.push(format!("{lost} streams of its pages cannot be unpacked"));
    }
    if unreadable * 50 > runs {
        reasons.push(format!("{unreadable} of {runs} runs of text do not say their letters"));
    }
    if pages_without_text > 0 {
        reasons.push(format!("{pages_without_text} of {} pages are pictures without text", sheets.len()));
    }
    reasons
}
