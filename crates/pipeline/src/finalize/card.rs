//! The data card: what is in a data set, where it is from, how good it is and how it was made. It holds no times, so that a rerun
//! writes the same bytes.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::extract::Losses;
use crate::quality::{JudgeReport, PlantedReport};
use crate::run::{Calls, StateCounts};
use crate::settings::Settings;

/// Version of the form of [`Card`].
pub const CARD_VERSION: u32 = 1;

/// What is in a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Version of this form.
    pub version: u32,
    /// A digest of settings, model and the digests of the documents in their order.
    pub digest: String,
    /// What became of the documents.
    pub documents: StateCounts,
    /// What became of their chunks.
    pub chunks: StateCounts,
    /// What became of the items.
    pub items: StateCounts,
    /// Extractions by class.
    pub extractions: BTreeMap<String, u64>,
    /// What was lost between replies and results.
    pub losses: Losses,
    /// Kept items by split.
    pub splits: BTreeMap<String, u64>,
    /// Kept items by type of question.
    pub types: BTreeMap<String, u64>,
    /// Kept items by language.
    pub languages: BTreeMap<String, u64>,
    /// Documents of which items were kept, by licence; `unknown` where nobody said.
    pub licences: BTreeMap<String, u64>,
    /// Documents by format.
    pub formats: BTreeMap<String, u64>,
    /// Pages of the documents that were used.
    pub pages: u64,
    /// Tokens of the documents that were used.
    pub tokens: u64,
    /// Whether they are an estimate.
    pub tokens_estimated: bool,
    /// Documents that share text, and therefore a split: clusters of more than one.
    pub shared_clusters: u64,
    /// Scores of the kept items.
    pub quality: QualityCard,
    /// How many wrong answers the grounding sees.
    pub planted: PlantedReport,
    /// What a judge said; `None` where there was none.
    pub judge: Option<JudgeReport>,
    /// The most used first words of questions, with their counts.
    pub first_words: Vec<(String, u64)>,
    /// The most used patterns of questions, with their counts.
    pub patterns: Vec<(String, u64)>,
    /// Whether there are fewer items than the settings want.
    pub is_too_small: bool,
    /// The model; `None` for patterns alone.
    pub model: Option<String>,
    /// What was paid for, over all runs of this folder.
    pub calls: Calls,
    /// The settings.
    pub settings: Settings,
    /// The files, by name.
    pub files: Vec<FileEntry>,
}

/// A file of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Lines.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
    /// Digest.
    pub sha256: String,
}

/// Scores of the kept items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QualityCard {
    /// Items.
    pub n: u64,
    /// Mean of the scores; `None` without items.
    pub mean: Option<f64>,
    /// The 95 % interval of the mean, where there are enough items.
    pub mean_interval: Option<(f64, f64)>,
    /// Standard deviation; `None` below two items.
    pub deviation: Option<f64>,
    /// Items by tenths of the score, the first from 0 to 0.1.
    pub histogram: [u64; 10],
    /// Means of the terms by name.
    pub terms: BTreeMap<String, f64>,
    /// How answerability was measured.
    pub answerability: String,
    /// Mean by document of the score by the reference system's formula, for comparison alone.
    pub reference_mean: Option<f64>,
}

/// The card for people.
#[must_use]
pub fn card_markdown(card: &Card) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_card(&mut text, card);
    text
}

fn write_card(text: &mut String, card: &Card) -> std::fmt::Result {
    let quality = &card.quality;
    let figure = |value: Option<f64>| value.map_or("none".to_owned(), |value| format!("{value:.3}"));
    writeln!(text, "# Data card\n")?;
    writeln!(
        text,
        "{} conversations from {} of {} documents. Every answer cites bytes of a frozen text under `documents/`.\n",
        card.items.used(),
        card.documents.used(),
        card.documents.admitted
    )?;
    if card.is_too_small {
        writeln!(text, "**Too small**: the settings want {} items at least.\n", card.settings.output.least_items)?;
    }
    writeln!(text, "| | admitted | ok | degraded | rejected | failed |\n|---|---|---|---|---|---|")?;
    for (name, counts) in [("documents", &card.documents), ("chunks", &card.chunks), ("items", &card.items)] {
        let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        let (degraded, rejected, failed) = (sum(&counts.degraded), sum(&counts.rejected), sum(&counts.failed));
        writeln!(text, "| {name} | {} | {} | {degraded} | {rejected} | {failed} |", counts.admitted, counts.ok)?;
    }
    writeln!(text, "\n## Why not\n")?;
    for (name, counts) in [("documents", &card.documents), ("chunks", &card.chunks), ("items", &card.items)] {
        for (state, reasons) in
            [("degraded", &counts.degraded), ("rejected", &counts.rejected), ("failed", &counts.failed)]
        {
            for (reason, count) in reasons {
                writeln!(text, "- {name} {state}, {reason}: {count}")?;
            }
        }
    }
    writeln!(text, "\n## Quality\n")?;
    writeln!(
        text,
        "Mean score {} of {} items, deviation {}. Terms: {}. Answerability is {}.",
        figure(quality.mean),
        quality.n,
        figure(quality.deviation),
        quality.terms.iter().map(|(name, mean)| format!("{name} {mean:.3}")).collect::<Vec<_>>().join(", "),
        quality.answerability,
    )?;
    if let Some((low, high)) = quality.mean_interval {
        writeln!(text, "95 % interval of the mean: {low:.3} to {high:.3}.")?;
    }
    if let Some((share, low, high)) = card.planted.share {
        writeln!(
            text,
            "Planted wrong answers caught by the grounding: {:.1} % ({:.1} to {:.1}).",
            share * 100.0,
            low * 100.0,
            high * 100.0
        )?;
    }
    if let Some(judge) = &card.judge {
        writeln!(text, "A judge with the source before it passed {} of {} items.", judge.passed, judge.judged)?;
        if let Some((share, low, high)) = judge.catch_rate {
            writeln!(
                text,
                "It caught {:.1} % of {} planted errors ({:.1} to {:.1}).",
                share * 100.0,
                judge.planted,
                low * 100.0,
                high * 100.0
            )?;
        }
    }
    if let Some(mean) = quality.reference_mean {
        writeln!(
            text,
            "The reference system's formula gives documents {mean:.3} on average; it decides nothing here."
        )?;
    }
    for (title, counts) in [
        ("Splits", &card.splits),
        ("Types of questions", &card.types),
        ("Languages", &card.languages),
        ("Licences of documents", &card.licences),
        ("Formats of documents", &card.formats),
        ("Extractions", &card.extractions),
    ] {
        writeln!(text, "\n## {title}\n")?;
        for (name, count) in counts {
            writeln!(text, "- {name}: {count}")?;
        }
    }
    writeln!(text, "\n## How it was made\n")?;
    writeln!(text, "- model: {}", card.model.as_deref().unwrap_or("none, patterns alone"))?;
    writeln!(text, "- seed: {}", card.settings.seed)?;
    writeln!(text, "- digest: {}", card.digest)?;
    writeln!(
        text,
        "- {} pages, {} tokens{}",
        card.pages,
        card.tokens,
        if card.tokens_estimated { ", estimated" } else { "" }
    )?;
    writeln!(text, "- {} clusters of documents share text, and each is in one split", card.shared_clusters)?;
    writeln!(text, "\n## Files\n\n| file | lines | bytes | sha256 |\n|---|---|---|---|")?;
    for file in &card.files {
        writeln!(text, "| {} | {} | {} | {} |", file.name, file.lines, file.bytes, file.sha256)?;
    }
    Ok(())
}
