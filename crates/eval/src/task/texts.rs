//! Texts that are read one at a time: in memory while they are few, beyond that in a file without a name.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};

/// Bytes of texts that are held in memory before they go to the file.
const HELD: usize = 16 << 20;

/// Texts in the order of adding.
///
/// The file lies in the folder for temporary files, which `TMPDIR` names, and is gone with the process however that ends.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// The last texts, those that are not in the file.
    held: Vec<u8>,
    file: Option<File>,
    /// Bytes in the file.
    filed: u64,
    /// Where each text ends, over file and memory.
    ends: Vec<u64>,
}

impl Texts {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Texts of memory alone, one after the other.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// Adds what `write` writes.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.held);
        self.ends.push(self.filed + self.held.len() as u64);
    }

    /// Moves texts to the file where memory holds many.
    pub(super) fn relieve(&mut self) -> io::Result<()> {
        self.relieve_beyond(HELD)
    }

    fn relieve_beyond(&mut self, limit: usize) -> io::Result<()> {
        // Elsewhere a file cannot be read at a place without moving a cursor that all threads share.
        if self.held.len() <= limit || !cfg!(unix) {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.write_all(&self.held)?;
        self.filed += self.held.len() as u64;
        self.held.clear();
        Ok(())
    }

    /// A text; `None` where there is none, or where the file cannot be read.
    pub(super) fn get(&self, place: usize) -> Option<Cow<'_, [u8]>> {
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        let Some(start) = start.checked_sub(self.filed) else {
            return self.read_filed(start, end).map(Cow::Owned);
        };
        let within = usize::try_from(start).ok()?..usize::try_from(end - self.filed).ok()?;
        self.held.get(within).map(Cow::Borrowed)
    }

    #[cfg(unix)]
    fn read_filed(&self, start: u64, end: u64) -> Option<Vec<u8>> {
        use std::os::unix::fs::FileExt;
        let mut text = vec![0; usize::try_from(end - start).ok()?];
        self.file.as_ref()?.read_exact_at(&mut text, start).ok()?;
        Some(text)
    }

    #[cfg(not(unix))]
    fn read_filed(&self, _: u64, _: u64) -> Option<Vec<u8>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_comes_back_wherever_it_lies(texts in prop::collection::vec(".{0,20}", 0..40), limit in 0_usize..100) {
            let mut kept = Texts::default();
            for text in &texts {
                kept.push(|held| held.extend_from_slice(text.as_bytes()));
                kept.relieve_beyond(limit).unwrap();
                prop_assert!(kept.held().len() <= limit || !cfg!(unix));
            }
            prop_assert_eq!(kept.len(), texts.len());
            for (place, text) in texts.iter().enumerate() {
                prop_assert_eq!(&*kept.get(place).unwrap(), text.as_bytes());
            }
            prop_assert_eq!(kept.get(texts.len()), None);
        }
    }
}
