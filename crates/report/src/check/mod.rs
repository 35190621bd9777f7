//! The validator: recomputes what a record says of itself, and with the event log what it says of its rows.
//!
//! A record that passes may still be wrong; one that fails contradicts itself.

mod figures;
mod metric;
mod relation;
mod rows;
mod run;

pub use figures::check_figures;
use serde::Serialize;
use weighbridge_summary::Rows;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{LogLine, Record, Status};

use crate::number;

/// Relative difference that rounding and the order of summation explain.
const TOLERANCE: f64 = 1e-6;

/// One contradiction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Violation {
    /// Name of the rule, for example `interval-holds-value`.
    pub rule: &'static str,
    /// Key of the metric, `ttft.mean`, or the field of the record.
    pub subject: String,
    /// Its cell; empty for a field.
    pub cell: Cell,
    /// What the record states.
    pub stated: String,
    /// What was recomputed, or what must hold.
    pub expected: String,
}

/// What the validator found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CheckReport {
    /// Comparisons made.
    pub checked: u64,
    /// Whether the rows of the event log were at hand.
    pub with_log: bool,
    /// How far the run came, as the record says.
    pub status: Option<Status>,
    /// Requests that the event log holds; none where no log was at hand.
    pub requests: Option<u64>,
    /// Contradictions, in the order of the record.
    pub violations: Vec<Violation>,
}

impl CheckReport {
    /// Whether nothing contradicts.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.violations.is_empty()
    }

    /// The outcome for people, with a final newline.
    #[must_use]
    pub fn render(&self) -> String {
        let source =
            if self.with_log { "the record and its event log" } else { "the record alone; no event log was at hand" };
        let mut out = String::new();
        for violation in &self.violations {
            let cell = if violation.cell == Cell::default() { String::new() } else { format!(" [{}]", violation.cell) };
            let line = format!(
                "✗ {}: {}{cell}: stated {}, expected {}",
                violation.rule, violation.subject, violation.stated, violation.expected
            );
            out.push_str(&crate::console::sanitize(&line));
            out.push('\n');
        }
        let count = self.violations.len();
        let verdict = match count {
            0 => "✓ no contradiction".to_owned(),
            1 => "✗ 1 contradiction".to_owned(),
            _ => format!("✗ {count} contradictions"),
        };
        out.push_str(&format!("{verdict} in {} comparisons over {source}\n", self.checked));
        out.push_str(&self.unfinished().unwrap_or_default());
        out
    }

    /// A word about a run that came to no end, with a final newline.
    fn unfinished(&self) -> Option<String> {
        self.status.filter(|status| *status == Status::Running)?;
        let rows = match self.requests {
            Some(requests) => format!("{requests} requests are durable"),
            None => "no event log is at hand".to_owned(),
        };
        let remedy = "`weighbridge report recover RUN` makes the figures of a load or a stream, `weighbridge bench --resume RUN` goes \
                      on with a weigh-in, `weighbridge eval run --resume RUN` with an evaluation";
        Some(format!("! the run did not come to its end: it is under way, or was killed; {rows}\n  {remedy}\n"))
    }
}

/// Checks a record against itself and, where they are given, against its rows.
#[must_use]
pub fn check(record: &Record, rows: Option<&Rows>) -> CheckReport {
    let mut checker = Checker::of_record(record);
    if let Some(rows) = rows {
        checker.report.with_log = true;
        checker.rows(rows);
    }
    checker.report
}

/// Checks the record of a load against itself and against its event log, in memory that does not grow with the run.
///
/// `replay` hands over every line of the log, in order and as it was written; it is called twice.
///
/// # Errors
/// When `replay` fails.
pub fn check_load<E>(
    record: &Record,
    replay: impl FnMut(&mut dyn FnMut(LogLine)) -> Result<(), E>,
) -> Result<CheckReport, E> {
    let mut checker = Checker::of_record(record);
    checker.report.with_log = true;
    checker.report.requests = Some(0);
    checker.load_log(replay)?;
    Ok(checker.report)
}

/// The state of one check.
struct Checker<'a> {
    record: &'a Record,
    report: CheckReport,
}

impl<'a> Checker<'a> {
    /// Checks the record against itself.
    fn of_record(record: &'a Record) -> Self {
        let report = CheckReport { status: Some(record.status), ..CheckReport::default() };
        let mut checker = Self { record, report };
        checker.run();
        for metric in &record.metrics {
            checker.metric(metric);
        }
        checker.relations();
        checker
    }
}

impl Checker<'_> {
    /// Counts a comparison, and a violation when it does not hold.
    fn field(
        &mut self,
        holds: bool,
        rule: &'static str,
        subject: &str,
        stated: impl ToString,
        expected: impl ToString,
    ) {
        self.report.checked += 1;
        if !holds {
            self.report.violations.push(Violation {
                rule,
                subject: subject.to_owned(),
                cell: Cell::default(),
                stated: stated.to_string(),
                expected: expected.to_string(),
            });
        }
    }

    /// The same for a metric.
    fn of_metric(
        &mut self,
        holds: bool,
        rule: &'static str,
        metric: &Metric,
        stated: impl ToString,
        expected: impl ToString,
    ) {
        self.field(holds, rule, &metric.key(), stated, expected);
        if let Some(violation) = self.report.violations.last_mut().filter(|_| !holds) {
            violation.cell = metric.cell.clone();
        }
    }

    /// Compares a stated value with a recomputed one.
    fn equals(&mut self, rule: &'static str, metric: &Metric, expected: f64) {
        let Some(stated) = metric.value else { return };
        let holds = is_close(stated, expected);
        self.of_metric(holds, rule, metric, shown(stated), shown(expected));
    }
}

/// Whether two numbers are the same but for rounding.
fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(TOLERANCE)
}

/// A number with enough digits to see a difference.
fn shown(value: f64) -> String {
    number::significant(value, 8)
}
