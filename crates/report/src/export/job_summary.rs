//! A short page for a CI job: verdicts first, then the figure of each phase.

use weighbridge_types::record::{Record, Verdict};

use super::ExportFile;
use crate::import::KIND;
use crate::{number, view};

/// Notes shown; the report has all.
const MOST_NOTES: usize = 10;

pub(super) fn export(record: &Record) -> ExportFile {
    let mut out = format!("## weighbridge {}: {}\n\n", escape(&record.kind), escape(&record.run_id));
    out.push_str(&format!(
        "{} on {}, {}.\n\n",
        escape(&record.engine.model),
        escape(&record.engine.engine),
        view::status_word(record.status)
    ));
    if record.kind == KIND {
        let tool = record.settings.pointer("/import/tool").and_then(|tool| tool.as_str()).unwrap_or("another tool");
        out.push_str(&format!("The figures are those of {}; weighbridge did not measure them.\n\n", escape(tool)));
    }
    targets(&mut out, record);
    phases(&mut out, record);
    let notes: Vec<&String> = record.phases.iter().flat_map(|phase| &phase.notes).collect();
    for note in notes.iter().take(MOST_NOTES) {
        out.push_str(&format!("- {}\n", escape(note)));
    }
    if notes.len() > MOST_NOTES {
        out.push_str(&format!("- {} more notes stand in the report\n", notes.len() - MOST_NOTES));
    }
    ExportFile::text("job-summary.md", out)
}

fn targets(out: &mut String, record: &Record) {
    if record.targets.is_empty() {
        return;
    }
    let count = |verdict| record.targets.iter().filter(|target| target.verdict == verdict).count();
    out.push_str(&format!(
        "**Targets: {} met, {} missed, {} unclear.**\n\n| verdict | target | limit | observed | why |\n|---|---|---|---|---|\n",
        count(Verdict::Met) + count(Verdict::Exceeded),
        count(Verdict::Missed),
        count(Verdict::Unclear)
    ));
    for line in view::targets(record) {
        let cells = [&line.verdict.text, &line.name, &line.limit, &line.observed, &line.because];
        let cells: Vec<String> = cells.into_iter().map(|text| escape(text)).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out.push('\n');
}

fn phases(out: &mut String, record: &Record) {
    out.push_str("| phase | status | figure | value | n |\n|---|---|---|---:|---:|\n");
    for phase in &record.phases {
        let metric = phase.key_metric.as_ref().and_then(|pointer| record.metric(&pointer.key, &pointer.cell));
        let (key, value, n) = metric.map_or_else(Default::default, |metric| {
            (format!("{} [{}]", metric.key(), metric.cell), number::figure(metric), metric.n.to_string())
        });
        let cells = [phase.phase.name(), view::status_word(phase.status), &key, &value, &n].map(escape);
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out.push('\n');
}

/// Text that Markdown shows as it is.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::console::sanitize(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
