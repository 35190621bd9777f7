//! The form of pprof: the protobuf message `perftools.profiles.Profile`.
//!
//! Fields and their numbers are those of `proto/profile.proto` in <https://github.com/google/pprof>. A thread is the label
//! `thread` of a sample, as in profiles of other languages; every name is a function with one location.
//!
//! Samples of a stack are one message. When each was taken stands in a field of our own, `TIMES`, which other tools pass over, in
//! the version that a comment of the profile names; profiles without that comment have no times, as those of earlier versions.

use std::collections::HashMap;
use std::io::Read as _;
use std::time::Duration;

use super::error::FormError;
use super::stacks::{Period, Profile, ProfiledRun};
use super::wire::{Broken, Fields, Value, Writer, numbers};

/// Label that holds the thread of a sample.
const THREAD: &str = "thread";

/// Field of a sample with, for each time, microseconds since the one before and how many samples were taken then.
const TIMES: u32 = 100;

/// Comment that says in which form times are, and the only form until now.
const TIMES_COMMENT: &str = "weighbridge-times ";
const TIMES_VERSION: &str = "1";

/// Comment that names a run that was measured meanwhile: nanoseconds from the first sample's zero to that of the run, then its name.
const RUN_COMMENT: &str = "weighbridge-run ";

/// Units of what samples stand for.
const NANOSECONDS: &str = "nanoseconds";
const BYTES: &str = "bytes";

/// Most bytes that a compressed profile unpacks to; a minute of the largest server has some ten megabytes.
const MOST_BYTES: u64 = 512 << 20;

/// Writes the message, without compression. Samples are counts, and nanoseconds or bytes where the period is known.
#[must_use]
pub fn write(profile: &Profile) -> Vec<u8> {
    let mut strings = Strings::default();
    strings.number("");
    let mut message = Writer::default();
    let period = profile.period().map(Period::number);
    let value_type = |writer: &mut Writer, kind, unit| {
        writer.number(1, kind);
        writer.number(2, unit);
    };
    let (samples, count) = (strings.number("samples"), strings.number("count"));
    message.message(1, |writer| value_type(writer, samples, count));
    let measured = profile.period().map(|period| match period {
        Period::Processor(_) => (strings.number("cpu"), strings.number(NANOSECONDS)),
        Period::Allocated(_) => (strings.number("alloc_space"), strings.number(BYTES)),
    });
    if let Some((kind, unit)) = measured {
        message.message(1, |writer| value_type(writer, kind, unit));
    }
    let thread_key = strings.number(THREAD);
    let mut functions = Strings::default();
    let has_times = profile.has_times();
    for (frames, times) in profile.times() {
        let count = times.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        let (thread, frames) = frames.split_first().expect("a stack has its thread at least");
        let locations = frames.iter().rev().map(|name| functions.number(name) + 1).collect::<Vec<u64>>();
        let thread = strings.number(thread);
        message.message(2, |sample| {
            sample.numbers(1, locations);
            sample.numbers(
                2,
                [count].into_iter().chain(period.map(|period| count.saturating_mul(period)).map(as_signed)),
            );
            sample.message(3, |label| {
                label.number(1, thread_key);
                label.number(2, thread);
            });
            if has_times {
                sample.numbers(TIMES, deltas(&times));
            }
        });
    }
    for (id, name) in (1..).zip(&functions.all) {
        message.message(4, |location| {
            location.number(1, id);
            location.message(4, |line| line.number(1, id));
        });
        let name = strings.number(name);
        message.message(5, |function| {
            function.number(1, id);
            function.number(2, name);
            function.number(3, name);
        });
    }
    let times = has_times.then(|| format!("{TIMES_COMMENT}{TIMES_VERSION}"));
    let runs = profile.runs().iter().map(|run| format!("{RUN_COMMENT}{} {}", run.origin.as_nanos(), run.run_id));
    let comments: Vec<u64> = times.into_iter().chain(runs).map(|comment| strings.number(&comment)).collect();
    strings.all.iter().for_each(|string| message.bytes(6, string.as_bytes()));
    if let (Some((kind, unit)), Some(period)) = (measured, period) {
        message.message(11, |writer| value_type(writer, kind, unit));
        message.number(12, period);
    }
    if !comments.is_empty() {
        message.numbers(13, comments);
    }
    message.finish()
}

/// Times in order become what [`TIMES`] holds.
fn deltas(times: &[(Duration, u64)]) -> Vec<u64> {
    let mut before = 0;
    let mut numbers = Vec::with_capacity(2 * times.len());
    for (at, count) in times {
        let at = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        numbers.extend([at - before, *count]);
        before = at;
    }
    numbers
}

