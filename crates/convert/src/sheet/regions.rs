//! The tables of a sheet: cells that touch each other.

use super::cells::Place;

/// A block of cells.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) left: u32,
    pub(crate) right: u32,
    /// In the order of rows, then of columns.
    pub(crate) cells: Vec<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    top: u32,
    left: u32,
    bottom: u32,
    right: u32,
}

/// Blocks of one sheet beyond which it is taken as one table: a scattered sheet is not a set of tables.
const BLOCKS_MAX: usize = 500;

/// Takes the cells from `start` on apart into blocks, from the top down. Blocks whose outlines overlap are one.
pub(crate) fn regions(places: &mut Vec<Place>, start: usize) -> Vec<Region> {
    let cells = places.split_off(start);
    let mut owner: Vec<usize> = (0..cells.len()).collect();
    join_neighbors(&cells, &mut owner);
    let mut bounds: Vec<Option<Bounds>> = vec![None; cells.len()];
    for (index, cell) in cells.iter().enumerate() {
        let root = find(&mut owner, index);
        let own = Bounds { top: cell.row, left: cell.column, bottom: cell.row, right: cell.column };
        bounds[root] = Some(bounds[root].map_or(own, |known| known.with(own)));
    }
    let mut blocks: Vec<Bounds> = bounds.into_iter().flatten().collect();
    join_overlapping(&mut blocks);
    let mut found: Vec<Region> =
        blocks.iter().map(|block| Region { left: block.left, right: block.right, cells: Vec::new() }).collect();
    for cell in cells {
        let holds = |block: &Bounds| block.holds(cell);
        if let Some(index) = blocks.iter().position(holds) {
            found[index].cells.push(cell);
        }
    }
    found
}

impl Bounds {
    fn with(self, other: Self) -> Self {
        Self {
            top: self.top.min(other.top),
            left: self.left.min(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.top <= other.bottom && other.top <= self.bottom && self.left <= other.right && other.left <= self.right
    }

    fn holds(&self, cell: Place) -> bool {
        (self.top..=self.bottom).contains(&cell.row) && (self.left..=self.right).contains(&cell.column)
    }
}

/// Joins each cell with the one to its left and the one above.
fn join_neighbors(cells: &[Place], owner: &mut [usize]) {
    let mut above = 0;
    for index in 1..cells.len() {
        let cell = cells[index];
        let before = cells[index - 1];
        if before.row == cell.row && before.column + 1 == cell.column {
            join(owner, index - 1, index);
        }
        while (cells[above].row + 1, cells[above].column) < (cell.row, cell.column) {
            above += 1;
        }
        if (cells[above].row + 1, cells[above].column) == (cell.row, cell.column) {
            join(owner, above, index);
        }
    }
}

fn find(owner: &mut [usize], mut index: usize) -> usize {
    while owner[index] != index {
        owner[index] = owner[owner[index]];
        index = owner[index];
    }
    index
}

fn join(owner: &mut [usize], left: usize, right: usize) {
    let (left, right) = (find(owner, left), find(owner, right));
    owner[left.max(right)] = left.min(right);
}

fn join_overlapping(blocks: &mut Vec<Bounds>) {
    if blocks.len() > BLOCKS_MAX {
        let all = blocks.iter().copied().reduce(Bounds::with);
        *blocks = all.into_iter().collect();
        return;
    }
    let mut index = 0;
    while index < blocks.len() {
        let other = (index + 1..blocks.len()).find(|other| blocks[index].overlaps(&blocks[*other]));
        match other {
            Some(other) => {
                blocks[index] = blocks[index].with(blocks[other]);
                blocks.swap_remove(other);
                // The grown block may reach those that were looked at before.
                index = 0;
            }
            None => index += 1,
        }
    }
    blocks.sort_by_key(|block| (block.top, block.left));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(rows: &[&str]) -> Vec<Place> {
        let mut places = Vec::new();
        for (row, line) in (0..).zip(rows) {
            for (column, character) in (0..).zip(line.chars()) {
                if character != '.' {
                    places.push(Place { row, column, text: u32::from(character) });
                }
            }
        }
        places
    }

    #[track_caller]
    fn check(rows: &[&str], expected: &[(u32, u32, usize)]) {
        let found = regions(&mut places(rows), 0);
        let shown: Vec<_> = found.iter().map(|region| (region.left, region.right, region.cells.len())).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn cells_that_touch_are_a_table() {
        check(&["ab.x", "cd..", "....", "ef.."], &[(0, 1, 4), (3, 3, 1), (0, 1, 2)]);
        check(&["abc", "d..", "f.e"], &[(0, 2, 6)]);
        check(&["ab", ".b"], &[(0, 1, 3)]);
        check(&[""], &[]);
    }

    proptest! {
        #[test]
        fn no_cell_is_lost(rows in prop::collection::vec("[.a]{0,8}", 0..8)) {
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            let mut all = places(&rows);
            let count = all.len();
            let found = regions(&mut all, 0);
            prop_assert_eq!(found.iter().map(|region| region.cells.len()).sum::<usize>(), count);
        }
    }
}
