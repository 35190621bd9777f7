//! Running the cells of a study: so many at once, each alone with its failure.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::Cell;

/// How an attempt at a cell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// Every document has its last word.
    Complete,
    /// The process ran out of its memory; what it had answered is kept.
    OutOfMemory,
    /// It cannot be done.
    Failed(String),
    /// The user gave up.
    Interrupted,
}

/// What became of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CellEnd {
    /// Every document has its last word.
    Complete,
    /// It takes more memory than it may, even with one document in flight.
    MemoryLimit,
    /// It cannot be done; why.
    Failed(String),
    /// Not done, since the user gave up.
    Pending,
}

/// Makes attempts at cells. An attempt goes on where the last one ended.
pub trait CellRunner: Sync {
    /// Runs or resumes a cell with so many documents in flight.
    fn attempt(&self, cell: Cell, concurrency: usize) -> Attempt;
    /// Hears that a cell has ended.
    fn ended(&self, cell: Cell, end: &CellEnd);
}

/// Runs cells, `at_once` of them at a time, in their order. The ends are in the order of the cells.
///
/// A cell that runs out of memory is resumed with half the documents in flight, down to one: no answer is lost, and none is
/// asked for twice. One that fails stops no other.
pub fn run_cells(cells: &[Cell], at_once: usize, concurrency: usize, runner: &dyn CellRunner) -> Vec<CellEnd> {
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..cells.len()).collect());
    let ends = Mutex::new(vec![CellEnd::Pending; cells.len()]);
    let work = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(place) = next else { return };
            let end = run_cell(cells[place], concurrency, runner);
            if end == CellEnd::Pending {
                queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
            runner.ended(cells[place], &end);
            ends.lock().unwrap_or_else(PoisonError::into_inner)[place] = end;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(cells.len()).max(1) {
            scope.spawn(work);
        }
    });
    ends.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn run_cell(cell: Cell, concurrency: usize, runner: &dyn CellRunner) -> CellEnd {
    let mut concurrency = concurrency.max(1);
    loop {
        match runner.attempt(cell, concurrency) {
            Attempt::Complete => return CellEnd::Complete,
            Attempt::Failed(reason) => return CellEnd::Failed(reason),
            Attempt::Interrupted => return CellEnd::Pending,
            Attempt::OutOfMemory if concurrency == 1 => return CellEnd::MemoryLimit,
            Attempt::OutOfMemory => concurrency /= 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Answers samples in batches; a batch beyond `fits` runs out of memory half way.
    struct Fake {
        fits: BTreeMap<usize, usize>,
        answered: Mutex<BTreeMap<usize, Vec<usize>>>,
        tried: Mutex<Vec<(usize, usize)>>,
        at_once: Mutex<(usize, usize)>,
    }

    const SAMPLES: usize = 100;

    impl Fake {
        fn new(fits: &[(usize, usize)]) -> Self {
            Self {
                fits: fits.iter().copied().collect(),
                answered: Mutex::default(),
                tried: Mutex::default(),
                at_once: Mutex::default(),
            }
        }
    }

    impl CellRunner for Fake {
        fn attempt(&self, cell: Cell, concurrency: usize) -> Attempt {
            {
                let mut at_once = self.at_once.lock().unwrap();
                at_once.0 += 1;
                at_once.1 = at_once.1.max(at_once.0);
            }
            self.tried.lock().unwrap().push((cell.model, concurrency));
            let fits = self.fits[&cell.model];
            let mut answered = self.answered.lock().unwrap();
            let own = answered.entry(cell.model).or_default();
            let end = loop {
                if own.len() == SAMPLES {
                    break Attempt::Complete;
                }
                if concurrency > fits && own.len() >= SAMPLES / 2 {
                    break Attempt::OutOfMemory;
                }
                own.push(own.len());
            };
            self.at_once.lock().unwrap().0 -= 1;
            end
        }

        fn ended(&self, _: Cell, _: &CellEnd) {}
    }

    fn cells(count: usize) -> Vec<Cell> {
        (0..count).map(|model| Cell { model, task: 0, again: false }).collect()
    }

    #[test]
    fn halving_loses_no_sample_and_one_cell_over_its_memory_fails_alone() {
        let fake = Fake::new(&[(0, 10), (1, 0), (2, 64)]);
        let ends = run_cells(&cells(3), 1, 64, &fake);
        assert_eq!(ends, [CellEnd::Complete, CellEnd::MemoryLimit, CellEnd::Complete]);
        let answered = fake.answered.into_inner().unwrap();
        assert_eq!(answered[&0], (0..SAMPLES).collect::<Vec<_>>());
        assert_eq!(answered[&2].len(), SAMPLES);
        let tried = fake.tried.into_inner().unwrap();
        let of = |model| tried.iter().filter(|found| found.0 == model).map(|found| found.1).collect::<Vec<_>>();
        assert_eq!((of(0), of(1), of(2)), (vec![64, 32, 16, 8], vec![64, 32, 16, 8, 4, 2, 1], vec![64]));
    }

    #[test]
    fn no_more_cells_run_at_once_than_may() {
        let fake = Fake::new(&(0..20).map(|model| (model, 8)).collect::<Vec<_>>());
        let ends = run_cells(&cells(20), 3, 8, &fake);
        assert!(ends.iter().all(|end| *end == CellEnd::Complete));
        assert!(fake.at_once.into_inner().unwrap().1 <= 3);
        assert!(run_cells(&[], 3, 8, &Fake::new(&[])).is_empty());
    }

    #[test]
    fn what_fails_stops_nothing_and_giving_up_stops_all() {
        struct Ends;
        impl CellRunner for Ends {
            fn attempt(&self, cell: Cell, _: usize) -> Attempt {
                match cell.model {
                    0 => Attempt::Failed("no such task".to_owned()),
                    2 => Attempt::Interrupted,
                    _ => Attempt::Complete,
                }
            }
            fn ended(&self, _: Cell, _: &CellEnd) {}
        }
        let ends = run_cells(&cells(4), 1, 8, &Ends);
        let failed = CellEnd::Failed("no such task".to_owned());
        assert_eq!(ends, [failed, CellEnd::Complete, CellEnd::Pending, CellEnd::Pending]);
    }
}
