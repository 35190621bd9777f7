//! Reading an event log line by line, in memory for one frame.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use weighbridge_types::breach::Marks;
use weighbridge_types::record::LogLine;

use crate::StoreError;
use crate::folder::{LOG_FILE, folder_of};
use crate::frames::FrameReader;

/// What the lines hold that [`Marks`] are made of: the names of their kinds.
const KINDS_OF_MARKS: [&str; 2] = ["\"breach\"", "\"phase_started\""];

/// Hands every line from `from` on to `each`, in order; `from` is 0 or what [`Recorder::mark`](crate::Recorder::mark)
/// gave. A torn tail is left out. Rows are marked with what the lines from there on say of the client.
///
/// The log is read twice: for the breaches, which come later than the rows that they touch, then for the lines. Only
/// the second time is every line taken apart.
///
/// # Errors
/// When there is no log, it cannot be read, or it is damaged before its end.
pub fn replay(path: &Path, from: u64, mut each: impl FnMut(LogLine)) -> Result<(), StoreError> {
    let marks = marks(path, from)?;
    replay_as_written(path, from, |mut line| {
        marks.mark_line(&mut line);
        each(line);
    })
}

/// As [`replay`], with the rows as they were written: for whoever reads twice anyway and makes [`Marks`] of the first
/// reading, and where the client does not matter.
///
/// # Errors
/// As [`replay`].
pub fn replay_as_written(path: &Path, from: u64, mut each: impl FnMut(LogLine)) -> Result<(), StoreError> {
    each_line(path, from, |_| true, &mut each)
}

/// What the lines from `from` on say of the client.
fn marks(path: &Path, from: u64) -> Result<Marks, StoreError> {
    let finders = KINDS_OF_MARKS.map(Finder::new);
    // A row that merely holds such a word, in its text for example, is taken apart in vain.
    let may_be = |text: &[u8]| finders.iter().any(|finder| finder.find(text).is_some());
    let mut marks = Marks::default();
    each_line(path, from, may_be, &mut |line| marks.take(&line))?;
    Ok(marks)
}

/// Takes apart the lines that may be wanted, of the frames that may hold one.
fn each_line(
    path: &Path,
    from: u64,
    is_wanted: impl Fn(&[u8]) -> bool,
    each: &mut dyn FnMut(LogLine),
) -> Result<(), StoreError> {
    let path: PathBuf = folder_of(path).join(LOG_FILE);
    let mut file = File::open(&path).map_err(StoreError::io("open the event log", &path))?;
    file.seek(SeekFrom::Start(from)).map_err(StoreError::io("read", &path))?;
    let mut reader = FrameReader::new(file, &path);
    let mut scratch = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        if !is_wanted(&frame.content) {
            continue;
        }
        let lines = frame.content.split(|&byte| byte == b'\n').enumerate();
        for (index, line) in lines.filter(|(_, line)| !line.is_empty() && is_wanted(line)) {
            let corrupt = |error: serde_json::Error| StoreError::Corrupt {
                path: path.clone(),
                offset: from + frame.offset,
                problem: format!("line {} of the frame: {error}", index + 1),
            };
            each(parse(line, &mut scratch).map_err(corrupt)?);
        }
    }
    Ok(())
}

/// How the writer begins the line of a sample.
pub(crate) const SAMPLE_HEAD: &[u8] = b"{\"line\":\"sample\",";

/// Takes a line apart. The kind of a line is found by a detour through a tree of values; evaluations have millions of samples,
/// whose lines are known by their beginning and are read without it. `scratch` is room for such a line.
fn parse(line: &[u8], scratch: &mut Vec<u8>) -> serde_json::Result<LogLine> {
    let Some(rest) = line.strip_prefix(SAMPLE_HEAD) else { return serde_json::from_slice(line) };
    scratch.clear();
    scratch.push(b'{');
    scratch.extend_from_slice(rest);
    Ok(LogLine::Sample(Box::new(serde_json::from_slice(scratch)?)))
}
