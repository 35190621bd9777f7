//! How far a wrong answer is from the right one, where answers have a distance.

use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::Metric;

use crate::cvss::base_score;
use crate::cwe;
use crate::predictions::{Field, PredictionsError, Row, Value};

use super::corpus::{Corpus, Counted};
use super::figure::{Scope, absent};
use super::settings::Settings;

/// Largest difference of two base scores of CVSS.
const WIDEST: f64 = 10.0;

/// Distances of the samples whose truth has one to the answers that have one.
#[derive(Debug, Default)]
pub(super) struct Distances {
    vectors: Distance,
    weaknesses: Distance,
}

/// The distances of one kind.
#[derive(Debug, Default)]
struct Distance {
    counted: Counted,
    values: Vec<f64>,
    /// Samples whose truth can be read and whose answer cannot.
    unread: u64,
}

impl Distance {
    fn take(&mut self, sample: u64, value: Option<f64>) {
        match value {
            Some(value) => {
                self.counted.push(sample, true);
                self.values.push(value);
            }
            None => self.unread += 1,
        }
    }
}

impl Distances {
    pub(super) fn take(&mut self, row: &Row<'_>, sample: u64, settings: &Settings) -> Result<(), PredictionsError> {
        let (Value::Text(target) | Value::Cell(target)) = row.get(Field::Target) else { return Ok(()) };
        let given = || match row.get(Field::Prediction) {
            Value::Json(_) => Ok(None),
            _ => row.text(Field::Prediction),
        };
        if target.starts_with("CVSS:3") || target.starts_with("AV:") {
            if let Some(there) = base_score(target) {
                let given = given()?.and_then(base_score);
                self.vectors.take(sample, given.map(|given| (given - there).abs()));
            }
        } else if let Some(there) = weakness(target) {
            let given = given()?.and_then(cwe::last_in);
            let distance = given.and_then(|given| settings.weaknesses.as_ref()?.distance(given, there));
            self.weaknesses.take(sample, distance.map(f64::from));
        }
        Ok(())
    }

    pub(super) fn figures(&self, units: usize, unit: &dyn Fn(u32) -> u32, settings: &Settings) -> Vec<Metric> {
        let kinds: [(&'static Definition, &Distance, f64); 2] =
            [(&define::CVSS_DISTANCE, &self.vectors, WIDEST), (&define::CWE_DISTANCE, &self.weaknesses, f64::INFINITY)];
        let mut figures = Vec::new();
        for (definition, distance, widest) in kinds {
            let kept = distance.counted.of(Scope::AnsweredOnly, unit);
            let cell = Scope::FailuresAsWrong.cell().with("unread", distance.unread);
            if !kept.is_empty() {
                let corpus = Corpus { kept: &kept, units, settings };
                figures.push(corpus.mean_up_to(widest, definition, &cell, |at| distance.values[at]));
            } else if distance.unread > 0 {
                let reason = match &settings.weaknesses {
                    None if *definition == define::CWE_DISTANCE => "it needs the hierarchy: name its file with `--cwe`",
                    _ => "no answer can be read",
                };
                figures.push(absent(definition, &cell, reason));
            }
        }
        figures
    }
}

/// The weakness that a label is, as `CWE-79`.
fn weakness(label: &str) -> Option<u32> {
    let label = label.trim();
    let digits = label.get(..4).filter(|start| start.eq_ignore_ascii_case("cwe-")).map(|_| &label[4..])?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
