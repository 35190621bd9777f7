//! What a record says of its client's calibration.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::request::ReceiveClock;

/// What the calibration of this host says of a run's figures. Errors are what the client reported less what a server with a
/// known timeline did; they hold what lies between the two sets of stamps, and so bound the client's share from above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationNote {
    /// Name of the host profile.
    pub id: String,
    /// When this host was calibrated, wall time, RFC 3339.
    pub calibrated_at: String,
    /// The clock that stamped arrivals in this run, as it did where the errors were measured. A run in which this
    /// program stamped more than one answer in a hundred counts as stamped by it.
    pub clock: ReceiveClock,
    /// What the errors are worth; null where this clock was not calibrated.
    pub grade: Option<Grade>,
    /// Largest absolute mean error of TTFT or ITL up to the streams that are clean, ms; null where this clock was not
    /// calibrated.
    pub bias_bound_ms: Option<f64>,
    /// Most requests in flight in this run, at its busiest load; null until it is known.
    pub in_flight: Option<u32>,
    /// The errors at the number of streams nearest above that; at the most streams calibrated where none is above. Null
    /// until that is known, and where this clock was not calibrated.
    pub errors: Option<CalibratedErrors>,
}

/// Errors at one number of streams, ms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibratedErrors {
    /// Streams at once.
    pub streams: u32,
    /// Mean error of TTFT, with its sign.
    pub ttft_bias_ms: f64,
    /// 99th percentile of the absolute error of TTFT; null where too few bound it.
    pub ttft_p99_ms: Option<f64>,
    /// Mean error of ITL, with its sign.
    pub itl_bias_ms: f64,
    /// 99th percentile of the absolute error of ITL; null where too few bound it.
    pub itl_p99_ms: Option<f64>,
}

/// What errors are worth: the larger p99 of the absolute errors of TTFT and ITL at 128 streams, or at the most streams
/// calibrated below that. Where too few errors are known for a p99, the largest error stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Grade {
    /// At most 0.3 ms.
    A,
    /// At most 1 ms.
    B,
    /// At most 3 ms.
    C,
    /// At most 10 ms.
    D,
    /// At most 30 ms.
    E,
    /// Above.
    F,
}

impl Grade {
    const LIMITS: [(Self, f64); 5] = [(Self::A, 0.3), (Self::B, 1.0), (Self::C, 3.0), (Self::D, 10.0), (Self::E, 30.0)];

    /// The grade of a p99 error, ms.
    #[must_use]
    pub fn of(p99_ms: f64) -> Self {
        Self::LIMITS.into_iter().find(|(_, limit)| p99_ms <= *limit).map_or(Self::F, |(grade, _)| grade)
    }

    /// The largest p99 error that it promises, ms; `None` for the last one, which promises nothing.
    #[must_use]
    pub fn limit_ms(self) -> Option<f64> {
        Self::LIMITS.into_iter().find(|(grade, _)| *grade == self).map(|(_, limit)| limit)
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for CalibrationNote {
    /// One line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self.calibrated_at.get(..10).unwrap_or(&self.calibrated_at);
        let clock = match self.clock {
            ReceiveClock::Kernel => "kernel stamps",
            ReceiveClock::User => "stamps of this program",
        };
        let Some(grade) = self.grade else {
            return write!(f, "calibrated {day}, but not with {clock}: run `weighbridge calibrate`");
        };
        write!(f, "grade {grade}")?;
        if let Some(errors) = &self.errors {
            let p99 = |p99: Option<f64>| p99.map_or_else(|| "n/a".to_owned(), |p99| format!("{p99:.2}"));
            write!(
                f,
                ": TTFT {:+.2} ms (p99 {}), ITL {:+.2} ms (p99 {}) at {} streams",
                errors.ttft_bias_ms,
                p99(errors.ttft_p99_ms),
                errors.itl_bias_ms,
                p99(errors.itl_p99_ms),
                errors.streams
            )?;
            if let Some(beyond) = self.in_flight.filter(|in_flight| *in_flight > errors.streams) {
                write!(f, ", fewer than the {beyond} of this run")?;
            }
        }
        write!(f, "; {clock}, calibrated {day}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_as_a_line() {
        let errors = CalibratedErrors {
            streams: 128,
            ttft_bias_ms: 0.041,
            ttft_p99_ms: Some(0.2),
            itl_bias_ms: -0.001,
            itl_p99_ms: None,
        };
        let whole = CalibrationNote {
            id: "p".to_owned(),
            calibrated_at: "2026-03-01T12:30:00.250Z".to_owned(),
            clock: ReceiveClock::Kernel,
            grade: Some(Grade::A),
            bias_bound_ms: Some(0.05),
            in_flight: Some(100),
            errors: Some(errors),
        };
        let check = |note: &CalibrationNote, expected: &str| assert_eq!(note.to_string(), expected);
        let at_128 = "grade A: TTFT +0.04 ms (p99 0.20), ITL -0.00 ms (p99 n/a) at 128 streams";
        check(&whole, &format!("{at_128}; kernel stamps, calibrated 2026-03-01"));
        let beyond = CalibrationNote { in_flight: Some(600), ..whole.clone() };
        check(&beyond, &format!("{at_128}, fewer than the 600 of this run; kernel stamps, calibrated 2026-03-01"));
        check(
            &CalibrationNote { errors: None, clock: ReceiveClock::User, ..whole.clone() },
            "grade A; stamps of this program, calibrated 2026-03-01",
        );
        let other = "calibrated 2026-03-01, but not with kernel stamps: run `weighbridge calibrate`";
        check(&CalibrationNote { grade: None, ..whole }, other);
    }
}
