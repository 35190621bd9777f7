//! What follows from the figures: targets, findings, next steps.

use weighbridge_types::metric::{Metric, Provenance};
use weighbridge_types::record::{Finding, FindingKind, Phase, Record, Status, TargetResult, Verdict};

use super::{Column, Table, Text, Tone, cell_words, metric_title};
use crate::number::{self, Scale};

/// A number of more characters than this is shortened.
const LONG_NUMBER: usize = 5;

/// A target with its verdict.
#[derive(Debug)]
pub(crate) struct TargetLine {
    /// The verdict in a word.
    pub(crate) verdict: Text,
    /// Its name and profile, and the load that it is about where there are several.
    pub(crate) name: String,
    /// Its limit, with readable numbers.
    pub(crate) limit: String,
    /// What was observed, with readable numbers.
    pub(crate) observed: String,
    /// Why, with readable numbers.
    pub(crate) because: String,
}

/// Every target, in the order of the record.
pub(crate) fn targets(record: &Record) -> Vec<TargetLine> {
    let is_load = |target: &&TargetResult| target.metric.cell.get("phase") == Some(Phase::Load.name());
    let mut loads = record.targets.iter().filter(is_load).map(|target| &target.metric.cell);
    let first = loads.next();
    let has_several = loads.any(|cell| Some(cell) != first);
    record.targets.iter().map(|target| target_line(target, has_several && is_load(&target))).collect()
}

fn target_line(target: &TargetResult, with_load: bool) -> TargetLine {
    let load = if with_load { format!(" at {}", cell_words(&target.metric.cell)) } else { String::new() };
    TargetLine {
        verdict: verdict_word(target.verdict),
        name: format!("{} ({}){load}", target.name, target.profile),
        limit: readable(&target.limit),
        observed: readable(&target.observed),
        because: readable(&target.because),
    }
}

/// A statement with the numbers as people write them: `2000000000 bytes` → `1.9 GiB`, `9.5367431 MiB/h` → `9.54 MiB/h`.
fn readable(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let mut out: Vec<String> = Vec::new();
    let mut index = 0;
    while let Some(word) = words.get(index) {
        let value = word.parse::<f64>().ok().filter(|_| word.starts_with(|c: char| c.is_ascii_digit() || c == '-'));
        let is_range = words.get(index + 1) == Some(&"to") && words.get(index + 3) == Some(&"bytes");
        let is_bytes = words.get(index + 1).is_some_and(|next| next.trim_end_matches([';', ',', '.']) == "bytes");
        match value {
            Some(value) if is_bytes => {
                let scale = Scale::of("bytes", value);
                let unit = words[index + 1].replace("bytes", &scale.unit);
                out.push(format!("{} {unit}", number::significant(scale.apply(value), 3)));
                index += 1;
            }
            Some(value) if is_range => {
                let scale = Scale::of("bytes", value);
                out.push(scale.label(&number::significant(scale.apply(value), 3)));
            }
            Some(value) if word.len() > LONG_NUMBER => out.push(number::significant(value, 3)),
            _ => out.push((*word).to_owned()),
        }
        index += 1;
    }
    out.join(" ")
}

/// The word for a verdict, with its tone.
pub(crate) fn verdict_word(verdict: Verdict) -> Text {
    match verdict {
        Verdict::Exceeded => Text::new("exceeded", Tone::Good),
        Verdict::Met => Text::new("met", Tone::Good),
        Verdict::Missed => Text::new("missed", Tone::Bad),
        Verdict::Unclear => Text::new("unclear", Tone::Doubt),
        Verdict::NotApplicable => Text::new("n/a", Tone::Faint),
    }
}

