//! Traces of lengths as CSV: BurstGPT, and those of Azure.

use std::borrow::Cow;
use std::io::BufRead;

use super::error::{Place, TraceNote, TraceProblem};
use super::lengths::{Entries, Entry};
use super::lines::{Line, each_line};
use super::options::{OpenedTrace, TimeUnit, TraceSettings, nanos, tokens};

/// Names of the columns, in any case.
const TIME: &[&str] = &["timestamp", "arrived_at"];
const INPUT: &[&str] = &["request tokens", "contexttokens", "num_prefill_tokens"];
const OUTPUT: &[&str] = &["response tokens", "generatedtokens", "num_decode_tokens"];

/// Positions of the columns that are read.
#[derive(Clone, Copy)]
struct Columns {
    count: usize,
    time: usize,
    input: usize,
    output: usize,
    model: Option<usize>,
}

/// Reads a table; `model` keeps the rows whose column `Model` is equal to it.
pub(super) fn read(input: impl BufRead, model: Option<&str>, settings: &TraceSettings) -> Result<OpenedTrace, Place> {
    let mut columns = None;
    let mut entries = Entries::default();
    let (mut no_input, mut no_output, mut filtered) = (0, 0, 0);
    each_line(input, |Line { number, text, is_open }| {
        let fields = fields(text).map_err(|problem| problem.at_line(number))?;
        let Some(columns) = columns else {
            columns = Some(Columns::find(&fields, model.is_some()).map_err(|problem| problem.at_line(number))?);
            return Ok(());
        };
        if fields.len() < columns.count && is_open {
            return Err(TraceProblem::CutLine.at_line(number));
        }
        let (at, entry) = columns.row(&fields).map_err(|problem| problem.at_line(number))?;
        if model.zip(columns.model).is_some_and(|(model, column)| fields[column] != model) {
            filtered += 1;
        } else if entry.input == 0 {
            no_input += 1;
        } else if entry.output == 0 {
            no_output += 1;
        } else {
            entries.begin(Some(at), entry, []);
        }
        Ok(())
    })?;
    if columns.is_none() {
        return Err(TraceProblem::MissingColumn("Timestamp").at_line(1));
    }
    let counts = [TraceNote::Filtered(filtered), TraceNote::NoInput(no_input), TraceNote::NoOutput(no_output)];
    let notes = counts.into_iter().zip([filtered, no_input, no_output]).filter(|(_, count)| *count > 0);
    entries.open(1, settings, notes.map(|(note, _)| note).collect())
}

impl Columns {
    fn find(header: &[Cow<'_, str>], needs_model: bool) -> Result<Self, TraceProblem> {
        let find = |names: &[&str], shown| {
            let is_named = |field: &Cow<'_, str>| names.iter().any(|name| field.eq_ignore_ascii_case(name));
            header.iter().position(is_named).ok_or(TraceProblem::MissingColumn(shown))
        };
        Ok(Self {
            count: header.len(),
            time: find(TIME, "Timestamp")?,
            input: find(INPUT, "Request tokens")?,
            output: find(OUTPUT, "Response tokens")?,
            model: if needs_model { Some(find(&["model"], "Model")?) } else { None },
        })
    }

    fn row(self, fields: &[Cow<'_, str>]) -> Result<(i64, Entry), TraceProblem> {
        if fields.len() != self.count {
            let (found, expected) = (fields.len(), self.count);
            return Err(TraceProblem::Csv(format!("the record has {found} fields, the header {expected}")));
        }
        let count = |key, column: usize| {
            let value = &fields[column];
            let count = value.parse::<u64>().ok().or_else(|| whole_float(value));
            tokens(key, Some(count.ok_or_else(|| TraceProblem::value(key, value, "a whole number"))?))
        };
        let entry =
            Entry { input: count("Request tokens", self.input)?, output: count("Response tokens", self.output)? };
        Ok((time_of(&fields[self.time])?, entry))
    }
}

/// The fields of a line, without white space around them. None of these traces has a field of several lines.
fn fields(line: &str) -> Result<Vec<Cow<'_, str>>, TraceProblem> {
    if !line.contains('"') {
        return Ok(line.split(',').map(|field| Cow::Borrowed(field.trim())).collect());
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
    let record = reader.records().next();
    let record = record.ok_or_else(|| TraceProblem::Csv("the record is empty".to_owned()))?;
    let record = record.map_err(|error| TraceProblem::Csv(error.to_string()))?;
    Ok(record.iter().map(|field| Cow::Owned(field.trim().to_owned())).collect())
}

/// `472.0`, as tools that read a missing value as a float write whole numbers.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn whole_float(value: &str) -> Option<u64> {
    let value: f64 = value.parse().ok()?;
    (value.fract() == 0.0 && (0.0..1e15).contains(&value)).then_some(value as u64)
}

/// Seconds, or `2023-11-16 18:17:03.9799600`, in nanoseconds.
fn time_of(value: &str) -> Result<i64, TraceProblem> {
    if let Ok(seconds) = value.parse::<f64>() {
        return nanos("Timestamp", seconds, TimeUnit::Seconds);
    }
    date_time(value).ok_or_else(|| TraceProblem::value("Timestamp", value, "seconds, or `YYYY-MM-DD HH:MM:SS`"))
}

/// Nanoseconds since 1970. A zone after the time must be `Z` or `+00:00`.
///
/// Days from the date: Howard Hinnant, "chrono-compatible low-level date algorithms" (2013).
fn date_time(value: &str) -> Option<i64> {
    let value = value.strip_suffix('Z').or_else(|| value.strip_suffix("+00:00")).unwrap_or(value);
    let (date, time) = value.split_once([' ', 'T'])?;
    let mut parts = date.split('-').map(|part| part.parse::<u16>().ok().map(i64::from));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let mut parts = time.split(':');
    let (hour, minute) = (parts.next()?.parse::<u8>().ok()?, parts.next()?.parse::<u8>().ok()?);
    let (second, fraction) = parts.next().map(|second| second.split_once('.').unwrap_or((second, "0")))?;
    let second = second.parse::<u8>().ok()?;
    let is_real = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let digits = fraction.get(..fraction.len().min(9)).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let nanos: i64 = format!("{digits:0<9}").parse().ok()?;
    let shifted_year = year - i64::from(month <= 2);
    let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let seconds = days * 86_400 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    if is_real { seconds.checked_mul(1_000_000_000)?.checked_add(nanos) } else { None }
}
