//! Rows without what they borrow, so that they can be handed from the thread that scans to the one that visits.

use std::borrow::Cow;

use super::error::PredictionsError;
use super::field::{Field, Row, Value};

/// A block of whole lines with the rows that were found in it.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// The block's text, and after it what stands nowhere in it: texts that had escapes, records that began in the
    /// block before.
    text: String,
    /// Bytes of `text` that are the block.
    block: usize,
    rows: Vec<Head>,
    cells: Vec<Cell>,
    /// What is wrong after the last row.
    pub(super) problem: Option<PredictionsError>,
    /// Bytes read so far, decompressed.
    pub(super) bytes: u64,
    /// Whether nothing comes after it.
    pub(super) is_last: bool,
}

/// A row: its line, and how many cells it has.
#[derive(Debug)]
struct Head {
    line: u64,
    cells: u32,
}

/// A value of a row: where it stands in the text.
#[derive(Debug)]
struct Cell {
    field: Field,
    kind: Kind,
    start: u32,
    length: u32,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Null,
    True,
    False,
    Number,
    Text,
    Json,
    Cell,
}

impl Packed {
    /// Makes it an empty block of this text. What was allocated is used again.
    pub(super) fn begin(&mut self, block: &str) {
        self.text.clear();
        self.text.push_str(block);
        self.block = block.len();
        self.rows.clear();
        self.cells.clear();
        self.problem = None;
    }

    /// Adds a row whose values lie in `block` for the most part, the text that the block began with.
    pub(super) fn push(&mut self, block: &str, row: &Row<'_>) {
        let mut cells = 0;
        for (field, value) in row.values() {
            let (kind, text) = match value {
                Value::Absent => continue,
                Value::Null => (Kind::Null, ""),
                Value::Bool(true) => (Kind::True, ""),
                Value::Bool(false) => (Kind::False, ""),
                Value::Number(text) => (Kind::Number, *text),
                Value::Text(text) => (Kind::Text, &**text),
                Value::Json(text) => (Kind::Json, *text),
                Value::Cell(text) => (Kind::Cell, &**text),
            };
            let start = self.place(block, text);
            self.cells.push(Cell { field, kind, start, length: whole(text.len()) });
            cells += 1;
        }
        self.rows.push(Head { line: row.line, cells });
    }

    /// Where a text stands: in the block if it was borrowed from it, else at the end, where it is put.
    fn place(&mut self, block: &str, text: &str) -> u32 {
        let offset = (text.as_ptr() as usize).wrapping_sub(block.as_ptr() as usize);
        if offset <= self.block && text.len() <= self.block - offset {
            return whole(offset);
        }
        let start = whole(self.text.len());
        self.text.push_str(text);
        start
    }

    /// Visits the rows in their order; gives their number.
    pub(super) fn visit(
        &self,
        visit: &mut impl FnMut(&Row<'_>) -> Result<(), PredictionsError>,
    ) -> Result<u64, PredictionsError> {
        let mut cells = self.cells.iter();
        let mut row = Row::new(0);
        for head in &self.rows {
            row.clear(head.line);
            for cell in cells.by_ref().take(head.cells as usize) {
                let start = cell.start as usize;
                // What was packed lies within the text.
                let text = self.text.get(start..start + cell.length as usize).unwrap_or_default();
                let value = match cell.kind {
                    Kind::Null => Value::Null,
                    Kind::True => Value::Bool(true),
                    Kind::False => Value::Bool(false),
                    Kind::Number => Value::Number(text),
                    Kind::Text => Value::Text(Cow::Borrowed(text)),
                    Kind::Json => Value::Json(text),
                    Kind::Cell => Value::Cell(Cow::Borrowed(text)),
                };
                row.set(cell.field, value);
            }
            visit(&row)?;
        }
        Ok(self.rows.len() as u64)
    }
}

/// Blocks and what is put after them stay far below four gigabytes: a line has a bound.
fn whole(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_as_they_went_in() {
        let block = "7 text [1] true";
        let mut first = Row::new(3);
        first.set(Field::Id, Value::Number(&block[..1]));
        first.set(Field::Target, Value::Text(Cow::Borrowed(&block[2..6])));
        first.set(Field::Prediction, Value::Text(Cow::Owned("un\nescaped".to_owned())));
        first.set(Field::References, Value::Json(&block[7..10]));
        let mut second = Row::new(9);
        second.set(Field::Id, Value::Cell(Cow::Owned("é".to_owned())));
        second.set(Field::Passed, Value::Bool(true));
        second.set(Field::Text, Value::Null);
        second.set(Field::Why, Value::Text(Cow::Borrowed("")));
        let mut packed = Packed::default();
        for _ in 0..2 {
            packed.begin(block);
            packed.push(block, &first);
            packed.push(block, &second);
            let mut found = Vec::new();
            let count = packed.visit(&mut |row| {
                found.push((row.line, Field::ALL.iter().map(|field| row.get(*field).shown()).collect::<Vec<_>>()));
                Ok(())
            });
            assert_eq!(count.unwrap(), 2);
            let shown =
                |row: &Row<'_>| (row.line, Field::ALL.iter().map(|field| row.get(*field).shown()).collect::<Vec<_>>());
            assert_eq!(found, [shown(&first), shown(&second)]);
        }
    }
}
