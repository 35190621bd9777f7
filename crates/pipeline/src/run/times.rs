//! What each stage took, and which of its steps took most.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The six stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Finding and reading files.
    Input,
    /// From files to Markdown.
    Conversion,
    /// From Markdown to chunks.
    Preprocessing,
    /// What the chunks say.
    Extraction,
    /// Questions and answers.
    Conversations,
    /// Choosing, dividing and writing.
    Finalization,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 6] =
        [Self::Input, Self::Conversion, Self::Preprocessing, Self::Extraction, Self::Conversations, Self::Finalization];

    /// The name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Conversion => "conversion",
            Self::Preprocessing => "preprocessing",
            Self::Extraction => "extraction",
            Self::Conversations => "conversations",
            Self::Finalization => "finalization",
        }
    }

    /// What bounds it, as a rule.
    #[must_use]
    pub const fn bound(self) -> &'static str {
        match self {
            Self::Input | Self::Finalization => "io_bound",
            Self::Conversion | Self::Preprocessing => "cpu_bound",
            Self::Extraction | Self::Conversations => "memory_bound",
        }
    }
}

/// Time by stage and step. Times of several workers add up, and may be more than the run took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageTimes {
    steps: BTreeMap<(Stage, &'static str), Duration>,
}

/// What a stage took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRow {
    /// Which.
    pub stage: Stage,
    /// Time of all workers, s.
    pub busy_seconds: f64,
    /// Share of the time of all stages, per cent; `None` where none took any.
    pub share_percent: Option<f64>,
    /// What bounds it, as a rule.
    pub bound: String,
    /// The step that took most of it; `None` where it took no time.
    pub bottleneck: Option<String>,
    /// What its steps took, s, in the order of their names.
    pub steps: BTreeMap<String, f64>,
    /// Processor share, per cent; the edge measures it, `None` where it does not.
    pub cpu_percent: Option<f64>,
    /// Peak of memory, bytes; likewise.
    pub memory_peak_bytes: Option<u64>,
    /// Share of a GPU, per cent; `None` where there is none.
    pub gpu_percent: Option<f64>,
}

impl StageTimes {
    /// Adds time of a step.
    pub fn add(&mut self, stage: Stage, step: &'static str, time: Duration) {
        *self.steps.entry((stage, step)).or_default() += time;
    }

    /// Adds the times of another.
    pub fn merge(&mut self, other: &Self) {
        for ((stage, step), time) in &other.steps {
            self.add(*stage, step, *time);
        }
    }

    /// Six rows, in order.
    #[must_use]
    pub fn rows(&self) -> Vec<StageRow> {
        let all: Duration = self.steps.values().sum();
        Stage::ALL.into_iter().map(|stage| self.row(stage, all)).collect()
    }

    fn row(&self, stage: Stage, all: Duration) -> StageRow {
        let steps = self.steps.iter().filter(|((known, _), _)| *known == stage);
        let own: Vec<(&'static str, Duration)> = steps.map(|((_, step), time)| (*step, *time)).collect();
        let busy: Duration = own.iter().map(|(_, time)| time).sum();
        // Of equals the first by name.
        let slowest = own.iter().rev().max_by_key(|(_, time)| *time).filter(|(_, time)| !time.is_zero());
        let seconds = |time: Duration| time.as_secs_f64();
        StageRow {
            stage,
            busy_seconds: seconds(busy),
            share_percent: (!all.is_zero()).then(|| 100.0 * seconds(busy) / seconds(all)),
            bound: stage.bound().to_owned(),
            bottleneck: slowest.map(|(step, _)| (*step).to_owned()),
            steps: own.iter().map(|(step, time)| ((*step).to_owned(), seconds(*time))).collect(),
            cpu_percent: None,
            memory_peak_bytes: None,
            gpu_percent: None,
        }
    }

    /// The stage that took most, and its slowest step.
    #[must_use]
    pub fn bottleneck(&self) -> Option<(Stage, String)> {
        let rows = self.rows();
        let slowest = rows.iter().rev().max_by(|one, two| one.busy_seconds.total_cmp(&two.busy_seconds))?;
        slowest.bottleneck.clone().map(|step| (slowest.stage, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_slow_step_is_named() {
        let mut times = StageTimes::default();
        let second = Duration::from_secs(1);
        times.add(Stage::Input, "read", second);
        times.add(Stage::Preprocessing, "split", second);
        times.add(Stage::Preprocessing, "language", 5 * second);
        times.add(Stage::Extraction, "patterns", 3 * second);
        assert_eq!(times.bottleneck(), Some((Stage::Preprocessing, "language".to_owned())));
        let rows = times.rows();
        assert_eq!(rows.iter().map(|row| row.stage).collect::<Vec<_>>(), Stage::ALL);
        let shares: f64 = rows.iter().filter_map(|row| row.share_percent).sum();
        assert!((shares - 100.0).abs() < 1e-9);
        assert_eq!(rows[5].bottleneck, None);
    }

    #[test]
    fn nothing_has_no_bottleneck() {
        assert_eq!(StageTimes::default().bottleneck(), None);
        assert_eq!(StageTimes::default().rows()[0].share_percent, None);
    }
}
