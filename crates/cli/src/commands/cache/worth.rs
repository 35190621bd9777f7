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
        for name in ["hits %", "effectiveness %", "overhead %", "net %"] {
            let _ = write!(text, "  {name:<19}");
        }
        text.push('\n');
        for row in &self.rows {
            let figures = &row.figures;
            let _ = write!(text, "{:<10} {:>6}", row.name, figures.n);
            for figure in [figures.hit_rate, figures.effectiveness, figures.overhead, figures.net] {
                let _ = write!(text, "  {:<19}", percent(figure));
            }
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
    format!("{:.1}{}", 100.0 * figure.value, range(figure, 100.0))
}

fn range(figure: ReuseFigure, scale: f64) -> String {
    match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!(" ({:.1}..{:.1})", scale * low, scale * high),
        _ => String::new(),
    }
}
