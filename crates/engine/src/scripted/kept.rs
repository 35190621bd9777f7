//! Memory that is kept after each request, so that a search for leaks has a truth to find.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Script;

/// Leaked bytes are written one after the other into segments of this size, so that memory grows by what leaks and not by
/// the allocator's share of each small block.
const SEGMENT: usize = 64 << 10;

/// What a segment takes beside the bytes written: the allocator's header and its place in the list. It is part of the leak.
const BOOKKEEPING: usize = 16 + size_of::<Vec<u8>>();

/// Sizes of the blocks of a hoard: small and large ones, so that the heap fragments, and all below the size from which
/// allocators hand memory back at once.
const BLOCKS: [usize; 8] = [300, 1_200, 5_000, 9_000, 17_000, 33_000, 49_000, 65_000];

/// What a scripted engine or server keeps beyond its requests; it is given back with the engine.
#[derive(Debug, Default)]
pub struct Kept {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    leaked: Vec<Vec<u8>>,
    /// Bytes to leak that no segment holds yet.
    owed: usize,
    hoard: VecDeque<Vec<u8>>,
    hoarded: u64,
    /// State of the generator of block sizes.
    state: u32,
}

impl Kept {
    /// Keeps what one request leaves by the script: the leak for ever, blocks of the hoard until it is full and they are the
    /// oldest.
    pub fn request(&self, script: &Script) {
        if script.leak.is_none() && script.hoard.is_none() {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = script.leak {
            held.leak(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        if let Some(most) = script.hoard {
            held.hoard(most);
        }
    }

    /// Bytes leaked, bookkeeping included, and bytes hoarded until now.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        (held.leaked.iter().map(|segment| (segment.len() + BOOKKEEPING) as u64).sum(), held.hoarded)
    }
}

impl Held {
    fn leak(&mut self, bytes: usize) {
        self.owed += bytes;
        while self.owed > 0 {
            let has_room = self.leaked.last().is_some_and(|segment| segment.len() < segment.capacity());
            if !has_room {
                if self.owed <= BOOKKEEPING {
                    return;
                }
                self.leaked.push(Vec::with_capacity(SEGMENT - BOOKKEEPING));
                self.owed -= BOOKKEEPING;
            }
            let Some(segment) = self.leaked.last_mut() else { return };
            let part = self.owed.min(segment.capacity() - segment.len());
            // Written, and not with zeros, so that no kernel can give a page that is not there.
            segment.resize(segment.len() + part, 1);
            self.owed -= part;
        }
    }

    fn hoard(&mut self, most: u64) {
        // Numerical Recipes' generator: the sizes only have to mix.
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = BLOCKS[(self.state >> 29) as usize];
        self.hoard.push_back(vec![1; size]);
        self.hoarded += size as u64;
        while self.hoarded > most {
            let Some(oldest) = self.hoard.pop_front() else { return };
            self.hoarded -= oldest.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(script: &str, requests: u32) -> (u64, u64) {
        let (kept, script) = (Kept::default(), script.parse().unwrap());
        for _ in 0..requests {
            kept.request(&script);
        }
        kept.bytes()
    }

    #[test]
    fn a_leak_is_what_the_script_says() {
        let check = |script: &str, requests, expected| assert_eq!(after(script, requests).0, expected, "{script}");
        check("leak=512B", 1_000, 512_000);
        check("leak=1MiB", 3, 3 << 20);
        check("leak=7B", 20_000, 140_000);
        check("leak=0B", 10, 0);
        check("ttft=1ms", 10, 0);
    }

    #[test]
    fn a_hoard_fills_up_to_its_cap() {
        let (cap, largest) = (1_u64 << 20, *BLOCKS.last().unwrap() as u64);
        assert!(after("hoard=1MiB", 10).1 < cap / 2);
        for requests in [200, 201, 1_000] {
            let (leaked, hoarded) = after("hoard=1MiB", requests);
            assert!(leaked == 0 && hoarded <= cap && hoarded + largest > cap, "{requests}: {hoarded}");
        }
        assert_eq!(after("hoard=100B", 10).1, 0);
    }
}
