//! Which models are worth a look: no other is at least as good, as fast and as cheap.

use serde::Serialize;
use weighbridge_stats::Resampling;
use weighbridge_stats::classify::resample::unit_bootstrap;
use weighbridge_types::sample::SampleOutcome;

use super::{Cell, CellReader, Study};

/// Parts that the documents of a task are put into for resampling: their means are then drawn instead of single documents,
/// which costs the same at any number of documents.
const PARTS: usize = 200;

/// Where a model stands among quality, latency and cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The model.
    pub model: String,
    /// Mean over tasks of the share of documents answered right; one without an answer is not right.
    pub quality: f64,
    /// Mean latency of a document, milliseconds, over tasks.
    pub latency_ms: Option<f64>,
    /// Mean cost of a document, over tasks, in the currency of the study's prices.
    pub cost: Option<f64>,
    /// Whether no other model is better in one of these and no worse in the others.
    pub on_front: bool,
    /// Share of resamples in which it was.
    pub membership: f64,
    /// Models that are better in one and no worse in the others.
    pub dominated_by: Vec<String>,
}

/// Sums of one part of a task's documents.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f64,
    right: f64,
    latency_ms: f64,
    cost: f64,
}

/// The documents of one model, by task and part.
struct Model<'a> {
    name: &'a str,
    tasks: Vec<Vec<Sums>>,
    has_cost: bool,
    has_latency: bool,
}

/// Quality (more is better), latency and cost (less is better).
type Point = [f64; 3];

/// Stands every model whose cells all have answers that are right or wrong. Cost counts where all models have prices, and
/// latency where all have it.
///
/// Membership comes from resampled parts of documents, the same parts for every model, so that hard documents are hard for
/// all.
#[must_use]
pub fn front(study: &Study, readers: &[CellReader], resampling: Resampling) -> Vec<Standing> {
    let cells = study.cells();
    let of_cell = |model: usize, task: usize| {
        let place = cells.iter().position(|cell| *cell == Cell { model, task, again: false })?;
        readers.get(place).filter(|reader| !reader.is_empty())
    };
    let model = |place: usize| {
        let readers: Option<Vec<&CellReader>> = (0..study.tasks.len()).map(|task| of_cell(place, task)).collect();
        parts(study.models[place].name(), &readers?)
    };
    let models: Vec<Model<'_>> = (0..study.models.len()).filter_map(model).collect();
    let uses = [true, models.iter().all(|model| model.has_latency), models.iter().all(|model| model.has_cost)];
    let everything = vec![1.0; PARTS];
    let points: Vec<Point> = models.iter().map(|model| point(model, &everything, uses)).collect();
    let replicates = unit_bootstrap(PARTS, resampling, models.len(), |drawn, out| {
        let points: Vec<Point> = models.iter().map(|model| point(model, drawn, uses)).collect();
        for (place, member) in out.iter_mut().enumerate() {
            *member = f64::from(u8::from(dominators(&points, place).next().is_none()));
        }
    });
    let standing = |(place, model): (usize, &Model<'_>)| {
        let dominated_by: Vec<String> = dominators(&points, place).map(|other| models[other].name.to_owned()).collect();
        let list = &replicates[place];
        Standing {
            model: model.name.to_owned(),
            quality: points[place][0],
            latency_ms: uses[1].then_some(points[place][1]),
            cost: uses[2].then_some(points[place][2]),
            on_front: dominated_by.is_empty(),
            membership: list.iter().sum::<f64>() / list.len().max(1) as f64,
            dominated_by,
        }
    };
    models.iter().enumerate().map(standing).collect()
}

fn parts<'a>(name: &'a str, readers: &[&CellReader]) -> Option<Model<'a>> {
    let (mut has_cost, mut has_latency) = (true, true);
    let mut tasks = Vec::new();
    for reader in readers {
        let mut parts = vec![Sums::default(); PARTS];
        for (place, row) in reader.kept().enumerate() {
            if row.outcome == SampleOutcome::Answered {
                return None;
            }
            has_cost &= row.cost.is_some();
            has_latency &= row.latency_ms.is_some();
            let part = &mut parts[place % PARTS];
            part.count += 1.0;
            part.right += f64::from(u8::from(row.outcome == SampleOutcome::Right));
            part.latency_ms += row.latency_ms.unwrap_or_default();
            part.cost += row.cost.unwrap_or_default();
        }
        tasks.push(parts);
    }
    Some(Model { name, tasks, has_cost, has_latency })
}

