//! Cells that span rows and columns become a grid.

/// Columns of a grid that are kept; spreadsheets and hostile spans can ask for more.
const COLUMNS_MAX: usize = 1000;
/// Cells of a grid that are kept: 16 MiB of numbers.
const CELLS_MAX: usize = 4 << 20;

/// A cell as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    /// Columns that it covers; 0 counts as 1.
    pub(crate) columns: usize,
    /// Rows that it covers; 0 counts as all that are left.
    pub(crate) rows: usize,
}

impl Cell {
    /// A cell of one row and one column.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), columns: 1, rows: 1 }
    }
}

/// A table without spans: what spanned several places stands in each.
///
/// Columns in which no cell begins and columns and rows without text are left out.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    texts: Vec<String>,
    rows: Vec<Vec<u32>>,
    was_cut: bool,
}

impl Grid {
    /// Lays cells out.
    pub(crate) fn expand(source: Vec<Vec<Cell>>) -> Self {
        let mut grid = Self { texts: vec![String::new()], rows: Vec::with_capacity(source.len()), was_cut: false };
        // For each column the cell that hangs down into the next row and for how many more.
        let mut hanging: Vec<(u32, usize)> = Vec::new();
        let mut begins: Vec<bool> = Vec::new();
        let mut cell_count = 0;
        for cells in source {
            let row = grid.lay_row(cells, &mut hanging, &mut begins);
            cell_count += row.len();
            grid.rows.push(row);
            if cell_count > CELLS_MAX {
                grid.was_cut = true;
                break;
            }
        }
        grid.drop_empty(&begins);
        grid
    }

    /// The rows, all of one length; each number names a [text](Self::text).
    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.rows.iter().map(Vec::as_slice)
    }

    /// How many columns it has.
    pub(crate) fn column_count(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// The text of a cell.
    pub(crate) fn text(&self, cell: u32) -> &str {
        self.texts.get(cell as usize).map_or("", String::as_str)
    }

    /// Whether columns or rows were left out because there were too many.
    pub(crate) fn was_cut(&self) -> bool {
        self.was_cut
    }

    fn lay_row(&mut self, cells: Vec<Cell>, hanging: &mut Vec<(u32, usize)>, begins: &mut Vec<bool>) -> Vec<u32> {
        let mut row: Vec<u32> = Vec::with_capacity(cells.len().max(hanging.len()));
        for cell in cells {
            fill_hanging(&mut row, hanging);
            if row.len() >= COLUMNS_MAX {
                self.was_cut = true;
                break;
            }
            let start = row.len();
            let is_empty = cell.text.is_empty();
            let id = if is_empty { 0 } else { u32::try_from(self.texts.len()).unwrap_or(0) };
            if !is_empty {
                self.texts.push(cell.text);
            }
            let end = (start + cell.columns.max(1)).min(COLUMNS_MAX);
            if hanging.len() < end {
                hanging.resize(end, (0, 0));
                begins.resize(end, false);
            }
            begins[start] = true;
            let more_rows = if cell.rows == 0 { usize::MAX } else { cell.rows - 1 };
            for column in hanging.iter_mut().take(end).skip(start) {
                // A wide cell over one that hangs down: the later one wins, as in browsers.
                *column = (id, more_rows);
                row.push(id);
            }
        }
        fill_hanging(&mut row, hanging);
        // What hangs beyond a column that the row leaves empty.
        while row.len() < hanging.len() && hanging[row.len()..].iter().any(|(_, more)| *more > 0) {
            row.push(0);
            fill_hanging(&mut row, hanging);
        }
        // What was laid in this row hangs from the next on.
        row
    }

    fn drop_empty(&mut self, begins: &[bool]) {
        let width = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut keep = vec![false; width];
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                keep[column] |= *cell != 0 && begins.get(column).copied().unwrap_or(false);
            }
        }
        for row in &mut self.rows {
            row.resize(width, 0);
            let mut column = 0;
            row.retain(|_| {
                column += 1;
                keep[column - 1]
            });
        }
        // A row of nothing but cells that go on in the next says nothing that the next does not say.
        let mut index = 0;
        let goes_on: Vec<bool> = self.rows.windows(2).map(|pair| is_part_of(&pair[0], &pair[1])).collect();
        self.rows.retain(|row| {
            index += 1;
            row.iter().any(|cell| *cell != 0) && !goes_on.get(index - 1).copied().unwrap_or(false)
        });
    }
}

/// Whether each cell of a row with text is the same in the other.
fn is_part_of(row: &[u32], other: &[u32]) -> bool {
    row.iter().zip(other).all(|(cell, below)| *cell == 0 || cell == below)
}

/// Continues cells from the rows above at the end of a row.
fn fill_hanging(row: &mut Vec<u32>, hanging: &mut [(u32, usize)]) {
    while let Some((cell, more)) = hanging.get_mut(row.len()).filter(|(_, more)| *more > 0) {
        *more = more.saturating_sub(1);
        row.push(*cell);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell(text: &str, columns: usize, rows: usize) -> Cell {
        Cell { text: text.into(), columns, rows }
    }

    #[track_caller]
    fn check(source: Vec<Vec<Cell>>, expected: &[&[&str]]) {
        let grid = Grid::expand(source);
        let rows: Vec<Vec<&str>> = grid.rows().map(|row| row.iter().map(|cell| grid.text(*cell)).collect()).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn spans_are_repeated() {
        check(
            vec![
                vec![cell("a", 2, 1), cell("b", 1, 2)],
                vec![cell("c", 1, 2), cell("d", 1, 1)],
                vec![cell("e", 1, 1), cell("f", 1, 1)],
            ],
            &[&["a", "a", "b"], &["c", "d", "b"], &["c", "e", "f"]],
        );
    }

    #[test]
    fn ragged_rows_are_filled_and_empty_columns_dropped() {
        check(
            vec![vec![cell("a", 1, 1), cell("", 1, 1), cell("b", 1, 1)], vec![cell("c", 1, 1)], vec![cell("", 3, 1)]],
            &[&["a", "b"], &["c", ""]],
        );
        check(vec![vec![cell("a", 900, 9)], vec![cell("b", 1, 1)]], &[&["a", "b"]]);
    }

    #[test]
    fn a_span_of_nothing_is_one_or_the_rest() {
        check(vec![vec![cell("a", 1, 3)], vec![cell("b", 1, 1)], vec![cell("c", 1, 1)]], &[&["a", "b"], &["a", "c"]]);
        check(vec![vec![cell("a", 0, 0), cell("b", 1, 1)], vec![cell("c", 1, 1)]], &[&["a", "b"], &["a", "c"]]);
    }

    proptest! {
        #[test]
        fn every_grid_is_rectangular(
            source in prop::collection::vec(prop::collection::vec(("[ab]?", 0_usize..2000, 0_usize..5), 0..6), 0..8),
        ) {
            let rows = source.into_iter().map(|row| row.into_iter().map(|(text, columns, rows)| cell(&text, columns, rows)).collect());
            let grid = Grid::expand(rows.collect());
            prop_assert!(grid.rows().all(|row| row.len() == grid.column_count()));
        }
    }
}
