//! Bytes that many tensors share: a mapped file, the program's own image, or the heap.
#![expect(unsafe_code, reason = "mapping a file is unsafe: another process may change it under us")]

use std::fmt;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use crate::error::{ModelError, Result};
use crate::quant::BlockType;

/// A cheap handle to a range of shared bytes.
#[derive(Clone)]
pub struct Bytes {
    storage: Storage,
    range: Range<usize>,
}

#[derive(Clone)]
enum Storage {
    Mapped(Arc<Mmap>),
    Static(&'static [u8]),
    /// Words, so that any number format is aligned.
    Heap(Arc<[u64]>),
}

impl Bytes {
    /// Maps a file read-only. Nothing is read until it is touched.
    ///
    /// # Errors
    /// [`ModelError::Io`].
    pub fn map(path: &Path) -> Result<Self> {
        let io = |source| ModelError::Io { action: "map", path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        if !file.metadata().map_err(io)?.is_file() {
            return Err(ModelError::UnknownFormat { path: path.to_owned(), reason: "not a regular file".into() });
        }
        // SAFETY: the map is private and read-only. If another process rewrites the file meanwhile, values
        // change or the kernel sends SIGBUS, as for every program that maps its weights; all bounds were
        // taken from the map's length, and no bit pattern is invalid for the number types read from it.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let range = 0..map.len();
        Ok(Self { storage: Storage::Mapped(Arc::new(map)), range })
    }

    /// Bytes that are part of the program, such as the embedded model.
    pub fn from_static(bytes: &'static [u8]) -> Self {
        Self { storage: Storage::Static(bytes), range: 0..bytes.len() }
    }

    /// Copies bytes to aligned heap memory.
    pub fn copy_from(bytes: &[u8]) -> Self {
        let mut words = vec![0_u64; bytes.len().div_ceil(size_of::<u64>())];
        bytemuck::cast_slice_mut::<u64, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Self { storage: Storage::Heap(words.into()), range: 0..bytes.len() }
    }

    /// A part of these bytes that shares their memory; `None` beyond the end.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        self.get(range.clone())?;
        let start = self.range.start;
        Some(Self { storage: self.storage.clone(), range: start + range.start..start + range.end })
    }

    /// True for a mapped file or the program's image.
    pub fn is_mapped(&self) -> bool {
        !matches!(self.storage, Storage::Heap(_))
    }

    /// The same bytes, copied only where the first one is not aligned for the values of this type.
    pub(crate) fn aligned(self, block_type: BlockType) -> Self {
        let alignment = if block_type == BlockType::F32 { 4 } else { 2 };
        if self.as_ptr().addr().is_multiple_of(alignment) { self } else { Self::copy_from(&self) }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let all: &[u8] = match &self.storage {
            Storage::Mapped(map) => map,
            Storage::Static(bytes) => bytes,
            Storage::Heap(words) => bytemuck::cast_slice(words),
        };
        &all[self.range.clone()]
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_mapped() { "mapped" } else { "heap" };
        write!(formatter, "Bytes({kind}, {} bytes)", self.len())
    }
}
