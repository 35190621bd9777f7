//! Values of a file become metrics: with a reason where there is none, and the definition that their field has.

use std::collections::HashSet;

use serde_json::Value;
use weighbridge_stats::{Sorted, Summary};
use weighbridge_types::definition::Definition;
use weighbridge_types::metric::{Cell, Metric, MetricInterval, Provenance, Statistic};

use super::Tool;
use super::definitions::{self, meaning};
use super::marker::Marker;

/// Notes beyond this are counted, not kept: a file may give one for each of its rows.
const MOST_NOTES: usize = 60;

/// Percentiles of values that a file holds one by one.
const PERCENTILES: [(Statistic, f64); 4] =
    [(Statistic::P50, 0.5), (Statistic::P90, 0.9), (Statistic::P95, 0.95), (Statistic::P99, 0.99)];

/// A number of a file, or why there is none.
pub(super) type Reading = Result<f64, String>;

/// Reads a number.
pub(super) fn number(value: Option<&Value>, name: &str) -> Reading {
    match value {
        None => Err(format!("the file does not state `{name}`")),
        Some(Value::Null) => Err(format!("`{name}` is null in the file")),
        Some(Value::Number(number)) => match number.as_f64().filter(|value| value.is_finite()) {
            Some(value) => Ok(value),
            None => Err(format!("`{name}` is off scale in the file")),
        },
        Some(Value::String(text)) if is_non_finite(text) => {
            Err(format!("`{name}` is no finite number in the file: {text}"))
        }
        Some(_) => Err(format!("`{name}` is no number in the file")),
    }
}

/// Whether a text stands for a float that is not finite, as Python and people write it.
pub(super) fn is_non_finite(text: &str) -> bool {
    let word = text.trim().trim_start_matches(['-', '+']);
    ["nan", "inf", "infinity"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The largest count that is believed: sums over every document of a file stay far from overflow.
const LARGEST_COUNT: f64 = 1e13;

/// A count: a number that is whole, not negative and no nonsense.
pub(super) fn count(value: Option<&Value>) -> Option<u64> {
    let value = value?.as_f64()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked here")]
    (value.fract() == 0.0 && (0.0..LARGEST_COUNT).contains(&value)).then_some(value as u64)
}

/// Text at a key.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// The statistic that a percentile is, when the grid has it.
pub(super) fn percentile(percent: f64) -> Option<Statistic> {
    Statistic::GRID.into_iter().find(|(_, q)| (q * 100.0 - percent).abs() < 1e-9).map(|(statistic, _)| statistic)
}

/// Sample deviation (n − 1) of one that divides by n. `None` below two values, where there is none.
pub(super) fn sample_deviation(population: f64, n: u64) -> Option<f64> {
    let n = n as f64;
    (n >= 2.0 && population.is_finite() && population >= 0.0).then(|| population * (n / (n - 1.0)).sqrt())
}

/// The figures of a file as they are collected.
#[derive(Debug)]
pub(super) struct Sheet {
    tool: Tool,
    metrics: Vec<Metric>,
    seen: HashSet<(String, Cell)>,
    notes: Vec<String>,
    left_out: usize,
    marker: Marker,
}

/// A figure to be put on the sheet.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// The tool's name of it.
    pub(super) field: &'a str,
    /// Which statistic.
    pub(super) statistic: Statistic,
    /// Where it belongs.
    pub(super) cell: &'a Cell,
    /// The value in the file's unit.
    pub(super) reading: Reading,
    /// Definition's unit per file's unit: 1000 for seconds that become ms.
    pub(super) scale: f64,
    /// Observations; 0 when the file does not say.
    pub(super) n: u64,
}

impl Sheet {
    pub(super) fn new(tool: Tool) -> Self {
        Self {
            tool,
            metrics: Vec::new(),
            seen: HashSet::new(),
            notes: Vec::new(),
            left_out: 0,
            marker: Marker::default(),
        }
    }

    /// Adds a note, once.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if self.notes.contains(&note) {
            return;
        }
        if self.notes.len() < MOST_NOTES { self.notes.push(note) } else { self.left_out += 1 }
    }

    /// The notes, with a word on those that found no place.
    pub(super) fn into_parts(self) -> (Vec<Metric>, Vec<String>) {
        let mut notes = self.notes;
        if self.left_out > 0 {
            notes.push(format!("{} more notes are left out", self.left_out));
        }
        (self.metrics, notes)
    }

    /// The definitions that the next figures had when one of our own exports wrote them.
    pub(super) fn mark(&mut self, marker: Marker) {
        if !marker.definitions.is_empty() {
            self.note(format!("exported by weighbridge from the run `{}`; its definitions are kept", marker.run_id));
        }
        self.marker = marker;
    }

    /// Observations of a field by the mark of our own export.
    pub(super) fn marked_count(&self, field: &str) -> Option<u64> {
        self.marker.counts.get(field).copied()
    }

    /// The definition of a field of this tool, or a note that it has none.
    fn definition(&mut self, field: &str) -> Option<&'static Definition> {
        let found = meaning(self.tool, field).map(|meaning| &meaning.definition);
        let marked = self.marker.definitions.get(field).and_then(|id| definitions::find(id));
        match (found, marked) {
            (None, _) => self.note(format!("`{field}` is not mapped and left out")),
            // Values are read in the unit of the tool's definition; a mark cannot change that.
            (Some(found), Some(marked)) if found.unit == marked.unit => return Some(marked),
            _ => {}
        }
        found
    }

    /// Puts a figure on the sheet; a later one of the same key and cell is left out with a note.
    pub(super) fn put(&mut self, entry: Entry<'_>) -> Option<&mut Metric> {
        let definition = self.definition(entry.field)?;
        let scaled = entry.reading.and_then(|value| match value * entry.scale {
            scaled if scaled.is_finite() => Ok(scaled),
            _ => Err(format!("`{}` is off scale in the unit of its definition", entry.field)),
        });
        let metric = metric_of(definition, entry.statistic, entry.cell, scaled, entry.n);
        let key = metric.key();
        if !self.seen.insert((key.clone(), metric.cell.clone())) {
            self.note(format!("`{key}` stands in the file twice; the first one counts"));
            return None;
        }
        self.metrics.push(metric);
        self.metrics.last_mut()
    }

    /// The figure put last.
    pub(super) fn last(&mut self) -> Option<&mut Metric> {
        self.metrics.last_mut()
    }

    /// A single value: a count, a rate, a duration.
    pub(super) fn value(&mut self, field: &str, cell: &Cell, reading: Reading, n: u64) {
        self.put(Entry { field, statistic: Statistic::Value, cell, reading, scale: 1.0, n });
    }

    /// Mean, extremes and percentiles of values that the file holds one by one. Percentiles are of type 7.
    pub(super) fn summarize(&mut self, field: &str, cell: &Cell, values: Vec<f64>) {
        let Ok(summary) = Summary::new(&values) else { return };
        let Ok(sorted) = Sorted::new(values) else { return };
        let percentiles =
            PERCENTILES.into_iter().filter_map(|(statistic, q)| Some((statistic, sorted.quantile(q).ok()?)));
        let ends = [(Statistic::Mean, summary.mean), (Statistic::Min, summary.min), (Statistic::Max, summary.max)];
        for (statistic, value) in ends.into_iter().chain(percentiles) {
            let entry = Entry { field, statistic, cell, reading: Ok(value), scale: 1.0, n: summary.n as u64 };
            let Some(metric) = self.put(entry).filter(|metric| metric.value.is_some()) else { continue };
            metric.provenance = Provenance::Derived;
            if statistic == Statistic::Mean {
                spread(metric, summary.sd);
            }
        }
    }
}

