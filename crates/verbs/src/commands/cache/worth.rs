//! What a cache was worth, printed.

use std::fmt::Write as _;

use serde::Serialize;
use weighbridge_load::{ReuseFigure, ReuseFigures, Reused, reuse_figures};

use crate::arguments::OutputFormat;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// What one cache was worth for some requests.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    #[serde(flatten)]
    figures: ReuseFigures,
    /// Bytes that the cache took afterwards.
    bytes: u64,
    /// Where near prompts get kept answers: how that went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) near: Option<NearRow>,
}

/// Near prompts, each of whose answers was computed as well.
#[derive(Serialize)]
pub(super) struct NearRow {
    /// Hits of them.
    pub(super) hits: usize,
    /// Share of those whose kept answer is the one that the model gives; `None` without hits.
    pub(super) equal_share: Option<ReuseFigure>,
}

/// A table of rows.
#[derive(Serialize)]
pub(super) struct Worth<'a> {
    /// The name of the bench.
    pub(super) bench: &'static str,
    /// What was asked.
    pub(super) models: &'a [String],
    /// Of texts and order.
    pub(super) seed: u64,
    pub(super) rows: Vec<Row>,
    /// What a reader must know.
    pub(super) notes: Vec<&'static str>,
}

impl Row {
    /// A row of requests; refused where there is nothing to compute it from.
    pub(super) fn new(name: &str, rows: &[Reused], seed: u64, bytes: u64) -> Result<Self, Failure> {
        let nothing = || Failure::new(Exit::Invalid, format!("weigh `{name}`: nothing took time"), "ask more often");
        let figures = reuse_figures(rows, seed).ok_or_else(nothing)?;
        Ok(Self { name: name.to_owned(), figures, bytes, near: None })
    }
}

impl Worth<'_> {
    /// Prints it.
    pub(super) fn print(&self, format: OutputFormat) -> Result<Exit, Failure> {
        match format {
            OutputFormat::Json => output::json(self)?,
            OutputFormat::Console => output::data(&self.text())?,
        }
        Ok(Exit::Pass)
    }

    fn text(&self) -> String {
        let mut text = format!("{:<10} {:>6}", "", "n");
        for name in ["hits %", "effectiveness %", "overhead %"] {
            let _ = write!(text, "  {name:<19}");
        }
        text.push_str("  net %\n");
        for row in &self.rows {
            let figures = &row.figures;
            let _ = write!(text, "{:<10} {:>6}", row.name, figures.n);
            for figure in [figures.hit_rate, figures.effectiveness, figures.overhead] {
                let _ = write!(text, "  {:<19}", percent(figure));
            }
            let _ = write!(text, "  {}", percent(figures.net));
            let _ = writeln!(
                text,
                "\n  {:.3} ms without the cache, {:.3} ms with it: {:.2} times as fast{}; {:.3} MB kept",
                figures.without_ms,
                figures.with_ms,
                figures.speedup.value,
                range(figures.speedup, 1.0),
                row.bytes as f64 / 1e6
            );
            if let Some(near) = &row.near {
                let equal = near.equal_share.map_or(String::new(), |share| {
                    format!("; {} % of those answers are the model's own", percent(share))
                });
                let _ = writeln!(text, "  {} hits of near prompts{equal}", near.hits);
            }
        }
        text.push_str(
            "hits: of requests. The others are shares of the time without the cache: what hits save, what the cache adds to\n\
             misses, and what is left. Ranges hold in 95 of 100 cases.\n",
        );
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        text
    }
}

fn percent(figure: ReuseFigure) -> String {
    format!("{:.1}{}", shown(100.0 * figure.value), range(figure, 100.0))
}

fn range(figure: ReuseFigure, scale: f64) -> String {
    match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!(" ({:.1}..{:.1})", shown(scale * low), shown(scale * high)),
        _ => String::new(),
    }
}

/// A number with one decimal, without the sign of a zero.
fn shown(number: f64) -> f64 {
    (10.0 * number).round() / 10.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_figures_and_a_zero_no_sign() {
        let rows = [(true, 1.0, 10.0), (true, 1.0, 10.0), (false, 9.999, 10.0)];
        let rows = rows.map(|(is_hit, with_s, without_s)| Reused { is_hit, with_s, without_s });
        let near = NearRow { hits: 1, equal_share: Some(ReuseFigure { value: 0.0, low: Some(0.0), high: Some(0.79) }) };
        let row = Row { near: Some(near), ..Row::new("mixed", &rows, 1, 2_000).ok().unwrap() };
        let text = Worth { bench: "workloads", models: &[], seed: 1, rows: vec![row], notes: vec!["a note"] }.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("mixed           3  66.7 ("), "{text}");
        assert!(lines[1].contains("  60.0 (") && lines[1].contains("  0.0 (") && !lines[1].contains("-0.0"), "{text}");
        assert!(lines[2].contains("10000.000 ms without the cache") && lines[2].ends_with("0.002 MB kept"), "{text}");
        assert_eq!(lines[3], "  1 hits of near prompts; 0.0 (0.0..79.0) % of those answers are the model's own");
        assert_eq!(lines.last(), Some(&"a note"));
    }
}