/// Means over tasks of the drawn parts. What is not used is the same for all.
fn point(model: &Model<'_>, drawn: &[f64], uses: [bool; 3]) -> Point {
    let mut point = [0.0; 3];
    for parts in &model.tasks {
        let mut sum = Sums::default();
        for (part, times) in parts.iter().zip(drawn) {
            sum.count += times * part.count;
            sum.right += times * part.right;
            sum.latency_ms += times * part.latency_ms;
            sum.cost += times * part.cost;
        }
        let count = sum.count.max(1.0) * model.tasks.len() as f64;
        for (value, (sum, is_used)) in point.iter_mut().zip([sum.right, sum.latency_ms, sum.cost].into_iter().zip(uses))
        {
            *value += if is_used { sum / count } else { 0.0 };
        }
    }
    point
}

/// Places of the points that are better in one respect and no worse in the others.
fn dominators(points: &[Point], place: usize) -> impl Iterator<Item = usize> + '_ {
    let ours = points[place];
    (0..points.len()).filter(move |&other| {
        let theirs = points[other];
        let is_no_worse = theirs[0] >= ours[0] && theirs[1] <= ours[1] && theirs[2] <= ours[2];
        is_no_worse && (theirs[0] > ours[0] || theirs[1] < ours[1] || theirs[2] < ours[2])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::StudyModel;
    use std::collections::BTreeMap;
    use weighbridge_types::sample::SampleRow;

    fn reader(model: &StudyModel, right: usize, latency_ms: f64) -> CellReader {
        let mut reader = CellReader::default();
        for doc_id in 0..1_000_u64 {
            let outcome = if doc_id * 7 % 1_000 < right as u64 { SampleOutcome::Right } else { SampleOutcome::Wrong };
            reader.row(
                &SampleRow {
                    cell: weighbridge_types::metric::Cell::default().with("task", "t"),
                    id: String::new(),
                    doc_id,
                    document: None,
                    repeat: 0,
                    answers: Vec::new(),
                    outcome,
                    scores: BTreeMap::new(),
                    problem: None,
                    latency_ms: Some(latency_ms),
                    cached: false,
                    input_tokens: None,
                    output_tokens: Some(10),
                },
                model,
            );
        }
        reader
    }

    #[test]
    fn the_front_holds_what_nothing_beats() {
        let study = "study: s\ntasks: [t]\nmodels:\n  - {name: good, model: a, price_output: 10}\n  - {name: fast, model: b, price_output: 1}\n  - {name: poor, model: c, price_output: 20}\n  - {name: near, model: d, price_output: 10}\n";
        let study = Study::parse(study).unwrap();
        let given = [(900, 50.0), (600, 5.0), (500, 60.0), (898, 50.0)];
        let readers: Vec<CellReader> =
            study.models.iter().zip(given).map(|(model, (right, latency))| reader(model, right, latency)).collect();
        let found = front(&study, &readers, Resampling::new(1));
        let of = |name: &str| found.iter().find(|standing| standing.model == name).unwrap();
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12 * expected, "{found}");
        close(of("good").quality, 0.9);
        close(of("good").latency_ms.unwrap(), 50.0);
        close(of("good").cost.unwrap(), 1e-4);
        assert_eq!(found.iter().map(|standing| standing.on_front).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!((of("good").membership, of("fast").membership, of("poor").membership), (1.0, 1.0, 0.0));
        assert_eq!(of("poor").dominated_by, ["good", "fast", "near"]);
        // Two documents of a thousand are seldom drawn out of sight.
        assert!((0.0..0.5).contains(&of("near").membership), "{}", of("near").membership);
    }
}
