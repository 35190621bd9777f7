//! State for each load point, found fast: rows of one point come in long runs.

use std::collections::BTreeMap;

use weighbridge_types::metric::Cell;

/// A value for each cell.
#[derive(Clone, Debug)]
pub(super) struct Cells<T> {
    entries: Vec<(Cell, T)>,
    numbers: BTreeMap<Cell, usize>,
    last: usize,
}

impl<T> Default for Cells<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), numbers: BTreeMap::new(), last: 0 }
    }
}

impl<T> Cells<T> {
    /// The value of a cell; `make` makes it at the first call.
    pub(super) fn entry(&mut self, cell: &Cell, make: impl FnOnce() -> T) -> &mut T {
        let number = match self.find(cell) {
            Some(number) => number,
            None => {
                self.numbers.insert(cell.clone(), self.entries.len());
                self.entries.push((cell.clone(), make()));
                self.entries.len() - 1
            }
        };
        self.last = number;
        &mut self.entries[number].1
    }

    /// The value of a cell that is known.
    pub(super) fn get_mut(&mut self, cell: &Cell) -> Option<&mut T> {
        let number = self.find(cell)?;
        self.last = number;
        Some(&mut self.entries[number].1)
    }

    fn find(&self, cell: &Cell) -> Option<usize> {
        let is_last = self.entries.get(self.last).is_some_and(|(last, _)| last == cell);
        if is_last { Some(self.last) } else { self.numbers.get(cell).copied() }
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// Cells and values, in the order of cells.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Cell, &T)> {
        self.numbers.iter().map(|(cell, &number)| (cell, &self.entries[number].1))
    }

    /// Cells and values, in the order of cells.
    pub(super) fn into_sorted(self) -> Vec<(Cell, T)> {
        let mut entries = self.entries;
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries
    }
}
