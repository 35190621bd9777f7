//! The cells of sheets and their texts.

use super::CELLS_MAX;
use super::format::Formats;
use crate::markup::token::Tag;
use crate::markup::xml::Xml;
use crate::signals::one_line;

/// Columns of a sheet; Excel has no more.
const COLUMNS_MAX: u32 = 16_384;
/// Rows of a sheet, likewise.
const ROWS_MAX: u32 = 1_048_576;

/// A cell with text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// From 0.
    pub(crate) row: u32,
    /// From 0.
    pub(crate) column: u32,
    /// The number of its text.
    pub(crate) text: u32,
}

/// The cells of the sheet that is read and the texts of all.
#[derive(Debug)]
pub(crate) struct Cells {
    pub(crate) places: Vec<Place>,
    pub(crate) was_cut: bool,
    texts: Vec<String>,
    /// How many of the texts are shared by all sheets.
    shared_count: usize,
    cell_count: usize,
}

/// A range of cells that are one.
#[derive(Debug)]
struct Merged {
    top: u32,
    left: u32,
    bottom: u32,
    right: u32,
}

impl Cells {
    /// Begins with the strings that cells share.
    pub(crate) fn new(shared_strings: &str) -> Self {
        let mut texts = Vec::new();
        let mut xml = Xml::new(shared_strings);
        xml.enter();
        xml.children(|xml, _, _| texts.push(string_item(xml)));
        Self { places: Vec::new(), was_cut: false, shared_count: texts.len(), texts, cell_count: 0 }
    }

    /// A text by its number.
    pub(crate) fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or("", String::as_str)
    }

    /// Reads a sheet.
    pub(crate) fn read(&mut self, sheet: &str, formats: &Formats) {
        self.texts.truncate(self.shared_count);
        let start = self.places.len();
        let mut merged = Vec::new();
        let mut xml = Xml::new(sheet);
        xml.enter();
        xml.children(|xml, name, _| match name {
            "sheetData" => self.rows(xml, formats),
            "mergeCells" => xml.children(|xml, _, tag| {
                merged.extend(tag.local("ref").as_deref().and_then(range));
                xml.skip();
            }),
            _ => xml.skip(),
        });
        self.places[start..].sort_unstable();
        self.places.dedup_by_key(|place| (place.row, place.column));
        self.fill_merged(start, &merged);
    }

    fn rows(&mut self, xml: &mut Xml<'_>, formats: &Formats) {
        let mut next_row = 0;
        xml.children(|xml, name, tag| {
            if name != "row" {
                return xml.skip();
            }
            let row = tag
                .local("r")
                .and_then(|row| row.trim().parse::<u32>().ok())
                .map_or(next_row, |row| row.saturating_sub(1));
            next_row = row.saturating_add(1);
            let mut next_column = 0;
            xml.children(|xml, name, tag| {
                if name != "c" {
                    return xml.skip();
                }
                let column = tag.local("r").and_then(|name| reference(&name)).map_or(next_column, |(_, column)| column);
                next_column = column.saturating_add(1);
                self.cell(xml, tag, row, column, formats);
            });
        });
    }

    fn cell(&mut self, xml: &mut Xml<'_>, tag: Tag<'_>, row: u32, column: u32, formats: &Formats) {
        let (mut value, mut inline, mut formula) = (None, None, None);
        xml.children(|xml, name, _| match name {
            "v" => value = Some(xml.text()),
            "is" => inline = Some(string_item(xml)),
            "f" => formula = Some(xml.text()),
            _ => xml.skip(),
        });
        let kind = tag.local("t");
        let text = match (kind.as_deref(), inline, value) {
            (_, Some(inline), _) => inline,
            (Some("s"), _, Some(index)) => {
                let index = index.trim().parse::<u32>().unwrap_or(u32::MAX);
                if (index as usize) < self.shared_count {
                    self.place(row, column, index);
                }
                return;
            }
            (Some("b"), _, Some(value)) => {
                if value.trim() == "1" {
                    "TRUE".into()
                } else {
                    "FALSE".into()
                }
            }
            (Some("str" | "e" | "d"), _, Some(value)) => one_line(&value),
            (_, _, Some(value)) => formats.number(value.trim(), tag.local("s").as_deref()),
            // A formula that nothing has computed yet.
            (_, _, None) => formula
                .filter(|formula| !formula.trim().is_empty())
                .map_or_else(String::new, |formula| format!("={}", one_line(&formula))),
        };
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push(text);
        self.place(row, column, number);
    }

    fn place(&mut self, row: u32, column: u32, text: u32) {
        if row >= ROWS_MAX || column >= COLUMNS_MAX || self.text(text).is_empty() {
            return;
        }
        if self.cell_count >= CELLS_MAX {
            self.was_cut = true;
            return;
        }
        self.cell_count += 1;
        self.places.push(Place { row, column, text });
    }

    /// Repeats the text of merged cells in each, as far as the sheet is used.
    fn fill_merged(&mut self, start: usize, merged: &[Merged]) {
        let used = &self.places[start..];
        let (Some(bottom), Some(right)) =
            (used.iter().map(|place| place.row).max(), used.iter().map(|place| place.column).max())
        else {
            return;
        };
        let used_count = used.len();
        'ranges: for range in merged {
            let used = &self.places[start..start + used_count];
            let Ok(index) = used.binary_search_by_key(&(range.top, range.left), |place| (place.row, place.column))
            else {
                continue;
            };
            let text = used[index].text;
            for row in range.top..=range.bottom.min(bottom) {
                for column in range.left..=range.right.min(right) {
                    // Ranges may overlap without end; cells do not.
                    if self.was_cut {
                        break 'ranges;
                    }
                    if (row, column) != (range.top, range.left) {
                        self.place(row, column, text);
                    }
                }
            }
        }
        self.places[start..].sort_by_key(|place| (place.row, place.column));
        self.places.dedup_by_key(|place| (place.row, place.column));
    }
}

/// The text of a string that cells hold: its runs without what shows how to read them.
fn string_item(xml: &mut Xml<'_>) -> String {
    let mut out = String::new();
    let mut open = 0_u64;
    while let Some(element) = xml.within(&mut open) {
        match element {
            ("t", _) => out.push_str(&xml.text()),
            ("rPh" | "phoneticPr" | "rPr", _) => xml.skip(),
            _ => open += 1,
        }
    }
    one_line(&out)
}

/// Row and column of a name like `BC12`, both from 0.
fn reference(name: &str) -> Option<(u32, u32)> {
    let letters = name.bytes().take_while(u8::is_ascii_alphabetic).count();
    if letters == 0 || letters > 3 {
        return None;
    }
    let column =
        name[..letters].bytes().fold(0_u32, |sum, letter| sum * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1);
    let row = name[letters..].parse::<u32>().ok()?;
    Some((row.checked_sub(1)?, column - 1))
}

fn range(text: &str) -> Option<Merged> {
    let (from, to) = text.split_once(':')?;
    let ((top, left), (bottom, right)) = (reference(from)?, reference(to)?);
    Some(Merged { top, left, bottom, right })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cells_are_read() {
        let cases = [
            ("A1", Some((0, 0))),
            ("bc12", Some((11, 54))),
            ("XFD1048576", Some((1_048_575, 16_383))),
            ("1", None),
            ("A0", None),
            ("AAAA1", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(reference(name), expected, "{name}");
        }
    }
}
