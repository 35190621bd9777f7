//! Attention of queries over the keys and values of their sequences.
//!
//! Queries that see the same keys go through them together, so that what is loaded serves several products. Whatever the
//! number of queries, each is computed by the same operations in the same order.

use std::cell::RefCell;

use super::isa::Isa;
use super::matmul::Compute;
use crate::graph::BLOCK_TOKENS;
use weighbridge_engine::logits::exp;

/// Queries that are multiplied together.
const TOGETHER: usize = 4;

/// Columns that are summed in registers at a time; fewer at the end of a row.
const SPAN: usize = 16;

/// The same for one query alone, whose sums would wait for each other otherwise.
const LONG_SPAN: usize = 64;

/// Queries that go through a block of keys and values while it lies in the nearest cache.
const QUERIES: usize = 32;

/// Keys `[dims, BLOCK_TOKENS]` and values `[BLOCK_TOKENS, dims]` of one head for a block of positions.
pub type Run<'a> = (&'a [f32], &'a [f32]);

/// What the rows of a pass attend to.
pub trait Sequences: Sync {
    /// Number of the sequence of a row, and the number of positions that the row sees.
    fn row(&self, row: usize) -> (usize, usize);
    /// The blocks of one head of a sequence that hold its first `positions` positions.
    fn runs(&self, sequence: usize, kv_head: usize, positions: usize) -> impl Iterator<Item = Run<'_>>;
}

/// Heads of queries, of keys and values, and the length of each.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// Heads of queries.
    pub queries: usize,
    /// Heads of keys and values; each serves as many heads of queries.
    pub keys: usize,
    /// Values of a head.
    pub dims: usize,
}

impl Compute {
    /// For each row and head of `query` `[rows, heads, dims]` sums values weighted by `softmax(query · keys / sqrt(dims))`
    /// into `out`, of the same shape. Rows of one sequence lie one after the other.
    ///
    /// One pass with a running maximum, so that no buffer grows with the context. Source: M. Milakov and N. Gimelshein,
    /// "Online normalizer calculation for softmax" (2018).
    pub fn attend(&mut self, heads: Heads, query: &[f32], sequences: &impl Sequences, out: &mut [f32]) {
        let Heads { queries, keys, dims } = heads;
        let (width, group) = (queries * dims, queries / keys);
        let rows = out.len() / width;
        let products: usize = (0..rows).map(|row| 2 * sequences.row(row).1 * width).sum();
        let tile = ((QUERIES / group).max(1), group * dims);
        let isa = self.isa;
        self.for_tiles_of(out, width, tile, products, |mut part| {
            let kv_head = part.range.start / (group * dims);
            let mut first = part.rows.start;
            while first < part.rows.end {
                let sequence = sequences.row(first).0;
                let end = (first..part.rows.end).find(|&row| sequences.row(row).0 != sequence).unwrap_or(part.rows.end);
                let seen = sequences.row(end - 1).1;
                // More heads than a tile has room for go through the keys one handful after the other.
                for start in (0..group).step_by(QUERIES) {
                    let count = (group - start).min(QUERIES);
                    let unit = |number: usize| (first + number / count, start + number % count);
                    let runs = sequences.runs(sequence, kv_head, seen);
                    SCRATCH.with_borrow_mut(|scratch| {
                        scratch.gather((end - first) * count, dims, |number| {
                            let (row, head) = unit(number);
                            let place = row * width + (kv_head * group + head) * dims;
                            (&query[place..place + dims], sequences.row(row).1)
                        });
                        isa.vectorize(
                            #[inline(always)]
                            || scratch.attend(isa, dims, runs),
                        );
                        scratch.put(dims, |number, sums| {
                            let (row, head) = unit(number);
                            part.row_mut(row)[head * dims..][..dims].copy_from_slice(sums);
                        });
                    });
                }
                first = end;
            }
        });
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Queries that go through keys and values together.
#[derive(Debug, Default)]
struct Scratch {
    /// `[queries, dims]`
    queries: Vec<f32>,
    /// `[queries, dims]`
    sums: Vec<f32>,
    states: Vec<State>,
}

/// How far a query is.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Positions that it sees.
    seen: usize,
    largest: f32,
    total: f32,
    /// What the last block made of the sums before it.
    shrink: f32,
}

impl Scratch {
    fn gather<'a>(&mut self, count: usize, dims: usize, each: impl Fn(usize) -> (&'a [f32], usize)) {
        self.queries.clear();
        self.states.clear();
        let scale = 1.0 / (dims as f32).sqrt();
        for number in 0..count {
            let (query, seen) = each(number);
            self.queries.extend(query.iter().map(|value| value * scale));
            self.states.push(State { seen, largest: f32::NEG_INFINITY, total: 0.0, shrink: 0.0 });
        }
        self.sums.clear();
        self.sums.resize(count * dims, 0.0);
    }

    #[inline(always)]
    fn attend<'a>(&mut self, isa: Isa, dims: usize, runs: impl Iterator<Item = Run<'a>>) {
        for (number, (keys, values)) in runs.enumerate() {
            let start = number * BLOCK_TOKENS;
            let mut from = 0;
            while from < self.states.len() {
                let many = self.states.len() - from >= TOGETHER;
                let to = from + if many { TOGETHER } else { 1 };
                let (states, sums) = (&mut self.states[from..to], &mut self.sums[from * dims..to * dims]);
                let queries = &self.queries[from * dims..to * dims];
                match (isa, many) {
                    (Isa::Portable, _) => {
                        for (place, state) in states.iter_mut().enumerate() {
                            let own = place * dims..(place + 1) * dims;
                            block::<1, false>(
                                start,
                                (&queries[own.clone()], dims),
                                (keys, values),
                                state_of(state),
                                &mut sums[own],
                            );
                        }
                    }
                    (_, true) => {
                        let states = states.as_mut_array::<TOGETHER>().expect("so many were split off");
                        block::<TOGETHER, true>(start, (queries, dims), (keys, values), states, sums);
                    }
                    (_, false) => {
                        block::<1, true>(start, (queries, dims), (keys, values), state_of(&mut states[0]), sums)
                    }
                }
                from = to;
            }
        }
    }

    fn put(&mut self, dims: usize, mut put: impl FnMut(usize, &[f32])) {
        for (number, (sums, state)) in self.sums.chunks_exact_mut(dims).zip(&self.states).enumerate() {
            sums.iter_mut().for_each(|sum| *sum /= state.total);
            put(number, sums);
        }
    }
}

