//! Work on the rows of a large matrix on all cores, with the results in order.

use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

use crate::error::Result;

/// Values that one piece of work holds: 4 MiB as floats, so that memory stays small while a thread's
/// start is paid for a thousand times over.
const CHUNK_VALUES: usize = 1 << 20;

/// Calls `work` on ranges of rows, on as many threads as there are cores, and `sink` on the results in
/// the order of the rows. The ranges depend on the shape alone, so results do not depend on the machine.
///
/// # Errors
/// The first error of `sink`; the rest is not worked on.
pub(crate) fn in_order<T: Send>(
    rows: usize,
    columns: usize,
    work: impl Fn(Range<usize>) -> T + Sync,
    mut sink: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let step = (CHUNK_VALUES / columns.max(1)).max(1);
    let ranges: Vec<_> = (0..rows).step_by(step).map(|start| start..rows.min(start + step)).collect();
    if let [range] = ranges.as_slice() {
        return sink(work(range.clone()));
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for wave in ranges.chunks(cores) {
        let results: Vec<T> = thread::scope(|scope| {
            let handles: Vec<_> = wave.iter().map(|range| scope.spawn(|| work(range.clone()))).collect();
            handles.into_iter().map(|handle| handle.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        results.into_iter().try_for_each(&mut sink)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_arrive_once_and_in_order() {
        for (rows, columns) in [(0, 8), (1, 8), (7, CHUNK_VALUES / 2), (5, CHUNK_VALUES * 2)] {
            let mut seen = Vec::new();
            in_order(
                rows,
                columns,
                |range| range,
                |range| {
                    seen.extend(range);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(seen, (0..rows).collect::<Vec<_>>(), "{rows} x {columns}");
        }
    }
}
