//! JUnit XML: each target and each check of a phase is a test case.
//!
//! Missed is a failure; undecided is an error, because a gate that cannot decide has not passed; a target for another
//! kind of device is skipped.

use weighbridge_types::record::{Check, Phase, Record, TargetResult, Verdict};

use super::{ExportError, ExportFile, ExportFormat};

/// One test case.
struct Case {
    class: String,
    name: String,
    outcome: Outcome,
}

enum Outcome {
    Passed,
    Failed(String),
    Undecided(String),
    Skipped(String),
}

pub(super) fn export(record: &Record) -> Result<Vec<ExportFile>, ExportError> {
    let checks = record.phases.iter().flat_map(|phase| phase.checks.iter().map(move |found| check(phase.phase, found)));
    let cases: Vec<Case> = record.targets.iter().map(target).chain(checks).collect();
    if cases.is_empty() {
        let needs = "target and no check to pass or fail";
        return Err(ExportError::Lacks { run_id: record.run_id.clone(), format: ExportFormat::Junit, needs });
    }
    Ok(vec![ExportFile::text("junit.xml", render(record, &cases))])
}

fn target(target: &TargetResult) -> Case {
    let words = format!("limit {}, observed {}: {}", target.limit, target.observed, target.because);
    let outcome = match target.verdict {
        Verdict::Met | Verdict::Exceeded => Outcome::Passed,
        Verdict::Missed => Outcome::Failed(words),
        Verdict::Unclear => Outcome::Undecided(words),
        Verdict::NotApplicable => Outcome::Skipped(words),
    };
    let place = target.metric.cell.to_string();
    let place = if place.is_empty() { place } else { format!(" [{place}]") };
    Case {
        class: format!("target.{}", target.profile),
        name: format!("{}: {} {}{place}", target.name, target.metric.key, target.limit),
        outcome,
    }
}

fn check(phase: Phase, check: &Check) -> Case {
    let outcome = match check.passed {
        Some(true) => Outcome::Passed,
        Some(false) => Outcome::Failed(check.evidence.clone()),
        None => Outcome::Skipped(check.evidence.clone()),
    };
    Case { class: format!("check.{phase}"), name: check.name.clone(), outcome }
}

fn render(record: &Record, cases: &[Case]) -> String {
    let count = |is: fn(&Outcome) -> bool| cases.iter().filter(|case| is(&case.outcome)).count();
    let failures = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let errors = count(|outcome| matches!(outcome, Outcome::Undecided(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    let attributes = format!(
        "name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" time=\"{}\"",
        escape(&format!("weighbridge {}", record.run_id)),
        cases.len(),
        record.duration_s
    );
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    out.push_str(&format!("  <testsuite {attributes} timestamp=\"{}\">\n", escape(&record.created_at)));
    for case in cases {
        // The time of a case would be that of the run: a target takes none of its own.
        let head = format!("    <testcase classname=\"{}\" name=\"{}\"", escape(&case.class), escape(&case.name));
        let element = |name: &str, kind: &str, message: &str| {
            format!("{head}>\n      <{name}{kind} message=\"{}\"/>\n    </testcase>\n", escape(message))
        };
        out.push_str(&match &case.outcome {
            Outcome::Passed => format!("{head}/>\n"),
            Outcome::Failed(message) => element("failure", " type=\"missed\"", message),
            Outcome::Undecided(message) => element("error", " type=\"undecided\"", message),
            Outcome::Skipped(message) => element("skipped", "", message),
        });
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

/// Text for an attribute. XML 1.0 has no form for most control characters, so they are replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\r' | '\t' => out.push_str(&format!("&#{};", u32::from(c))),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(escape("a<b>&\"'\u{1b}\n"), "a&lt;b&gt;&amp;&quot;&apos;\u{fffd}&#10;");
    }
}