/// The largest number that a signed field holds, where the value is larger.
fn as_signed(value: u64) -> u64 {
    value.min(i64::MAX as u64)
}

/// Each text once, numbered in the order in which they came.
#[derive(Debug, Default)]
struct Strings {
    all: Vec<String>,
    numbers: HashMap<String, u64>,
}

impl Strings {
    fn number(&mut self, text: &str) -> u64 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.all.len() as u64;
        self.all.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

/// Unpacks bytes that gzip has packed; `None` where it has not.
pub(super) fn inflate(bytes: &[u8]) -> Result<Option<Vec<u8>>, FormError> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(None);
    }
    let packed = |problem: String| FormError::Packed { problem };
    let mut unpacked = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(bytes).take(MOST_BYTES + 1);
    reader.read_to_end(&mut unpacked).map_err(|error| packed(error.to_string()))?;
    if unpacked.len() as u64 > MOST_BYTES {
        return Err(packed(format!("it is larger than {} MiB", MOST_BYTES >> 20)));
    }
    Ok(Some(unpacked))
}

/// Reads the message. Of several values of a sample the count is taken, or the first where none is called so. Functions that
/// were inlined into one another are frames of their own.
///
/// # Errors
/// When the bytes are no such message.
pub fn read(bytes: &[u8]) -> Result<Profile, FormError> {
    let raw = RawProfile::read(bytes)?;
    let column = raw.count_column()?;
    let functions: HashMap<u64, &str> =
        raw.functions.iter().map(|(id, name)| Ok((*id, raw.string(*name)?))).collect::<Result<_, FormError>>()?;
    let mut profile = Profile::new(raw.period());
    let has_times = raw.has_times()?;
    for sample in &raw.samples {
        let count =
            *sample.values.get(column).ok_or_else(|| wrong("a sample has fewer values than there are types"))?;
        if i64::try_from(count).is_err() {
            return Err(wrong("a sample has a negative count"));
        }
        let mut frames = vec![sample.thread(&raw)?.unwrap_or("all").to_owned()];
        for id in sample.locations.iter().rev() {
            let location = raw.locations.get(id).ok_or_else(|| wrong(&format!("location {id} is not described")))?;
            if location.functions.is_empty() {
                frames.push(format!("{:#x}", location.address));
            }
            for function in location.functions.iter().rev() {
                let name = functions.get(function);
                let name = name.ok_or_else(|| wrong(&format!("function {function} is not described")))?;
                frames.push((*name).to_owned());
            }
        }
        let frames = || frames.iter().map(String::as_str);
        if !has_times || sample.times.is_empty() {
            profile.add(frames(), Duration::ZERO, count);
            continue;
        }
        let (mut at, mut sum) = (Some(0_u64), Some(0_u64));
        for pair in sample.times.chunks(2) {
            let (delta, count) = (pair[0], pair.get(1).copied().unwrap_or(0));
            (at, sum) = (at.and_then(|at| at.checked_add(delta)), sum.and_then(|sum| sum.checked_add(count)));
            profile.add(frames(), Duration::from_micros(at.unwrap_or(u64::MAX)), count);
        }
        if at.is_none() || sum != Some(count) {
            return Err(wrong("the times of a sample do not add up to its count"));
        }
    }
    for run in raw.comments()?.into_iter().filter_map(|comment| comment.strip_prefix(RUN_COMMENT)) {
        let origin = run.split_once(' ').and_then(|(nanos, run_id)| Some((nanos.parse().ok()?, run_id)));
        let (nanos, run_id) = origin.ok_or_else(|| wrong("a run has no time"))?;
        profile.add_run(ProfiledRun { run_id: run_id.to_owned(), origin: Duration::from_nanos(nanos) });
    }
    Ok(profile)
}

fn wrong(problem: &str) -> FormError {
    FormError::Message { problem: problem.to_owned() }
}

impl From<Broken> for FormError {
    fn from(_: Broken) -> Self {
        wrong("its fields are cut off, or it is no protobuf message")
    }
}

/// The message as it lies in the file.
#[derive(Debug, Default)]
struct RawProfile {
    /// Type and unit of each value, as strings.
    types: Vec<(u64, u64)>,
    samples: Vec<RawSample>,
    locations: HashMap<u64, Location>,
    functions: Vec<(u64, u64)>,
    strings: Vec<String>,
    period_type: (u64, u64),
    period: Option<u64>,
    comments: Vec<u64>,
}

#[derive(Debug, Default)]
struct RawSample {
    /// The innermost first.
    locations: Vec<u64>,
    values: Vec<u64>,
    labels: Vec<(u64, u64)>,
    /// As [`TIMES`] has them.
    times: Vec<u64>,
}

