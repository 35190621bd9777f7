//! Workbooks and tables of values become Markdown.

mod cells;
mod csv;
mod format;
mod regions;

pub(crate) use csv::read_csv;

use crate::Limits;
use crate::document::{Converted, Page};
use crate::error::{Refusal, RefusalKind};
use crate::markdown::Writer;
use crate::markup::xml::Xml;
use crate::office::chart;
use crate::office::package::{Package, Relations};
use crate::office::properties::is_on;
use crate::signals::Draft;
use crate::sniff::Format;
use cells::Cells;
use format::Formats;
use regions::{Region, regions};

/// Cells that are read of a workbook: 32 MiB of places, beside their texts.
const CELLS_MAX: usize = 2 << 20;

/// Reads a workbook: a section for each sheet, with a table for each block of cells.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Converted, Refusal> {
    let mut package = Package::open(bytes, limits)?;
    let main = package.main_part("xl/workbook.xml")?;
    let Some(workbook) = package.part(&main)? else {
        return Err(Refusal::new(RefusalKind::Damaged, format!("its part `{main}` is missing")));
    };
    let relations = package.relations(&main)?;
    let workbook = Workbook::read(&workbook);
    if workbook.sheets.len() as u64 > u64::from(limits.pages) {
        let detail = format!("{} sheets, at most {}", workbook.sheets.len(), limits.pages);
        return Err(Refusal::new(RefusalKind::TooLarge, detail));
    }
    let styles = optional_part(&mut package, &relations, "styles")?;
    let strings = optional_part(&mut package, &relations, "sharedStrings")?;
    let formats = Formats::read(&styles, workbook.counts_from_1904);
    let mut book = Book {
        writer: Writer::new(limits.text_bytes),
        pages: Vec::new(),
        cells: Cells::new(&strings),
        doubts: Vec::new(),
        section: None,
    };
    drop(strings);
    let mut unread = 0;
    for (index, sheet) in workbook.sheets.iter().enumerate() {
        let is_read = |kind: &str| matches!(kind, "worksheet" | "chartsheet");
        let relation = relations.get(&sheet.relation).filter(|relation| is_read(&relation.kind));
        let Some(relation) = relation.filter(|_| !sheet.is_hidden) else {
            unread += 1;
            continue;
        };
        let Some(text) = package.part(&relation.target)? else {
            book.doubts.push(format!("the sheet `{}` is missing", sheet.name));
            continue;
        };
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        book.section = Some((number, sheet.name.clone()));
        book.write(&text, &sheet.name, &formats);
        book.write_charts(&mut package, &relation.target)?;
    }
    if unread > 0 {
        book.doubts.push(format!("{unread} hidden sheets were left out"));
    }
    let title = package.title()?;
    book.finish(title, limits)
}

fn optional_part(package: &mut Package<'_>, relations: &Relations, kind: &str) -> Result<String, Refusal> {
    match relations.values().find(|relation| relation.kind == kind) {
        Some(relation) => package.part(&relation.target).map(Option::unwrap_or_default),
        None => Ok(String::new()),
    }
}

#[derive(Debug)]
struct Book {
    writer: Writer,
    pages: Vec<Page>,
    cells: Cells,
    doubts: Vec<String>,
    /// Number and name of the sheet that is read, until something of it is written.
    section: Option<(u32, String)>,
}

impl Book {
    /// Begins the section of the sheet, unless it has begun.
    fn begin(&mut self) {
        if let Some((number, name)) = self.section.take() {
            let start = self.writer.next_start();
            self.writer.heading(2, &name);
            self.pages.push(Page { number, start, name: Some(name) });
        }
    }

    fn write(&mut self, text: &str, name: &str, formats: &Formats) {
        let before = self.cells.places.len();
        self.cells.read(text, formats);
        if self.cells.was_cut {
            self.doubts.push(format!("the sheet `{name}` is not whole: at most {CELLS_MAX} cells are read"));
            self.cells.was_cut = false;
        }
        for region in regions(&mut self.cells.places, before) {
            self.write_region(&region);
        }
    }

    fn write_region(&mut self, region: &Region) {
        self.begin();
        let mut rest = &region.cells[..];
        let columns = (region.right - region.left + 1) as usize;
        let mut index = 0;
        while let Some(first) = rest.first() {
            let length = rest.iter().take_while(|cell| cell.row == first.row).count();
            let (row, below) = rest.split_at(length);
            rest = below;
            // One cell over the whole width, or a cell alone, is a title of what is below.
            let is_title = row.len() == columns && row.iter().all(|cell| cell.text == first.text);
            if index == 0 && is_title && (columns > 1 || region.cells.len() == 1) {
                self.writer.paragraph(self.cells.text(first.text));
                continue;
            }
            let cells = &self.cells;
            let mut filled = row.iter().peekable();
            let texts = (region.left..=region.right)
                .map(|column| filled.next_if(|cell| cell.column == column).map_or("", |cell| cells.text(cell.text)));
            self.writer.table_row(index, columns, texts);
            index += 1;
        }
    }

    /// The charts that are drawn on a sheet.
    fn write_charts(&mut self, package: &mut Package<'_>, sheet: &str) -> Result<(), Refusal> {
        let drawings = package.relations(sheet)?;
        for drawing in drawings.values().filter(|relation| relation.kind == "drawing") {
            let relations = package.relations(&drawing.target)?;
            for (_, chart) in chart::of_part(package, &relations)? {
                self.begin();
                chart.write(&mut self.writer);
            }
        }
        Ok(())
    }

    fn finish(self, title: Option<String>, limits: &Limits) -> Result<Converted, Refusal> {
        if self.writer.is_full() {
            return Err(Refusal::new(RefusalKind::TooLarge, format!("more than {} bytes of text", limits.text_bytes)));
        }
        let markdown = self.writer.finish();
        Draft { format: Format::Xlsx, title, markdown, pages: self.pages, doubts: self.doubts }.finish()
    }
}

#[derive(Debug, Default)]
struct Workbook {
    sheets: Vec<Sheet>,
    counts_from_1904: bool,
}

#[derive(Debug)]
struct Sheet {
    name: String,
    relation: String,
    is_hidden: bool,
}

impl Workbook {
    fn read(text: &str) -> Self {
        let mut workbook = Self::default();
        let mut xml = Xml::new(text);
        xml.enter();
        xml.children(|xml, name, tag| match name {
            "workbookPr" => {
                workbook.counts_from_1904 = tag.local("date1904").is_some_and(|value| is_on(&value));
                xml.skip();
            }
            "sheets" => xml.children(|xml, _, tag| {
                let get = |name| tag.local(name).map(|value| value.into_owned()).unwrap_or_default();
                let is_hidden = matches!(&*get("state"), "hidden" | "veryHidden");
                workbook.sheets.push(Sheet { name: get("name"), relation: get("id"), is_hidden });
                xml.skip();
            }),
            _ => xml.skip(),
        });
        workbook
    }
}

#[cfg(test)]
mod tests;
