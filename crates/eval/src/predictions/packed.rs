//! Rows without what they borrow, so that they can be handed from the thread that scans to the one that visits.

use std::borrow::Cow;

use super::error::PredictionsError;
use super::field::{Field, Row, Value};
use super::json::Take;

/// A block of whole lines with the rows that were found in it.
#[derive(Debug, Default)]
pub(super) struct Packed {
    block: String,
    /// What stands nowhere in the block: texts that had escapes, records that began in the block before.
    others: String,
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

/// A value of a row: where it stands, in the block or among the others.
#[derive(Debug)]
struct Cell {
    field: Field,
    kind: Kind,
    is_other: bool,
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
    /// Empties it, and gives the room of its block. What else was allocated is used again.
    pub(super) fn clear(&mut self) -> Vec<u8> {
        self.others.clear();
        self.rows.clear();
        self.cells.clear();
        std::mem::take(&mut self.block).into_bytes()
    }

    /// The rows of a block; `scan` is given what begins a row.
    pub(super) fn fill(
        &mut self,
        block: String,
        scan: impl FnOnce(&str, &mut Rows<'_>) -> Result<(), PredictionsError>,
    ) -> Result<(), PredictionsError> {
        self.block = block;
        let Self { block, others, rows, cells, .. } = self;
        scan(block, &mut Rows { block, others, rows, cells })
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
                // What was packed lies within.
                let text = if cell.is_other { &self.others } else { &self.block };
                let text = text.get(start..start + cell.length as usize).unwrap_or_default();
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

/// The rows of a block that is being scanned.
pub(super) struct Rows<'p> {
    block: &'p str,
    others: &'p mut String,
    rows: &'p mut Vec<Head>,
    cells: &'p mut Vec<Cell>,
}

impl Rows<'_> {
    /// Takes a row whose values `read` hands over; one that cannot be read leaves nothing.
    #[inline]
    pub(super) fn row<E>(&mut self, line: u64, read: impl FnOnce(&mut Packing<'_>) -> Result<(), E>) -> Result<(), E> {
        let begin = self.cells.len();
        let Self { block, others, cells, .. } = self;
        let result = read(&mut Packing { block, others, cells, there: 0 });
        match result {
            Ok(()) => self.rows.push(Head { line, cells: whole(self.cells.len() - begin) }),
            Err(_) => self.cells.truncate(begin),
        }
        result
    }
}

/// A row that is being packed.
pub(super) struct Packing<'p> {
    block: &'p str,
    others: &'p mut String,
    cells: &'p mut Vec<Cell>,
    /// The fields that are there, a bit for each.
    there: u32,
}

impl Packing<'_> {
    /// Where a text stands: in the block if it was borrowed from it, else among the others, where it is put.
    #[inline]
    fn place(&mut self, text: &str) -> (bool, u32) {
        let offset = (text.as_ptr() as usize).wrapping_sub(self.block.as_ptr() as usize);
        if offset <= self.block.len() && text.len() <= self.block.len() - offset {
            return (false, whole(offset));
        }
        let start = whole(self.others.len());
        self.others.push_str(text);
        (true, start)
    }
}

impl<'a> Take<'a> for Packing<'_> {
    #[inline]
    fn set(&mut self, field: Field, value: Value<'a>) -> bool {
        let (kind, text) = match &value {
            Value::Absent => return true,
            Value::Null => (Kind::Null, ""),
            Value::Bool(true) => (Kind::True, ""),
            Value::Bool(false) => (Kind::False, ""),
            Value::Number(text) => (Kind::Number, *text),
            Value::Text(text) => (Kind::Text, &**text),
            Value::Json(text) => (Kind::Json, *text),
            Value::Cell(text) => (Kind::Cell, &**text),
        };
        let (is_other, start) = self.place(text);
        self.cells.push(Cell { field, kind, is_other, start, length: whole(text.len()) });
        let bit = 1 << field as u32;
        let was_absent = self.there & bit == 0;
        self.there |= bit;
        was_absent
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
        let rows = [
            (
                3,
                vec![
                    (Field::Id, Value::Number(&block[..1])),
                    (Field::Target, Value::Text(Cow::Borrowed(&block[2..6]))),
                    (Field::Prediction, Value::Text(Cow::Owned("un\nescaped".to_owned()))),
                    (Field::References, Value::Json(&block[7..10])),
                ],
            ),
            (
                9,
                vec![
                    (Field::Id, Value::Cell(Cow::Owned("é".to_owned()))),
                    (Field::Passed, Value::Bool(true)),
                    (Field::Text, Value::Null),
                    (Field::Why, Value::Text(Cow::Borrowed(""))),
                ],
            ),
        ];
        let mut packed = Packed::default();
        for _ in 0..2 {
            packed.clear();
            let filled = packed.fill(block.to_owned(), |block, into| {
                for (line, values) in &rows {
                    into.row(*line, |row| -> Result<(), PredictionsError> {
                        for (field, value) in values {
                            // What is borrowed must be of the block that is scanned.
                            let value = match value {
                                Value::Number(text) => Value::Number(&block[..text.len()]),
                                other => other.clone(),
                            };
                            assert!(row.set(*field, value));
                        }
                        Ok(())
                    })?;
                }
                let damaged = into.row(10, |row| {
                    assert!(row.set(Field::Id, Value::Null) && !row.set(Field::Id, Value::Null));
                    Err(PredictionsError::Empty)
                });
                assert!(damaged.is_err());
                Ok(())
            });
            filled.unwrap();
            let mut expected = rows.iter();
            let count = packed.visit(&mut |row| {
                let (line, values) = expected.next().unwrap();
                let mut plain = Row::new(*line);
                values.iter().for_each(|(field, value)| assert!(plain.set(*field, value.clone())));
                assert_eq!(row, &plain);
                Ok(())
            });
            assert_eq!(count.unwrap(), 2);
        }
    }
}