fn state_of(state: &mut State) -> &mut [State; 1] {
    std::array::from_mut(state)
}

/// One block of positions from `start` on, for `Q` queries. `FUSED` where the machine multiplies and adds at once.
#[inline(always)]
fn block<const Q: usize, const FUSED: bool>(
    start: usize,
    (queries, dims): (&[f32], usize),
    (keys, values): Run<'_>,
    states: &mut [State; Q],
    sums: &mut [f32],
) {
    let most = states.iter().map(|state| state.seen.saturating_sub(start).min(BLOCK_TOKENS)).max().unwrap_or(0);
    if most == 0 {
        return;
    }
    let mut weights = [[0.0; BLOCK_TOKENS]; Q];
    let scored = most.next_multiple_of(SPAN);
    products::<Q, FUSED>((queries, dims), (keys, BLOCK_TOKENS), (dims, scored), weights.as_flattened_mut());
    for (weights, state) in weights.iter_mut().zip(&mut *states) {
        let seen = state.seen.saturating_sub(start).min(BLOCK_TOKENS);
        weights[seen..].fill(f32::NEG_INFINITY);
        if seen == 0 {
            // Another query of the tile sees this block, this one does not: it keeps what it has.
            weights.fill(0.0);
            state.shrink = 1.0;
            continue;
        }
        let largest = weights.iter().fold(state.largest, |a, &b| if b > a { b } else { a });
        state.shrink = exp(state.largest - largest);
        let mut lanes = [0.0; 8];
        for eight in weights.as_chunks_mut::<8>().0 {
            for (lane, weight) in lanes.iter_mut().zip(eight) {
                *weight = exp(*weight - largest);
                *lane += *weight;
            }
        }
        state.total = state.total * state.shrink + lanes.iter().sum::<f32>();
        state.largest = largest;
    }
    for (sums, state) in sums.chunks_exact_mut(dims).zip(&*states) {
        sums.iter_mut().for_each(|sum| *sum *= state.shrink);
    }
    products::<Q, FUSED>((weights.as_flattened(), BLOCK_TOKENS), (values, dims), (most, dims), sums);
}

/// `out[q] += Σ a[q][i] · b[i]` over the first `count` rows and `columns` columns of `b`: `a` has `Q` rows and `b` any, of the
/// given lengths.
#[inline(always)]
fn products<const Q: usize, const FUSED: bool>(
    (a, a_width): (&[f32], usize),
    (b, b_width): (&[f32], usize),
    (count, columns): (usize, usize),
    out: &mut [f32],
) {
    let mut column = 0;
    while column < columns {
        column += match columns - column {
            LONG_SPAN.. if Q == 1 => span::<Q, LONG_SPAN, FUSED>((a, a_width), (b, b_width), (count, column), out),
            SPAN.. => span::<Q, SPAN, FUSED>((a, a_width), (b, b_width), (count, column), out),
            4.. => span::<Q, 4, FUSED>((a, a_width), (b, b_width), (count, column), out),
            _ => span::<Q, 1, FUSED>((a, a_width), (b, b_width), (count, column), out),
        };
    }
}

