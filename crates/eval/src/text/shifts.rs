//! Edits with shifts of word blocks: greedy, as Tercom finds them.

/// Longest block that is shifted.
const LONGEST_SHIFT: usize = 10;
/// Farthest that a block and its match lie apart.
const FARTHEST_SHIFT: usize = 50;
/// Width of the band of the edit distance around the diagonal, to each side.
const BAND: f64 = 25.0;
/// Shifts that are tried for one text at most.
const MOST_CANDIDATES: usize = 1_000;
/// The cost of a cell outside the band.
const UNREACHED: u32 = u32::MAX / 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Same,
    Replace,
    Insert,
    Delete,
    None,
}

/// Fewest edits that make the reference of the text: inserted, deleted, replaced words, and shifted blocks.
pub(super) fn edits(text: &[u32], reference: &[u32]) -> u32 {
    if reference.is_empty() {
        return u32::try_from(text.len()).unwrap_or(u32::MAX);
    }
    let mut table = Table::new(text.len(), reference);
    let mut words = text.to_vec();
    let (mut shifts, mut candidates) = (0, 0);
    loop {
        let found = best_shift(&words, reference, &mut table, &mut candidates);
        if candidates >= MOST_CANDIDATES {
            break;
        }
        let Some(shift) = found.filter(|shift| shift.gain > 0) else { break };
        words = shift.apply(&words);
        shifts += 1;
    }
    shifts + table.distance(&words)
}

/// A block that moves.
#[derive(Debug, Clone, Copy)]
struct Shift {
    gain: i64,
    start: usize,
    length: usize,
    target: usize,
}

impl Shift {
    fn apply(&self, words: &[u32]) -> Vec<u32> {
        let Self { start, length, target, .. } = *self;
        let part = |from: usize, to: usize| &words[from.min(words.len())..to.min(words.len())];
        let block = part(start, start + length);
        let end = words.len();
        let parts = if target < start {
            [part(0, target), block, part(target, start), part(start + length, end)]
        } else if target > start + length {
            [part(0, start), part(start + length, target), block, part(target, end)]
        } else {
            [part(0, start), part(start + length, length + target), block, part(length + target, end)]
        };
        parts.concat()
    }

    /// The first position at which the shifted words differ.
    fn first(&self) -> usize {
        self.start.min(self.target)
    }

    /// Most gain first, then the longest block, the earliest one, the earliest target.
    fn rank(&self) -> (i64, usize, std::cmp::Reverse<usize>, std::cmp::Reverse<usize>) {
        (self.gain, self.length, std::cmp::Reverse(self.start), std::cmp::Reverse(self.target))
    }
}

fn best_shift(words: &[u32], reference: &[u32], table: &mut Table<'_>, candidates: &mut usize) -> Option<Shift> {
    let before = i64::from(table.distance(words));
    let alignment = table.alignment(words.len());
    let mut best: Option<Shift> = None;
    for (start, at, length) in blocks(words, reference) {
        let all_right = |wrong: &[bool], from: usize| !wrong[from..from + length].contains(&true);
        if all_right(&alignment.text_wrong, start) || all_right(&alignment.reference_wrong, at) {
            continue;
        }
        let place = alignment.places[at];
        if place >= 0 && (start..start + length).contains(&place.unsigned_abs()) {
            continue;
        }
        let mut last = None;
        for offset in 0..=length {
            let target = match (at + offset).checked_sub(1) {
                None => 0,
                Some(before) => match alignment.places.get(before) {
                    Some(place) => (place + 1).unsigned_abs(),
                    None => break,
                },
            };
            if last == Some(target) {
                continue;
            }
            last = Some(target);
            let mut shift = Shift { gain: 0, start, length, target };
            shift.gain = before - i64::from(table.trial(&shift.apply(words), shift.first()));
            *candidates += 1;
            if best.is_none_or(|best| shift.rank() > best.rank()) {
                best = Some(shift);
            }
        }
        if *candidates >= MOST_CANDIDATES {
            break;
        }
    }
    best
}

/// Blocks that stand in both, as (start in the text, start in the reference, length).
fn blocks<'w>(words: &'w [u32], reference: &'w [u32]) -> impl Iterator<Item = (usize, usize, usize)> + 'w {
    (0..words.len()).flat_map(move |start| {
        (0..reference.len()).filter(move |at| at.abs_diff(start) <= FARTHEST_SHIFT).flat_map(move |at| {
            let pairs = words[start..].iter().zip(&reference[at..]).take(LONGEST_SHIFT);
            let same = pairs.take_while(|(a, b)| a == b).count();
            (1..=same).map(move |length| (start, at, length))
        })
    })
}

/// Where each word of the reference lies in the text, and which words of both are wrong.
#[derive(Debug, Default)]
struct Alignment {
    places: Vec<isize>,
    text_wrong: Vec<bool>,
    reference_wrong: Vec<bool>,
}

