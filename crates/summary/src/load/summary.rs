//! The second reading: from rows to figures.

use std::collections::BTreeMap;

use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::Tally;
use weighbridge_types::request::RequestRow;
use weighbridge_types::resource::ResourceSample;
use weighbridge_types::server::ProcessTreeSample;
use weighbridge_types::telemetry::LoadWindow;

use super::answers::Answers;
use super::cells::Cells;
use super::compared::comparisons;
use super::figures::{Figures, Kept};
use super::plan::LoadPlan;
use super::precision::{Reached, reached, state};
use super::soak::Soak;
use super::stages::{CellStages, LoadSeries, Stages, Steady};
use super::window::{Point, metrics};
use crate::basis::Basis;
use crate::rows::figure_cell;

/// Values that a series with one value per request keeps. It does not hang on the number of load points: the figures of a
/// point are the same whether its rows are read alone, as a search does, or among others, as the validator does.
const KEPT_OF_REQUESTS: usize = 65_536;

/// Values that a series of gaps keeps; a request has many.
const KEPT_OF_GAPS: usize = 131_072;

/// What a load run says.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadFigures {
    /// Every figure, in the order of load points.
    pub metrics: Vec<Metric>,
    /// The time chart of every load point, repetitions apart.
    pub series: Vec<(Cell, LoadSeries)>,
    /// The window of every load point, repetitions apart, for figures of what else was seen then.
    pub windows: Vec<LoadWindow>,
    /// Where its requests ended up, flagged warm-up left out; requests before and after the window are counted.
    pub tally: Tally,
    /// Requests of the tally that the client disturbed: their rows are marked.
    pub disturbed: u64,
    /// How well the figures are known that the load goes on for.
    pub reached: Vec<Reached>,
    /// What a reader must know: how each window was found, and what could not be.
    pub notes: Vec<String>,
}

/// The second reading of an event log: everything that needs to know the window. Flat in the number of requests: at most
/// 20 MiB for each load point, before as after its series become histograms.
#[derive(Clone, Debug)]
pub struct LoadSummary {
    stages: Stages,
    plan: LoadPlan,
    basis: Basis,
    cells: Cells<Figures>,
    tally: Tally,
    disturbed: u64,
    strangers: u64,
    soak: Option<Soak>,
    answers: Answers,
}

impl LoadSummary {
    /// Begins a reading with the stages that the first one found, under the same plan.
    #[must_use]
    pub fn new(stages: &Stages, plan: &LoadPlan, basis: &Basis) -> Self {
        Self::with_kept(stages, plan, basis, Kept { of_requests: KEPT_OF_REQUESTS, of_gaps: KEPT_OF_GAPS })
    }

    /// As [`new`](Self::new), with the number of values that every series keeps before it becomes a histogram.
    #[must_use]
    pub fn with_limit(stages: &Stages, plan: &LoadPlan, basis: &Basis, limit: usize) -> Self {
        Self::with_kept(stages, plan, basis, Kept { of_requests: limit, of_gaps: limit })
    }

    fn with_kept(stages: &Stages, plan: &LoadPlan, basis: &Basis, kept: Kept) -> Self {
        let (stages, plan, basis) = (stages.clone(), plan.clone(), basis.clone());
        let mut cells = Cells::default();
        for (cell, stage) in stages.iter() {
            let is_single_stream = plan.is_single_stream(cell);
            cells.entry(cell, || Figures::new(stage, &plan, is_single_stream, kept));
        }
        let soak = plan.is_soak.then(Soak::default);
        Self {
            stages,
            plan,
            basis,
            cells,
            tally: Tally::default(),
            disturbed: 0,
            strangers: 0,
            soak,
            answers: Answers::default(),
        }
    }

    /// Takes a row.
    pub fn push(&mut self, row: &RequestRow) {
        self.push_recounted(row, None);
    }

    /// Takes a row whose text was tokenized again after the run: the tokens that were counted.
    pub fn push_recounted(&mut self, row: &RequestRow, recount: Option<u32>) {
        if row.warmup {
            return;
        }
        if let Some(soak) = &mut self.soak {
            soak.push(row);
        }
        if let Some(plan) = &self.plan.answers {
            self.answers.push(row, plan);
        }
        self.tally.count(row);
        self.disturbed += u64::from(!row.client_faults.is_empty());
        match self.cells.get_mut(&row.cell) {
            Some(figures) => figures.push(row, recount, &self.plan),
            None => self.strangers += 1,
        }
    }

    /// Takes a sample of this process: what the client itself used.
    pub fn push_sample(&mut self, sample: &ResourceSample) {
        self.cells.values_mut().for_each(|figures| figures.push_sample(sample));
        if let Some(soak) = &mut self.soak {
            soak.push_sample(sample);
        }
    }

    /// Takes a sample of the server's processes.
    pub fn push_tree(&mut self, sample: &ProcessTreeSample) {
        if let Some(soak) = &mut self.soak {
            soak.push_tree(sample);
        }
    }

    /// Ends the reading. The same rows in the same order, and the same plan and basis, give the same figures.
    #[must_use]
    pub fn finish(self) -> LoadFigures {
        let Self { stages, plan, basis, cells, tally, disturbed, strangers, soak, answers } = self;
        let mut notes: Vec<String> = stages.iter().flat_map(|(cell, stage)| notes_of(cell, stage)).collect();
        if strangers > 0 {
            notes.push(format!("{strangers} requests are of load points that the first reading did not see"));
        }
        let mut points: BTreeMap<Cell, Vec<Point>> = BTreeMap::new();
        let mut windows = Vec::new();
        for (cell, mut figures) in cells.into_sorted() {
            if let Some(stages) = stages.get(&cell) {
                figures.close_sessions();
                windows.push(figures.load_window(&cell));
                points.entry(figure_cell(&cell)).or_default().push(Point { figures, stages });
            }
        }
        let compared = comparisons(&points, &basis);
        let reached = reached(&points, &plan, &basis);
        let mut metrics: Vec<Metric> =
            points.into_iter().flat_map(|(cell, runs)| metrics(&cell, runs, &plan, &basis)).collect();
        metrics.extend(compared);
        state(&mut metrics, &reached, &basis);
        metrics.extend(answers.figures(&plan, &basis));
        if let Some(soak) = &soak {
            metrics.extend(soak.figures(&basis));
            metrics.extend(soak.trends(&basis));
            notes.extend(soak.notes());
        }
        let series = stages.iter().map(|(cell, stage)| (cell.clone(), stage.series.clone())).collect();
        LoadFigures { metrics, series, windows, tally, disturbed, reached, notes }
    }
}

/// A load point for people: what is varied.
fn name_of(cell: &Cell) -> String {
    let settings: Vec<String> =
        cell.iter().filter(|(key, _)| *key != "phase").map(|(key, value)| format!("{key} {value}")).collect();
    if settings.is_empty() { "the load".to_owned() } else { settings.join(", ") }
}

fn notes_of(cell: &Cell, stage: &CellStages) -> Vec<String> {
    let name = name_of(cell);
    let mut notes = vec![format!("{name}: {}", stage.rule)];
    match &stage.steady {
        Steady::Yes => {}
        Steady::No { because } => notes.push(format!("{name}: not steady: {because}")),
        // The rule that looked for the end of warm-up has said why already.
        Steady::Unknown { because } if stage.rule.ends_with(because) => {}
        Steady::Unknown { because } => notes.push(format!("{name}: steadiness unknown: {because}")),
    }
    if stage.window().is_zero() {
        notes.push(format!("{name}: no window is left after warm-up; no figure could be had"));
    }
    notes
}
