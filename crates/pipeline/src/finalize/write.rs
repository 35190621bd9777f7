//! Files that appear whole: compressed lines, tables and cards.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::card::{Card, FileEntry, card_markdown};
use super::formats::{csv_of, line_of};
use super::record::ItemRecord;
use crate::dedup::Split;
use crate::digest::sha256_hex;
use crate::run::PipelineError;
use crate::settings::Settings;

/// Level of compression: 369 MB/s at nearly the ratio of slower ones.
const LEVEL: i32 = 3;

/// Lines of JSON, compressed as they come.
pub(crate) struct Lines {
    encoder: zstd::Encoder<'static, Vec<u8>>,
    count: u64,
}

impl Lines {
    pub(crate) fn new() -> Result<Self, PipelineError> {
        let encoder = zstd::Encoder::new(Vec::new(), LEVEL).map_err(wrong)?;
        Ok(Self { encoder, count: 0 })
    }

    pub(crate) fn push(&mut self, value: &impl Serialize) -> Result<(), PipelineError> {
        let mut line = serde_json::to_vec(value)
            .map_err(|error| PipelineError::Form { what: "a line", problem: error.to_string() })?;
        line.push(b'\n');
        self.count += 1;
        self.encoder.write_all(&line).map_err(wrong)
    }

    fn finish(self) -> Result<(Vec<u8>, u64), PipelineError> {
        Ok((self.encoder.finish().map_err(wrong)?, self.count))
    }

    /// Writes the file, and says what is in it.
    pub(crate) fn write(self, folder: &Path, name: &str) -> Result<FileEntry, PipelineError> {
        let (bytes, count) = self.finish()?;
        write_file(folder, name, &bytes, count)
    }
}

fn wrong(error: io::Error) -> PipelineError {
    PipelineError::Form { what: "compressed lines", problem: error.to_string() }
}

fn write_file(folder: &Path, name: &str, bytes: &[u8], lines: u64) -> Result<FileEntry, PipelineError> {
    weighbridge_store::replace(&folder.join(name), bytes)?;
    Ok(FileEntry { name: name.to_owned(), lines, bytes: bytes.len() as u64, sha256: sha256_hex(bytes) })
}

/// Writes the items in every form: all of them with what they cite, each part in the forms of trainers, a table.
pub(crate) fn write_dataset(
    folder: &Path,
    items: &[ItemRecord],
    settings: &Settings,
) -> Result<Vec<FileEntry>, PipelineError> {
    let mut files = Vec::new();
    let mut all = Lines::new()?;
    for item in items {
        all.push(item)?;
    }
    files.push(all.write(folder, "items.jsonl.zst")?);
    let mut formats = settings.output.formats.clone();
    formats.sort_unstable();
    formats.dedup();
    for format in formats {
        for split in Split::ALL {
            let mut lines = Lines::new()?;
            for item in items.iter().filter(|item| item.split == split) {
                for line in line_of(item, format) {
                    lines.push(&line)?;
                }
            }
            files.push(lines.write(folder, &format!("{}.{}.jsonl.zst", split.name(), format.name()))?);
        }
    }
    if settings.output.csv {
        let table =
            csv_of(items).map_err(|error| PipelineError::Form { what: "a table", problem: error.to_string() })?;
        let lines = items.iter().map(|item| item.turns.len() as u64).sum();
        files.push(write_file(folder, "items.csv", &table, lines)?);
    }
    Ok(files)
}

impl Card {
    /// Writes the card for machines and for people; the first appears last, so that a folder with it is whole.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), PipelineError> {
        write_file(folder, "README.md", card_markdown(self).as_bytes(), 0)?;
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|error| PipelineError::Form { what: "the card", problem: error.to_string() })?;
        json.push(b'\n');
        write_file(folder, "card.json", &json, 0).map(drop)
    }
}

/// Reads compressed lines back.
///
/// # Errors
///
/// When the file cannot be read, or a line is of another form.
pub fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, PipelineError> {
    let file = std::fs::File::open(path).map_err(PipelineError::io("open", path))?;
    let decoder = zstd::Decoder::new(file).map_err(PipelineError::io("read", path))?;
    let mut found = Vec::new();
    for line in BufReader::new(decoder).lines() {
        let line = line.map_err(PipelineError::io("read", path))?;
        let value = serde_json::from_str(&line).map_err(|error| PipelineError::io("read", path)(error.into()))?;
        found.push(value);
    }
    Ok(found)
}