/// Sets the sample deviation of a mean, and the coefficient of variation that follows.
pub(super) fn spread(metric: &mut Metric, deviation: Option<f64>) {
    metric.deviation = deviation.filter(|deviation| deviation.is_finite() && *deviation >= 0.0 && metric.n >= 2);
    metric.cv =
        metric.deviation.zip(metric.value).map(|(deviation, mean)| deviation / mean.abs()).filter(|cv| cv.is_finite());
}

/// Sets an interval that the file states, when it holds the value.
pub(super) fn interval(metric: &mut Metric, low: &Reading, high: &Reading, confidence: f64, method: &str) {
    let (Some(value), Ok(low), Ok(high)) = (metric.value, low, high) else { return };
    if *low <= value && value <= *high && confidence > 0.0 && confidence < 1.0 {
        metric.interval = Some(MetricInterval { low: *low, high: *high, confidence, method: method.to_owned() });
    } else {
        metric.interval_reason = Some("the interval of the file does not hold its value".to_owned());
    }
}

/// A figure of another tool is no result of a run of ours, however well it was measured there: its origin is
/// [`Provenance::Reference`].
fn metric_of(definition: &Definition, statistic: Statistic, cell: &Cell, reading: Reading, n: u64) -> Metric {
    match reading {
        Ok(value) => Metric::measured(definition, statistic, cell, value, n).with_provenance(Provenance::Reference),
        Err(reason) => Metric::unavailable(definition, statistic, cell, reason),
    }
}

/// Nanoseconds of seconds; `None` for a value that is no time of a run.
pub(super) fn nanos(seconds: f64) -> Option<u64> {
    // Ten years: beyond it a stamp is a mistake, and sums of stamps could overflow.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked here")]
    (0.0..=3.2e8).contains(&seconds).then(|| (seconds * 1e9).round() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_or_why_there_is_none() {
        let check = |value: Option<Value>, expected: Result<f64, &str>| {
            assert_eq!(number(value.as_ref(), "x").as_ref().map_err(String::as_str).copied(), expected);
        };
        check(Some(json!(1.5)), Ok(1.5));
        check(None, Err("the file does not state `x`"));
        check(Some(Value::Null), Err("`x` is null in the file"));
        check(Some(json!("NaN")), Err("`x` is no finite number in the file: NaN"));
        check(Some(json!("-inf")), Err("`x` is no finite number in the file: -inf"));
        check(Some(json!([1])), Err("`x` is no number in the file"));
    }

    #[test]
    fn deviations_are_of_samples() {
        assert_eq!(sample_deviation(1.0, 2), Some(2.0_f64.sqrt()));
        assert_eq!(
            (sample_deviation(1.0, 1), sample_deviation(-1.0, 9), sample_deviation(f64::NAN, 9)),
            (None, None, None)
        );
    }

    #[test]
    fn counts_are_whole() {
        let check = |value: Value, expected: Option<u64>| assert_eq!(count(Some(&value)), expected);
        check(json!(3), Some(3));
        check(json!(3.0), Some(3));
        check(json!(-3), None);
        check(json!(2.5), None);
        check(json!("3"), None);
        check(json!(u64::MAX), None);
    }

    #[test]
    fn times_of_a_run() {
        assert_eq!(nanos(0.25), Some(250_000_000));
        assert_eq!((nanos(-1.0), nanos(f64::NAN), nanos(1e12)), (None, None, None));
    }
}