/// Figures that were not measured here: projected by stated factors, or published elsewhere. Each says so beside it.
pub(crate) fn projections(record: &Record) -> Option<Table> {
    let word = |metric: &Metric| match metric.provenance {
        Provenance::Projected => Some("projected"),
        Provenance::Reference => Some("reference"),
        Provenance::Measured | Provenance::Derived | Provenance::Unavailable => None,
    };
    let row = |metric: &Metric| {
        let figure = Text::from(format!("{} ({})", metric_title(metric), cell_words(&metric.cell)));
        let value = Text::from(format!("{} {}", word(metric)?, number::value(metric)));
        let why = metric.interval_reason.clone().unwrap_or_default();
        Some(vec![figure, value, readable(why.trim_start_matches("projected: ")).into()])
    };
    let rows: Vec<_> = record.metrics.iter().filter_map(row).collect();
    let columns =
        vec![Column::words("figure"), Column::numbers("value, not measured"), Column::words("range and factors")];
    (!rows.is_empty()).then(|| Table { columns, rows, ..Table::default() })
}

/// Findings of one kind.
#[derive(Debug)]
pub(crate) struct FindingGroup<'a> {
    /// Its heading.
    pub(crate) title: &'static str,
    /// The findings.
    pub(crate) findings: Vec<&'a Finding>,
}

/// The findings by kind; kinds without one are left out.
pub(crate) fn findings(record: &Record) -> Vec<FindingGroup<'_>> {
    let kinds = [
        (FindingKind::Strength, "Strengths"),
        (FindingKind::Weakness, "Weaknesses"),
        (FindingKind::Recommendation, "Recommendations"),
        (FindingKind::Limitation, "Known limitations"),
    ];
    let group = |(kind, title)| FindingGroup {
        title,
        findings: record.findings.iter().filter(|finding| finding.kind == kind).collect(),
    };
    kinds.into_iter().map(group).filter(|group| !group.findings.is_empty()).collect()
}

/// A step of the progress document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Whether it is done.
    pub(crate) is_done: bool,
    /// When it is due: `now`, `this week`, `within two weeks`, `within a month`.
    pub(crate) horizon: &'static str,
    /// What is to be done.
    pub(crate) text: String,
}

/// What is done and what is open, from the state of the phases, the verdicts and the recommendations.
pub(crate) fn next_steps(record: &Record) -> Vec<Step> {
    let step = |is_done, horizon, text: String| Step { is_done, horizon, text };
    let mut steps: Vec<Step> = Vec::new();
    for phase in Phase::WEIGH_IN {
        let status = record.phase(phase).map_or(Status::Pending, |result| result.status);
        let text = match status {
            Status::Complete => format!("phase {phase}"),
            Status::Skipped => format!("phase {phase}: skipped, run it with --phases {phase}"),
            Status::Pending | Status::Running | Status::Interrupted => {
                format!("phase {phase}: continue with weighbridge bench --resume {}", record.run_id)
            }
            Status::Failed => {
                format!("phase {phase}: read its notes, then weighbridge bench --resume {}", record.run_id)
            }
        };
        steps.push(step(status == Status::Complete, "now", text));
    }
    let recommended = |priority: &str| {
        let is_due = move |finding: &&Finding| finding.priority.as_deref().unwrap_or("future") == priority;
        let all = record.findings.iter().filter(|finding| finding.kind == FindingKind::Recommendation);
        all.filter(is_due).map(|finding| finding.text.clone()).collect::<Vec<_>>()
    };
    steps.extend(recommended("immediate").into_iter().map(|text| step(false, "this week", text)));
    for target in &record.targets {
        let text = format!("target {} ({}, {}): {}", target.name, target.profile, target.limit, target.because);
        match target.verdict {
            Verdict::Met | Verdict::Exceeded => steps.push(step(true, "within two weeks", text)),
            Verdict::Missed | Verdict::Unclear => steps.push(step(false, "within two weeks", text)),
            Verdict::NotApplicable => {}
        }
    }
    steps.extend(recommended("future").into_iter().map(|text| step(false, "within a month", text)));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_become_readable() {
        let check = |text: &str, expected: &str| assert_eq!(readable(text), expected);
        check("< 2000000000 bytes", "< 1.86 GiB");
        check("< 9.5367431640625 MiB/h", "< 9.54 MiB/h");
        check("> 30 tokens/s", "> 30 tokens/s");
        check("held 2048 bytes; 20260301T1 said", "held 2 KiB; 20260301T1 said");
        check("101916672.0000 to 169861120.0000 bytes by factors", "97.2 MiB to 162 MiB by factors");
        check("", "");
    }
}
