//! Documents of Word become Markdown.

mod body;
pub(crate) mod chart;
mod math;
mod notes;
mod numbering;
pub(crate) mod package;
mod paragraph;
pub(crate) mod properties;
mod styles;
mod table;

use crate::Limits;
use crate::document::Converted;
use crate::error::{Refusal, RefusalKind};
use crate::signals::Draft;
use crate::sniff::Format;
use body::Body;
use numbering::Numbering;
use package::Package;
use styles::Styles;

/// Reads a document.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Converted, Refusal> {
    let mut package = Package::open(bytes, limits)?;
    let main = package.main_part("word/document.xml")?;
    let Some(document) = package.part(&main)? else {
        return Err(Refusal::new(RefusalKind::Damaged, format!("its part `{main}` is missing")));
    };
    let relations = package.relations(&main)?;
    let mut other = |kind: &str| match relations.values().find(|relation| relation.kind == kind) {
        Some(relation) => package.part(&relation.target).map(Option::unwrap_or_default),
        None => Ok(String::new()),
    };
    let styles = Styles::read(&other("styles")?);
    let numbering = Numbering::read(&other("numbering")?);
    let footnotes = other("footnotes")?;
    let endnotes = other("endnotes")?;
    let charts = chart::of_part(&mut package, &relations)?.into_iter().collect();
    let mut body = Body::new(styles, numbering, charts, &relations, limits.text_bytes);
    body.read(&document);
    body.write_notes(&footnotes, &endnotes);
    let (markdown, first_title, doubts) = body.finish()?;
    let title = package.title()?.or(first_title);
    Draft { format: Format::Docx, title, markdown, pages: Vec::new(), doubts }.finish()
}

#[cfg(test)]
pub(crate) mod tests;
