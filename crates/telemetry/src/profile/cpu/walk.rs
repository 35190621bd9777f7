//! Walks the chain of frame pointers.

/// Bytes between two frames at most; more means that the chain has left the stack.
const FARTHEST: u64 = 8 << 20;

/// Where a thread was stopped.
#[derive(Clone, Copy, Debug)]
pub(in crate::profile) struct Stopped {
    /// The instruction.
    pub(in crate::profile) at: u64,
    /// The frame pointer.
    pub(in crate::profile) frame: u64,
    /// The stack pointer.
    pub(in crate::profile) stack: u64,
}

/// Puts the instruction and then the return address of each caller. A frame holds the pointer to the frame of its caller, and
/// beside it, eight bytes higher, the return address; stacks grow down, so that the chain goes up. It ends where it does not,
/// where memory cannot be read, or where `put` says that there is no more room.
pub(in crate::profile) fn walk(
    stopped: Stopped,
    mut read: impl FnMut(u64) -> Option<u64>,
    put: &mut dyn FnMut(u64) -> bool,
) {
    if !put(stopped.at) {
        return;
    }
    let (mut lowest, mut frame) = (stopped.stack, stopped.frame);
    while frame.is_multiple_of(8) && frame >= lowest && frame - lowest <= FARTHEST {
        let Some(beside) = frame.checked_add(8) else { return };
        let (Some(caller), Some(back)) = (read(frame), read(beside)) else { return };
        if back == 0 || !put(back) {
            return;
        }
        (lowest, frame) = (beside, caller);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn walked(frames: &[(u64, [u64; 2])], stopped: Stopped) -> Vec<u64> {
        let words: HashMap<u64, u64> =
            frames.iter().flat_map(|&(at, [caller, back])| [(at, caller), (at + 8, back)]).collect();
        let mut found = Vec::new();
        walk(stopped, |at| words.get(&at).copied(), &mut |address| {
            found.push(address);
            found.len() < 10
        });
        found
    }

    const STOPPED: Stopped = Stopped { at: 1, frame: 1000, stack: 960 };

    #[test]
    fn a_chain_is_followed_to_its_end() {
        let frames = [(1000, [1040, 2]), (1040, [1200, 3]), (1200, [0, 4])];
        assert_eq!(walked(&frames, STOPPED), [1, 2, 3, 4]);
        assert_eq!(walked(&[(1000, [1040, 2]), (1040, [1200, 0])], STOPPED), [1, 2]);
    }

    #[test]
    fn what_is_no_frame_pointer_ends_the_walk() {
        let check = |caller: u64| {
            // A frame where the caller's would be, unless that is the one that is walked.
            let stray = (caller & !15, [0, 9]);
            assert_eq!(walked(&[stray, (1000, [caller, 2])], STOPPED), [1, 2], "{caller}");
        };
        // Back, to itself, odd, far away, at the end of memory.
        [976, 1000, 1041, 1000 + (9 << 20), u64::MAX].into_iter().for_each(check);
        assert_eq!(walked(&[(1000, [1300, 2])], STOPPED), [1, 2]);
        assert_eq!(walked(&[(1000, [1040, 2])], Stopped { frame: 900, ..STOPPED }), [1]);
        assert_eq!(walked(&[], Stopped { frame: u64::MAX - 7, stack: u64::MAX - 20, at: 1 }), [1]);
    }

    #[test]
    fn a_full_buffer_ends_the_walk() {
        let frames: Vec<(u64, [u64; 2])> =
            (0..50).map(|number| (1000 + 16 * number, [1016 + 16 * number, 7])).collect();
        assert_eq!(walked(&frames, STOPPED).len(), 10);
    }
}