#[inline(always)]
fn span<const Q: usize, const COLUMNS: usize, const FUSED: bool>(
    (a, a_width): (&[f32], usize),
    (b, b_width): (&[f32], usize),
    (count, column): (usize, usize),
    out: &mut [f32],
) -> usize {
    let mut sums = [[0.0; COLUMNS]; Q];
    for (q, sums) in sums.iter_mut().enumerate() {
        sums.copy_from_slice(&out[q * b_width + column..][..COLUMNS]);
    }
    let rows = b[..count * b_width].chunks_exact(b_width);
    let a: [&[f32]; Q] = std::array::from_fn(|q| &a[q * a_width..][..count]);
    for (i, row) in rows.enumerate() {
        let row = &row[column..column + COLUMNS];
        for (sums, a) in sums.iter_mut().zip(a) {
            let factor = a[i];
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum = if FUSED { factor.mul_add(*value, *sum) } else { *sum + factor * value };
            }
        }
    }
    for (q, sums) in sums.iter().enumerate() {
        out[q * b_width + column..][..COLUMNS].copy_from_slice(sums);
    }
    COLUMNS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values in -1 to 1 without a pattern.
    fn noise(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    /// Sequences of so many rows, which see so many positions at last.
    struct Made {
        dims: usize,
        kv_heads: usize,
        rows: Vec<(usize, usize)>,
        /// Of each sequence and head: blocks of keys and values.
        blocks: Vec<Vec<(Vec<f32>, Vec<f32>)>>,
    }

    impl Made {
        fn new(dims: usize, kv_heads: usize, sequences: &[(usize, usize)]) -> Self {
            let mut rows = Vec::new();
            let mut blocks = Vec::new();
            for (number, &(count, seen)) in sequences.iter().enumerate() {
                rows.extend((0..count).map(|row| (number, seen - count + 1 + row)));
                for head in 0..kv_heads {
                    let seed = 10 * number + 1000 * head;
                    let made = |block: usize| {
                        let made = |seed| noise(dims * BLOCK_TOKENS, seed + 2 * block);
                        (made(seed), made(seed + 1))
                    };
                    blocks.push((0..seen.div_ceil(BLOCK_TOKENS)).map(made).collect());
                }
            }
            Self { dims, kv_heads, rows, blocks }
        }

        fn key(&self, sequence: usize, head: usize, position: usize, d: usize) -> f32 {
            let block = &self.blocks[sequence * self.kv_heads + head][position / BLOCK_TOKENS];
            block.0[d * BLOCK_TOKENS + position % BLOCK_TOKENS]
        }

        fn value(&self, sequence: usize, head: usize, position: usize, d: usize) -> f32 {
            let block = &self.blocks[sequence * self.kv_heads + head][position / BLOCK_TOKENS];
            block.1[position % BLOCK_TOKENS * self.dims + d]
        }
    }

    impl Sequences for Made {
        fn row(&self, row: usize) -> (usize, usize) {
            self.rows[row]
        }

        fn runs(&self, sequence: usize, kv_head: usize, positions: usize) -> impl Iterator<Item = Run<'_>> {
            let blocks = &self.blocks[sequence * self.kv_heads + kv_head][..positions.div_ceil(BLOCK_TOKENS)];
            blocks.iter().map(|(keys, values)| (&keys[..], &values[..]))
        }
    }

    fn attended(isa: Isa, threads: usize, heads: Heads, made: &Made, query: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; query.len()];
        Compute::new(isa, threads, None).unwrap().attend(heads, query, made, &mut out);
        out
    }

    fn check(heads: Heads, sequences: &[(usize, usize)]) {
        let Heads { queries, keys, dims } = heads;
        let made = Made::new(dims, keys, sequences);
        let query = noise(made.rows.len() * queries * dims, 1);
        for isa in Isa::available() {
            let found = attended(isa, 2, heads, &made, &query);
            for (unit, (query, found)) in query.chunks(dims).zip(found.chunks(dims)).enumerate() {
                let ((sequence, seen), head) = (made.rows[unit / queries], unit % queries / (queries / keys));
                let score = |position: usize| {
                    let key = |d: usize| f64::from(made.key(sequence, head, position, d));
                    let product: f64 = query.iter().enumerate().map(|(d, q)| f64::from(*q) * key(d)).sum();
                    (product / (dims as f64).sqrt()).exp()
                };
                let total: f64 = (0..seen).map(score).sum();
                for (d, found) in found.iter().enumerate() {
                    let value = |position: usize| score(position) * f64::from(made.value(sequence, head, position, d));
                    let expected = (0..seen).map(value).sum::<f64>() / total;
                    assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} for {expected}, {isa:?}");
                }
            }
            // The last row alone has the same bits as beside the others.
            let (&(sequence, seen), last) = (made.rows.last().unwrap(), query.len() - queries * dims);
            let mut alone = Made::new(dims, keys, sequences);
            alone.rows = vec![(sequence, seen)];
            assert_eq!(attended(isa, 1, heads, &alone, &query[last..]), found[last..], "{isa:?}");
        }
    }

    #[test]
    fn it_equals_the_textbook_formula() {
        check(Heads { queries: 1, keys: 1, dims: 8 }, &[(1, 1)]);
        check(Heads { queries: 2, keys: 2, dims: 20 }, &[(1, 63), (3, 65)]);
        check(Heads { queries: 14, keys: 2, dims: 64 }, &[(9, 130), (1, 64), (1, 1)]);
        check(Heads { queries: 3, keys: 1, dims: 100 }, &[(70, 200)]);
        check(Heads { queries: 40, keys: 1, dims: 16 }, &[(2, 66)]);
    }
}