#[derive(Debug, Default)]
struct Location {
    address: u64,
    /// The innermost first.
    functions: Vec<u64>,
}

impl RawProfile {
    fn read(bytes: &[u8]) -> Result<Self, FormError> {
        let mut raw = Self::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, Value::Bytes(bytes)) => raw.types.push(pair(bytes, 1, 2)?),
                (2, Value::Bytes(bytes)) => raw.samples.push(RawSample::read(bytes)?),
                (4, Value::Bytes(bytes)) => {
                    let (id, location) = Location::read(bytes)?;
                    raw.locations.insert(id, location);
                }
                (5, Value::Bytes(bytes)) => raw.functions.push(pair(bytes, 1, 2)?),
                (6, Value::Bytes(bytes)) => raw.strings.push(String::from_utf8_lossy(bytes).into_owned()),
                (11, Value::Bytes(bytes)) => raw.period_type = pair(bytes, 1, 2)?,
                (12, Value::Number(period)) => raw.period = Some(period),
                (13, value) => numbers(value, &mut raw.comments)?,
                (1 | 2 | 4 | 5 | 6 | 11 | 12, _) => return Err(wrong("a field has the kind of another")),
                _ => {}
            }
        }
        if raw.types.is_empty() {
            return Err(wrong("it does not say what its samples count"));
        }
        Ok(raw)
    }

    fn string(&self, number: u64) -> Result<&str, FormError> {
        let string = usize::try_from(number).ok().and_then(|number| self.strings.get(number));
        string.map(String::as_str).ok_or_else(|| wrong(&format!("text {number} is not in its table")))
    }

    fn comments(&self) -> Result<Vec<&str>, FormError> {
        self.comments.iter().map(|comment| self.string(*comment)).collect()
    }

    /// Whether samples have times that this program reads.
    fn has_times(&self) -> Result<bool, FormError> {
        match self.comments()?.into_iter().find_map(|comment| comment.strip_prefix(TIMES_COMMENT)) {
            None => Ok(false),
            Some(TIMES_VERSION) => Ok(true),
            Some(other) => Err(wrong(&format!("its times have version {other}, this program reads {TIMES_VERSION}"))),
        }
    }

    fn count_column(&self) -> Result<usize, FormError> {
        for (column, &(_, unit)) in self.types.iter().enumerate() {
            if self.string(unit)? == "count" {
                return Ok(column);
            }
        }
        Ok(0)
    }

    /// What a sample stands for. Of allocations that is known of our own samples only: others count objects.
    fn period(&self) -> Option<Period> {
        let (period, unit) = (self.period?, self.string(self.period_type.1).ok()?);
        let counts_samples = self.types.first().is_some_and(|(kind, _)| self.string(*kind) == Ok("samples"));
        match unit {
            NANOSECONDS => Some(Period::Processor(Duration::from_nanos(period))),
            BYTES if counts_samples => Some(Period::Allocated(period)),
            _ => None,
        }
    }
}

impl RawSample {
    fn read(bytes: &[u8]) -> Result<Self, FormError> {
        let mut sample = Self::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, value) => numbers(value, &mut sample.locations)?,
                (2, value) => numbers(value, &mut sample.values)?,
                (3, Value::Bytes(bytes)) => sample.labels.push(pair(bytes, 1, 2)?),
                (TIMES, value) => numbers(value, &mut sample.times)?,
                _ => {}
            }
        }
        Ok(sample)
    }

    fn thread<'a>(&self, raw: &'a RawProfile) -> Result<Option<&'a str>, FormError> {
        for &(key, text) in self.labels.iter().filter(|(_, text)| *text != 0) {
            if raw.string(key)? == THREAD {
                return Ok(Some(raw.string(text)?));
            }
        }
        Ok(None)
    }
}

impl Location {
    fn read(bytes: &[u8]) -> Result<(u64, Self), FormError> {
        let (mut id, mut location) = (0, Self::default());
        for field in Fields::new(bytes) {
            match field? {
                (1, Value::Number(number)) => id = number,
                (3, Value::Number(address)) => location.address = address,
                (4, Value::Bytes(line)) => location.functions.push(pair(line, 1, 2)?.0),
                _ => {}
            }
        }
        Ok((id, location))
    }
}

/// Two numbers of a message; what is not there is 0.
fn pair(bytes: &[u8], first: u32, second: u32) -> Result<(u64, u64), FormError> {
    let mut found = (0, 0);
    for field in Fields::new(bytes) {
        match field? {
            (field, Value::Number(number)) if field == first => found.0 = number,
            (field, Value::Number(number)) if field == second => found.1 = number,
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