/// Rows of the edit distance: one for each word of the text, and one before.
struct Table<'r> {
    reference: &'r [u32],
    /// `[text, reference]`: costs and the last step to them, of the current words.
    cells: Vec<(u32, Step)>,
    /// The same for a trial, whose rows before its first change are not touched.
    trial: Vec<u32>,
    length: usize,
}

impl<'r> Table<'r> {
    fn new(length: usize, reference: &'r [u32]) -> Self {
        let width = reference.len() + 1;
        let mut cells = vec![(UNREACHED, Step::None); (length + 1) * width];
        for (cost, cell) in (0..).zip(&mut cells[..width]) {
            *cell = (cost, Step::Insert);
        }
        let trial = vec![UNREACHED; cells.len()];
        Self { reference, cells, trial, length }
    }

    /// The columns of a row that lie in the band.
    fn band(&self, row: usize) -> (usize, usize) {
        let width = self.reference.len() + 1;
        let ratio = self.reference.len() as f64 / self.length as f64;
        let half = if BAND < ratio / 2.0 { (ratio / 2.0 + BAND).ceil() } else { BAND };
        let diagonal = (row as f64 * ratio).floor();
        let low = to_index((diagonal - half).max(0.0));
        let high = if row == self.length { width } else { width.min(to_index(diagonal + half)) };
        (low, high)
    }

    /// The distance of the words, without shifts.
    fn distance(&mut self, words: &[u32]) -> u32 {
        let width = self.reference.len() + 1;
        for (row, word) in (1..).zip(words) {
            let (low, high) = self.band(row);
            let (above, current) = self.cells.split_at_mut(row * width);
            let above = &above[(row - 1) * width..];
            let current = &mut current[..width];
            current.fill((UNREACHED, Step::None));
            for column in low..high {
                current[column] = if column == 0 {
                    (above[0].0 + 1, Step::Delete)
                } else {
                    let same = *word == self.reference[column - 1];
                    let step = if same { Step::Same } else { Step::Replace };
                    let mut cell = (above[column - 1].0 + u32::from(!same), step);
                    for other in [(above[column].0 + 1, Step::Delete), (current[column - 1].0 + 1, Step::Insert)] {
                        if other.0 < cell.0 {
                            cell = other;
                        }
                    }
                    cell
                };
            }
        }
        for (cost, cell) in self.trial.iter_mut().zip(&self.cells) {
            *cost = cell.0;
        }
        self.cells[self.cells.len() - 1].0
    }

    /// The distance of other words, which equal the current ones before `first`.
    fn trial(&mut self, words: &[u32], first: usize) -> u32 {
        let width = self.reference.len() + 1;
        // The rows before are those of the current words.
        let above: Vec<u32> = self.cells[first * width..(first + 1) * width].iter().map(|cell| cell.0).collect();
        self.trial[first * width..(first + 1) * width].copy_from_slice(&above);
        for (row, word) in (first + 1..).zip(&words[first..]) {
            let (low, high) = self.band(row);
            let (above, current) = self.trial.split_at_mut(row * width);
            let above = &above[(row - 1) * width..];
            let current = &mut current[..width];
            current.fill(UNREACHED);
            let mut left = UNREACHED;
            for column in low..high {
                let cost = match column.checked_sub(1) {
                    None => above[0] + 1,
                    Some(before) => {
                        let replaced = above[before] + u32::from(*word != self.reference[before]);
                        replaced.min(above[column] + 1).min(left + 1)
                    }
                };
                current[column] = cost;
                left = cost;
            }
        }
        self.trial[self.trial.len() - 1]
    }

    /// How the words of the last [`Table::distance`] lie beside the reference.
    fn alignment(&self, length: usize) -> Alignment {
        let width = self.reference.len() + 1;
        let (mut row, mut column) = (length, self.reference.len());
        let mut steps = Vec::with_capacity(row + column);
        while row > 0 || column > 0 {
            let step = self.cells[row * width + column].1;
            steps.push(step);
            match step {
                Step::Same | Step::Replace => (row, column) = (row - 1, column - 1),
                Step::Insert => column -= 1,
                Step::Delete => row -= 1,
                // Every reached cell has a step.
                Step::None => break,
            }
        }
        let mut alignment = Alignment::default();
        let mut place = -1;
        for step in steps.into_iter().rev() {
            let is_wrong = step != Step::Same;
            if step != Step::Insert {
                place += 1;
                alignment.text_wrong.push(is_wrong);
            }
            if step != Step::Delete {
                alignment.places.push(place);
                alignment.reference_wrong.push(is_wrong);
            }
        }
        alignment
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and below the number of words"
)]
fn to_index(x: f64) -> usize {
    x as usize
}
