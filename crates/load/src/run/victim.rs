//! The victim's part of a run: alone first, then beside each load.

use weighbridge_summary::{STREAM, VICTIM, victim_alone};
use weighbridge_types::metric::Cell;
use weighbridge_types::record::{Finding, FindingKind, MetricPointer, Phase, Record};

use super::{Loaded, Runner, starts};
use crate::drive::Pace;
use crate::error::LoadError;
use crate::probe::{FIRST, Probe};
use crate::settings::Shape;
use crate::victim::Victim;

/// Numbers that one load leaves to its victim. More sessions than this would have run into those of the next.
const STRIDE: u64 = 1 << 28;

impl Runner<'_> {
    /// The victim beside a load, if there is one.
    pub(super) fn probe(&self, cell: &Cell) -> Result<Option<Probe>, LoadError> {
        let Some(victim) = self.victim()? else { return Ok(None) };
        let settings = &self.settings;
        Ok(Some(Probe {
            cell: cell.clone().with(STREAM, VICTIM),
            traffic: victim.traffic(&self.setup.engines[0], settings.seed, settings.salt)?,
            first: FIRST + u64::from(self.made) * STRIDE,
            starts: starts(&victim.arrivals(), settings.seed.wrapping_add(u64::from(self.made)))?,
        }))
    }

    fn victim(&self) -> Result<Option<Victim>, LoadError> {
        self.settings.victim.as_deref().map(str::parse).transpose()
    }

    /// Lets the victim run alone: what it sees then is what it is entitled to.
    pub(super) async fn victim_alone(&mut self, count: u32, round: Option<u32>) -> Result<Loaded, LoadError> {
        self.made += 1;
        let alone = victim_alone(&Cell::of(Phase::Load));
        let cell = round.map_or(alone.clone(), |round| alone.with("run", round));
        let shape = Shape::Arrivals(self.victim()?.map(|victim| victim.arrivals()).unwrap_or_default());
        let mut drive = self.drive(&shape, &cell, round)?;
        if let Some(probe) = drive.probe.take() {
            drive.first = probe.first;
            drive.traffic = probe.traffic;
            drive.pace = Pace::Open { starts: probe.starts, most: None };
        }
        drive.warmup_sessions = 0;
        self.play(shape, drive, count, round).await
    }
}

/// What the victim saw, in words.
pub(super) fn findings(record: &Record) -> Vec<Finding> {
    let ratios = record.metrics.iter().filter(|metric| metric.name == "victim_ttft_ratio");
    ratios
        .filter_map(|metric| {
            let (value, interval) = (metric.value?, metric.interval.as_ref()?);
            let beside: Vec<String> = metric
                .cell
                .iter()
                .filter(|(key, _)| !matches!(*key, "phase" | STREAM))
                .map(|(key, value)| format!("{key} {value}"))
                .collect();
            let range = format!("{:.2} to {:.2}", interval.low, interval.high);
            let (kind, verdict) = match (interval.low > 1.0, interval.high < 1.0) {
                (true, _) => (FindingKind::Weakness, "is slowed down"),
                (_, true) => (FindingKind::Strength, "is faster"),
                _ => (FindingKind::Limitation, "may or may not be slowed down"),
            };
            let text = format!(
                "beside {} the victim {verdict}: its time to first token is {value:.2} times that of running alone ({range})",
                beside.join(", ")
            );
            Some(Finding {
                rule: "victim".to_owned(),
                kind,
                priority: None,
                impact: None,
                text,
                evidence: vec![MetricPointer { key: metric.key(), cell: metric.cell.clone() }],
            })
        })
        .collect()
}
