//! Events as they are read, and as the desk holds them.

use std::path::{Path, PathBuf};

use crate::predictions::{self, Field, Form, Mapping, PredictionsError, Row, Value};

/// Time stamps from here on are milliseconds or finer, taken for seconds by mistake: the year 5138.
const NO_SECONDS: f64 = 1e11;

/// The unit of time stamps that are numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TimeUnit {
    #[default]
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl TimeUnit {
    const fn per_second(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Milliseconds => 1e3,
            Self::Microseconds => 1e6,
            Self::Nanoseconds => 1e9,
        }
    }
}

/// One event as it came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Incoming<'a> {
    /// Its name, or its place.
    pub id: Option<&'a str>,
    /// Its place, from 1.
    pub line: u64,
    /// Time stamp, seconds since 1970.
    pub time_s: Option<f64>,
    /// What a model is asked.
    pub text: Option<&'a str>,
    /// What it really is.
    pub label: Option<&'a str>,
    /// What was said of it before.
    pub prediction: Option<&'a str>,
    /// How sure somebody is that it is an attack.
    pub score: Option<f64>,
    /// Where it comes from: what routes choose by.
    pub source: Option<&'a str>,
    /// What its alert is about: host, rule, user.
    pub key: Option<&'a str>,
    /// The attack that it belongs to.
    pub incident: Option<&'a str>,
}

/// A file of events.
#[derive(Clone, Debug)]
pub struct EventFile {
    /// The file.
    pub path: PathBuf,
    /// Its form, where its name does not tell it.
    pub form: Option<Form>,
    /// Which column holds what.
    pub mapping: Mapping,
    /// The unit of its time stamps.
    pub unit: TimeUnit,
}

impl EventFile {
    /// Hands every event on, in the order of the file, until `take` says no.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(&self, mut take: impl FnMut(&Incoming<'_>) -> bool) -> Result<(), PredictionsError> {
        let read = predictions::read(&self.path, self.form, &self.mapping, |row| {
            let event = incoming(row, self.unit)?;
            if take(&event) { Ok(()) } else { Err(PredictionsError::Stopped) }
        });
        match read {
            Err(PredictionsError::Stopped) => Ok(()),
            other => other.map(drop),
        }
    }

    /// The file's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_else(|| Path::new("events").as_os_str()).to_string_lossy().into_owned()
    }
}

fn incoming<'a>(row: &'a Row<'_>, unit: TimeUnit) -> Result<Incoming<'a>, PredictionsError> {
    Ok(Incoming {
        id: row.text(Field::Id)?,
        line: row.line,
        time_s: time(row, unit)?,
        text: row.text(Field::Text)?.map_or_else(|| row.text(Field::Prompt), |text| Ok(Some(text)))?,
        label: row.text(Field::Target)?,
        prediction: row.text(Field::Prediction)?,
        score: row.number(Field::Score)?,
        source: row.text(Field::Source)?,
        key: row.text(Field::Key)?,
        incident: row.text(Field::Incident)?,
    })
}

/// Seconds since 1970 of a number or an RFC 3339 text.
fn time(row: &Row<'_>, unit: TimeUnit) -> Result<Option<f64>, PredictionsError> {
    let text = match row.get(Field::Timestamp) {
        Value::Text(text) => Some(text.as_ref()),
        Value::Cell(text) if text.contains(':') => Some(text.as_ref()),
        _ => None,
    };
    if let Some(text) = text {
        let refuse = || row.refuse(Field::Timestamp, "a number, or a time such as 2026-03-01T12:30:00Z");
        return rfc_3339(text.trim()).map(Some).ok_or_else(refuse);
    }
    let Some(number) = row.number(Field::Timestamp)? else { return Ok(None) };
    let seconds = number / unit.per_second();
    if seconds.abs() >= NO_SECONDS {
        let expected = "seconds since 1970; milliseconds, microseconds or nanoseconds are read with `--time-unit`";
        return Err(row.refuse(Field::Timestamp, expected));
    }
    Ok(Some(seconds))
}

/// Reads `2026-03-01T12:30:00.250Z`, `2026-03-01 12:30:00+02:00` or `2026-03-01T12:30:00`, which is taken as UTC; seconds
/// since 1970. Algorithm: days from civil, as [`WallTime`](weighbridge_types::time::WallTime) goes the other way.
fn rfc_3339(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let has = |at: usize, mark: u8| bytes.get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(&mark));
    if !(has(4, b'-') && has(7, b'-') && (has(10, b'T') || has(10, b' ')) && has(13, b':') && has(16, b':')) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut fraction = 0.0;
    if has(at, b'.') || has(at, b',') {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        fraction = format!("0.{}", text.get(at + 1..at + 1 + digits)?).parse().ok().filter(|_| digits > 0)?;
        at += 1 + digits;
    }
    let offset_s = match bytes.get(at) {
        None => 0,
        Some(b'Z' | b'z') if bytes.len() == at + 1 => 0,
        Some(sign @ (b'+' | b'-')) if has(at + 3, b':') && bytes.len() == at + 6 => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            let seconds = (hours * 60 + minutes) * 60;
            if *sign == b'+' { seconds } else { -seconds }
        }
        Some(_) => return None,
    };
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset_s;
    Some(seconds as f64 + fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weighbridge_types::time::WallTime;

    use super::*;

    #[test]
    fn times_are_read_or_refused() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(rfc_3339(text), expected, "{text}");
        check("1970-01-01T00:00:00Z", Some(0.0));
        check("2000-02-29T00:00:00.000Z", Some(951_782_400.0));
        check("2026-03-01T12:30:00.250Z", Some(1_772_368_200.25));
        check("2026-03-01 14:30:00.25+02:00", Some(1_772_368_200.25));
        check("2026-03-01T12:30:00", Some(1_772_368_200.0));
        check("1969-12-31T23:59:59Z", Some(-1.0));
        for bad in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-03-01",
            "2026-03-01T12:30:00+2",
            "2026-03-01T12:30:00.Z",
            "x",
        ] {
            check(bad, None);
        }
    }

    proptest! {
        #[test]
        fn what_wall_time_prints_is_read_back(millis in 0_u64..4_000_000_000_000) {
            let read = rfc_3339(&WallTime::from_unix_millis(millis).to_string()).unwrap();
            prop_assert!((read * 1e3 - millis as f64).abs() < 0.5);
        }

        #[test]
        fn no_text_panics(text in "[0-9TZ:. +-]{0,30}", other in ".{0,30}") {
            let _ = (rfc_3339(&text), rfc_3339(&other));
        }
    }
}
