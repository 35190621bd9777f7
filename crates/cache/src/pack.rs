//! Compression of values.

use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

/// Shortest value that is worth an attempt.
const SHORTEST: usize = 64;
/// 4 KiB of text are packed in some 15 µs, so that compression does not decide how fast answers are kept.
const LEVEL: i32 = 1;

thread_local! {
    // Making one costs as much as packing a value, and a pool would need a lock.
    static PACK: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACK: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The value in fewer bytes, or `None` where it would not be smaller.
pub(crate) fn pack(value: &[u8]) -> Option<Vec<u8>> {
    if value.len() < SHORTEST {
        return None;
    }
    let packed = PACK.with_borrow_mut(|kept| {
        let mut packer = kept.take().map_or_else(|| Compressor::new(LEVEL), Ok).ok()?;
        let packed = packer.compress(value).ok();
        *kept = Some(packer);
        packed
    })?;
    (packed.len() < value.len()).then_some(packed)
}

/// What was packed, which had `length` bytes.
pub(crate) fn unpack(packed: &[u8], length: usize) -> io::Result<Vec<u8>> {
    let value = UNPACK.with_borrow_mut(|kept| {
        let mut unpacker = kept.take().map_or_else(Decompressor::new, Ok)?;
        let value = unpacker.decompress(packed, length)?;
        *kept = Some(unpacker);
        io::Result::Ok(value)
    })?;
    if value.len() == length { Ok(value) } else { Err(io::ErrorKind::InvalidData.into()) }
}
