//! Which examples stand before each document, drawn as lm-eval draws them.

use super::config::Sampler;
use super::random::PythonRandom;

/// The pool that examples come from, as digests so that equal rows are told.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    /// Digest of each row.
    pub(super) rows: &'a [[u8; 32]],
    /// How rows are chosen.
    pub(super) sampler: Sampler,
}

/// Draws the examples of every document in order. `documents` holds the digest of each document where it must not be its
/// own example; `None` where it may, since the examples come from another split. `None` comes back where the pool is too
/// small.
///
/// The generator goes on from document to document, so that the examples of one depend on those before it.
pub(super) fn draw(
    pool: &Pool<'_>,
    count: usize,
    seed: i64,
    documents: impl Iterator<Item = Option<[u8; 32]>>,
) -> Option<Vec<Vec<u32>>> {
    let mut random = PythonRandom::new(seed);
    let draw = |document| match pool.sampler {
        Sampler::FirstN => first(pool, count, document),
        Sampler::Default => sampled(pool, count, document, &mut random),
    };
    documents.map(draw).collect()
}

fn first(pool: &Pool<'_>, count: usize, document: Option<[u8; 32]>) -> Option<Vec<u32>> {
    let others = (0..pool.rows.len()).filter(|&row| Some(pool.rows[row]) != document).take(count);
    complete(others.collect(), count)
}

/// One more than needed is drawn where the document itself may be among them.
fn sampled(pool: &Pool<'_>, count: usize, document: Option<[u8; 32]>, random: &mut PythonRandom) -> Option<Vec<u32>> {
    let wanted = count + usize::from(document.is_some());
    if wanted > pool.rows.len() {
        return None;
    }
    let is_other = |row: &usize| Some(pool.rows[*row]) != document;
    let drawn: Vec<usize> = random.sample(pool.rows.len(), wanted).into_iter().filter(is_other).take(count).collect();
    if drawn.len() == count {
        return complete(drawn, count);
    }
    let others: Vec<usize> = (0..pool.rows.len()).filter(is_other).collect();
    complete(random.sample(others.len(), count).into_iter().map(|place| others[place]).collect(), count)
}

fn complete(rows: Vec<usize>, count: usize) -> Option<Vec<u32>> {
    let rows: Vec<u32> = rows.into_iter().filter_map(|row| u32::try_from(row).ok()).collect();
    (rows.len() == count).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(rows: &[u8]) -> Vec<[u8; 32]> {
        rows.iter().map(|&row| [row; 32]).collect()
    }

    // Vectors: `ContextSampler` and `FirstNSampler` of lm-eval 0.4.13 with `Random(1234)`, CPython 3.11.7, on pools of
    // the letters given: rows come back by their place.
    #[test]
    fn examples_are_lm_evals() {
        let check = |rows: &[u8], sampler, documents: &[Option<u8>], expected: &[&[u32]]| {
            let rows = digests(rows);
            let documents = documents.iter().map(|document| document.map(|document| [document; 32]));
            let drawn = draw(&Pool { rows: &rows, sampler }, 2, 1234, documents).unwrap();
            assert_eq!(drawn, expected);
        };
        let ten: Vec<u8> = (0..10).collect();
        check(&ten, Sampler::Default, &[None, None, None], &[&[7, 1], &[0, 1], &[9, 0]]);
        check(&ten, Sampler::Default, &[Some(7), Some(1), Some(2)], &[&[1, 0], &[0, 9], &[1, 5]]);
        check(&[5, 5, 1, 2], Sampler::Default, &[Some(5)], &[&[3, 2]]);
        check(&ten, Sampler::FirstN, &[Some(0), None], &[&[1, 2], &[0, 1]]);
    }

    #[test]
    fn a_pool_that_is_too_small_is_told() {
        let rows = digests(&[1, 2]);
        let pool = Pool { rows: &rows, sampler: Sampler::Default };
        assert!(draw(&pool, 2, 1, [Some([1; 32])].into_iter()).is_none());
        assert!(draw(&pool, 2, 1, [None].into_iter()).is_some());
        assert!(draw(&pool, 3, 1, [None].into_iter()).is_none());
    }
}
