//! From the lines of the log to figures, read twice: once for the stages of each load and for what is to be marked, once
//! for what lies in the window.

use std::time::Duration;

use weighbridge_stats::Confidence;
use weighbridge_stats::adaptive::Looks;
use weighbridge_summary::{Basis, LoadFigures, LoadKind, LoadPlan, LoadSummary, Slo, TimeBins, Until, UntilPlan};
use weighbridge_telemetry::Watched;
use weighbridge_types::breach::Marks;
use weighbridge_types::event::RunEvent;
use weighbridge_types::record::{LogLine, Phase};
use weighbridge_types::telemetry::Telemetry;

use crate::answers::AnswerSettings;
use crate::error::LoadError;
use crate::journal::Journal;
use crate::ledger::Recount;
use crate::settings::{LoadSettings, Warmup};

/// How often the log is read.
const READINGS: u64 = 2;

/// What the figures of a run depend on; it is kept with the settings, so that a validator computes the same.
pub(crate) fn plan(settings: &LoadSettings) -> Result<LoadPlan, LoadError> {
    let is_open = settings.searches_rates() || settings.shapes.iter().any(|shape| shape.is_open());
    let until = settings.until.as_deref().map(str::parse::<Until>).transpose()?;
    // With a precision to reach, the duration is that of all rounds.
    let schedule = settings.duration_s.map(Duration::from_secs_f64).filter(|_| is_open && until.is_none());
    let looks = Looks::up_to(settings.runs as usize);
    let until = until.map(|wanted| UntilPlan { wanted, confidence: looks.confidence(Confidence::P95).level() });
    let slo = settings.slo.as_deref().map(str::parse::<Slo>).transpose()?;
    Ok(LoadPlan {
        kind: if is_open { LoadKind::Open } else { LoadKind::Closed },
        warmup: match settings.warmup {
            Warmup::Auto => weighbridge_summary::Warmup::Auto,
            // The driver flags them.
            Warmup::Sessions(_) => weighbridge_summary::Warmup::None,
            Warmup::Seconds(seconds) => weighbridge_summary::Warmup::Time(Duration::from_secs_f64(seconds)),
        },
        schedule,
        slo: slo.unwrap_or_default(),
        late_after: Duration::from_secs_f64(settings.lag_limit_ms / 1e3),
        is_soak: settings.checkpoint_s.is_some(),
        percentiles: settings.percentiles.clone(),
        answers: settings.answers.map(AnswerSettings::plan),
        until,
        ..LoadPlan::default()
    })
}

/// The figures of everything that the log holds from a mark on, and what was seen of the server meanwhile. Watchers are
/// told of it: it takes seconds after a long load.
pub(crate) fn read(
    journal: &mut dyn Journal,
    from: u64,
    plan: &LoadPlan,
    basis: &Basis,
) -> Result<(LoadFigures, Watched), LoadError> {
    read_recounted(journal, from, plan, basis, None)
}

/// The same with the tokens of the answers counted again.
pub(crate) fn read_recounted(
    journal: &mut dyn Journal,
    from: u64,
    plan: &LoadPlan,
    basis: &Basis,
    recount: Option<&Recount>,
) -> Result<(LoadFigures, Watched), LoadError> {
    tell(journal, 0)?;
    let (mut bins, mut marks) = (TimeBins::new(plan), Marks::default());
    journal.replay(from, &mut |line| {
        marks.take(&line);
        if let LogLine::Request(row) = line {
            bins.push(&row);
        }
    })?;
    tell(journal, 1)?;
    let stages = bins.stages();
    let mut summary = LoadSummary::new(&stages, plan, basis);
    let mut watched = Watched::new(stages.windows());
    journal.replay(from, &mut |line| match line {
        LogLine::Request(mut row) => {
            marks.mark(&mut row);
            summary.push_recounted(&row, recount.and_then(|recount| recount.count(&row)));
        }
        LogLine::Resource { sample, .. } => summary.push_sample(&sample),
        LogLine::Telemetry { seen, .. } => {
            if let Telemetry::Tree(sample) = &seen {
                summary.push_tree(sample);
            }
            watched.push(seen);
        }
        _ => {}
    })?;
    tell(journal, READINGS)?;
    Ok((summary.finish(), watched))
}

/// Says how many readings of the log are done.
fn tell(journal: &mut dyn Journal, done: u64) -> Result<(), LoadError> {
    let what = "figures from the event log".to_owned();
    Ok(journal.event(&RunEvent::Progress { phase: Phase::Load, what, done, total: READINGS })?)
}
