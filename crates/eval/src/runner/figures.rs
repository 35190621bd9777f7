//! From scores to the figures of a record.

use weighbridge_stats::proportion::wilson;
use weighbridge_stats::{Confidence, Sorted};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric, MetricInterval, Statistic};
use weighbridge_types::record::{MetricPointer, Phase, Tally};
use weighbridge_types::sample::SampleOutcome;

use super::book::{Book, Column, Figures, TaskBook, Tokens};
use super::plan::{Mode, Plan};
use super::settings::Prices;
use crate::score::Context;
use crate::task::GroupConfig;
use crate::task::score::{DETECTION, Figure, Score, bias_of, is_computed, pool};

/// The definition of a metric by its lm-eval name.
pub(crate) fn definition(metric: &str) -> Option<&'static Definition> {
    Some(match metric {
        "acc" => &define::ACCURACY,
        "acc_norm" => &define::ACC_NORM,
        "acc_bytes" => &define::ACC_BYTES,
        "acc_mutual_info" => &define::ACC_MUTUAL_INFO,
        "exact_match" => &define::EXACT_MATCH,
        "perplexity" => &define::TARGET_PERPLEXITY,
        "word_perplexity" => &define::WORD_PERPLEXITY,
        "byte_perplexity" => &define::BYTE_PERPLEXITY,
        "bits_per_byte" => &define::BITS_PER_BYTE,
        "brier_score" => &define::CHOICE_BRIER,
        "f1" => &define::F1,
        "mcc" => &define::MCC,
        "span_f1" => &define::SPAN_F1,
        "eqbench" => &define::EQ_BENCH,
        "percent_parseable" => &define::PARSEABLE,
        "accuracy_amb" | "accuracy_disamb" => &define::ACCURACY,
        "likelihood_diff" => &define::LIKELIHOOD_DIFFERENCE,
        "pct_stereotype" => &define::STEREOTYPE,
        _ if bias_of(metric).is_some() => &define::BIAS,
        "checks_met" => &define::CHECKS_MET,
        "distinct_1" => &define::DISTINCT_1,
        "distinct_2" => &define::DISTINCT_2,
        _ => return None,
    })
}

/// Every figure: of tasks, of groups, and what became of the documents.
pub(crate) fn metrics(plan: &Plan, book: &Book, seconds: f64, prices: Option<Prices>) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for (planned, task) in plan.tasks.iter().zip(&book.tasks) {
        let cell = Cell::of(Phase::Evaluate).with("task", &planned.task.config.task);
        metrics.extend(task_metrics(task, &cell));
    }
    metrics.extend(group_metrics(&plan.groups, &tasks_of(plan, book)));
    metrics.extend(rate(book, seconds));
    metrics.extend(prices.map(|prices| cost(book, seconds, prices)));
    metrics
}

/// The figures of one task, the time that its documents took, and what became of them.
pub(crate) fn task_metrics(task: &TaskBook, cell: &Cell) -> Vec<Metric> {
    let mut metrics: Vec<Metric> =
        task.columns().iter().flat_map(|column| column_metrics(task, column, cell)).collect();
    metrics.extend(latency_metrics(task.latencies().collect(), cell));
    metrics.extend(outcomes(task, cell));
    metrics.extend(token_metrics(task.tokens(), cell));
    metrics
}

fn column_metrics(task: &TaskBook, column: &Column, cell: &Cell) -> Vec<Metric> {
    if column.metric == DETECTION {
        return crate::score::detection::figures(&task.with_answers(column, Score::detected), cell);
    }
    let Some(definition) = definition(&column.metric) else {
        return Vec::new();
    };
    if let Some((context, _)) = bias_of(&column.metric) {
        let samples = task.with_answers(column, Score::leaning);
        let cell = cell_of(&column.metric, &column.filter, cell.clone());
        return crate::score::leaning_figures(definition, context, &samples, &cell);
    }
    if column.metric == "span_f1" {
        let samples = task.with_answers(column, Score::overlap);
        return crate::score::overlap_figures(
            definition,
            &samples,
            &cell_of(&column.metric, &column.filter, cell.clone()),
        );
    }
    let figures = task.figures(column);
    let cell = cell_of(&column.metric, &column.filter, cell.clone());
    let mut metrics = vec![metric(definition, &cell, figures.all, figures)];
    if figures.all.n != figures.answered.n {
        metrics.push(metric(definition, &cell.with("over", "answered"), figures.answered, figures));
    }
    metrics
}

/// The cell of a metric behind a filter. lm-eval's F1 is that of the second choice, number 1.
fn cell_of(metric: &str, filter: &str, cell: Cell) -> Cell {
    let cell = if filter == "none" { cell } else { cell.with("filter", filter) };
    let cell = if metric == "f1" { cell.with("label", 1) } else { cell };
    let settings = [("context", context_of(metric)), ("category", bias_of(metric).and_then(|bias| bias.1))];
    settings.into_iter().fold(cell, |cell, (key, value)| match value {
        Some(value) => cell.with(key, value),
        None => cell,
    })
}

/// The contexts that a metric of BBQ is of.
pub(crate) fn context_of(metric: &str) -> Option<&'static str> {
    match (metric, bias_of(metric)) {
        ("accuracy_amb", _) | (_, Some((Context::Ambiguous, _))) => Some("ambiguous"),
        ("accuracy_disamb", _) | (_, Some((Context::Disambiguated, _))) => Some("disambiguated"),
        _ => None,
    }
}

fn metric(definition: &Definition, cell: &Cell, figure: Figure, figures: Figures) -> Metric {
    let Some(value) = figure.value else {
        return Metric::unavailable(definition, Statistic::Value, cell, "no document has a score");
    };
    let mut metric = Metric::measured(definition, Statistic::Value, cell, value, figure.n);
    metric.deviation = figure.error.map(|error| error * (figure.n as f64).sqrt());
    match interval(value, figure, figures.is_share) {
        Some(interval) => metric.interval = Some(interval),
        None => {
            metric.interval_reason = Some("an interval of this figure needs its documents: see `eval score`".to_owned())
        }
    }
    metric
}

/// Documents from which a mean's interval is taken from the normal law; below it no interval is given.
const NORMAL_FROM: u64 = 30;

/// Wilson's interval of a share; of another mean the normal law's.
fn interval(value: f64, figure: Figure, is_share: bool) -> Option<MetricInterval> {
    let error = figure.error?;
    if is_share {
        let trials = usize::try_from(figure.n).ok()?;
        let successes = (value * figure.n as f64).round();
        let successes = (0..=trials).contains(&as_count(successes)).then(|| as_count(successes))?;
        let interval = wilson(successes, trials, Confidence::P95).ok()?.interval;
        return Some(MetricInterval {
            low: interval.low,
            high: interval.high,
            confidence: interval.confidence.level(),
            method: interval.method.as_str().to_owned(),
        });
    }
    if figure.n < NORMAL_FROM {
        return None;
    }
    let half = 1.959_963_984_540_054 * error;
    Some(MetricInterval { low: value - half, high: value + half, confidence: 0.95, method: "normal".to_owned() })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rounded count, 0 or more")]
fn as_count(value: f64) -> usize {
    value.max(0.0) as usize
}

/// Median and tail of the time that a document took.
fn latency_metrics(values: Vec<f64>, cell: &Cell) -> Vec<Metric> {
    let Ok(sorted) = Sorted::new(values) else {
        return Vec::new();
    };
    let n = sorted.values().len() as u64;
    let metric = |(statistic, q): (Statistic, f64)| {
        let value = sorted.quantile(q).ok()?;
        let mut metric = Metric::measured(&define::SAMPLE_LATENCY, statistic, cell, value, n);
        metric.interval_reason = Some("documents in flight wait for each other; `load` measures latency".to_owned());
        Some(metric)
    };
    [(Statistic::P50, 0.5), (Statistic::P95, 0.95)].into_iter().filter_map(metric).collect()
}

const UNCOUNTED: &str = "an answer came without a count of its tokens";

/// What the answers took; nothing where none came with a count, as log-probabilities do not.
fn token_metrics(tokens: Tokens, cell: &Cell) -> Vec<Metric> {
    if tokens.counted == 0 {
        return Vec::new();
    }
    let metric = |(kind, sum): (&str, u64)| {
        let cell = cell.clone().with("tokens", kind);
        let definition = &define::EVALUATION_TOKENS;
        if tokens.uncounted > 0 {
            return Metric::unavailable(definition, Statistic::Value, &cell, UNCOUNTED);
        }
        let mut metric = Metric::measured(definition, Statistic::Value, &cell, sum as f64, tokens.counted);
        metric.interval_reason = Some("a count".to_owned());
        metric
    };
    [("input", tokens.input), ("output", tokens.output)].map(metric).to_vec()
}

/// What the run cost, over all tasks.
fn cost(book: &Book, seconds: f64, prices: Prices) -> Metric {
    let mut tokens = Tokens::default();
    book.tasks.iter().for_each(|task| tokens.add(task.tokens()));
    let (definition, cell) = (&define::EVALUATION_COST, Cell::of(Phase::Evaluate));
    let of_hours = prices.per_hour.unwrap_or_default() * seconds / 3_600.0;
    let of_tokens = match prices.input.zip(prices.output) {
        None => 0.0,
        Some(_) if tokens.uncounted > 0 => return Metric::unavailable(definition, Statistic::Value, &cell, UNCOUNTED),
        Some((input, output)) => (tokens.input as f64 * input + tokens.output as f64 * output) / 1e6,
    };
    let n = tokens.counted.max(1);
    let mut metric = Metric::measured(definition, Statistic::Value, &cell, of_tokens + of_hours, n);
    metric.interval_reason = Some("one run has one cost".to_owned());
    metric
}

/// Documents with an answer per minute, over all tasks.
fn rate(book: &Book, seconds: f64) -> Option<Metric> {
    let answered: u64 = book.tasks.iter().map(|task| task.latencies().count() as u64).sum();
    (answered > 0 && seconds > 0.0).then(|| {
        let value = answered as f64 / seconds * 60.0;
        let mut metric =
            Metric::measured(&define::DOCUMENT_RATE, Statistic::Value, &Cell::of(Phase::Evaluate), value, answered);
        metric.interval_reason = Some("one run has one rate".to_owned());
        metric
    })
}

fn outcomes(task: &TaskBook, cell: &Cell) -> Vec<Metric> {
    let asked = task.asked();
    let metric = |outcome: SampleOutcome| {
        let count = task.count(outcome);
        let cell = cell.clone().with("outcome", outcome.name());
        (count > 0).then(|| Metric::measured(&define::SAMPLES, Statistic::Value, &cell, count as f64, asked))
    };
    SampleOutcome::ALL.into_iter().filter_map(metric).collect()
}

/// A figure of a group, by metric and filter.
pub(crate) struct GroupFigure {
    pub(crate) group: String,
    pub(crate) metric: String,
    pub(crate) filter: String,
    pub(crate) figure: Figure,
    /// Whether it is a share of documents: every score is 0 or 1, and each counts alike.
    pub(crate) is_share: bool,
}

/// The tasks of a run by their names.
pub(crate) fn tasks_of<'a>(plan: &'a Plan, book: &'a Book) -> Vec<(&'a str, &'a TaskBook)> {
    plan.tasks.iter().map(|planned| planned.task.config.task.as_str()).zip(&book.tasks).collect()
}

/// What each group adds up from its tasks.
pub(crate) fn group_figures(groups: &[GroupConfig], tasks: &[(&str, &TaskBook)]) -> Vec<GroupFigure> {
    let mut figures = Vec::new();
    for group in groups {
        let members = members(tasks, &group.tasks);
        for wanted in &group.metrics {
            let columns = members.iter().flat_map(|task| task.columns().iter().map(move |column| (*task, column)));
            let columns: Vec<_> = columns.filter(|(_, column)| column.metric == wanted.metric).collect();
            let mut filters: Vec<String> = match &wanted.filters {
                Some(filters) => filters.clone(),
                None => columns.iter().map(|(_, column)| column.filter.clone()).collect(),
            };
            filters.sort();
            filters.dedup();
            for filter in filters {
                let of_filter = columns.iter().filter(|(_, column)| column.filter == filter);
                let parts: Vec<Figures> = of_filter.map(|(task, column)| task.figures(column)).collect();
                if !parts.is_empty() {
                    let all: Vec<Figure> = parts.iter().map(|part| part.all).collect();
                    let figure = pool(&all, wanted.weight_by_size);
                    let is_share = wanted.weight_by_size && parts.iter().all(|part| part.is_share);
                    let (group, metric) = (group.name.clone(), wanted.metric.clone());
                    figures.push(GroupFigure { group, metric, filter, figure, is_share });
                }
            }
        }
    }
    figures
}

fn members<'a>(tasks: &[(&str, &'a TaskBook)], names: &[String]) -> Vec<&'a TaskBook> {
    tasks.iter().filter(|(name, _)| names.iter().any(|known| known == name)).map(|(_, task)| *task).collect()
}

/// The figures of groups.
pub(crate) fn group_metrics(groups: &[GroupConfig], tasks: &[(&str, &TaskBook)]) -> Vec<Metric> {
    let metric = |part: GroupFigure| {
        let definition = definition(&part.metric)?;
        let cell = cell_of(&part.metric, &part.filter, Cell::of(Phase::Evaluate).with("group", &part.group));
        let figures = Figures { all: part.figure, answered: part.figure, is_share: part.is_share };
        Some(metric(definition, &cell, part.figure, figures))
    };
    let mut metrics: Vec<Metric> = group_figures(groups, tasks).into_iter().filter_map(metric).collect();
    for group in groups {
        let latencies = members(tasks, &group.tasks).into_iter().flat_map(TaskBook::latencies).collect();
        metrics.extend(latency_metrics(latencies, &Cell::of(Phase::Evaluate).with("group", &group.name)));
    }
    metrics
}

/// Documents by where they ended up.
pub(crate) fn tally(book: &Book) -> Tally {
    let asked: u64 = book.tasks.iter().map(TaskBook::asked).sum();
    let failed: u64 = book.tasks.iter().map(TaskBook::failed).sum();
    Tally { scheduled: asked, succeeded: asked - failed, failed, ..Tally::default() }
}

/// Whether a metric says how good answers were.
fn is_score(name: &str) -> bool {
    ![&define::SAMPLES, &define::SAMPLE_LATENCY, &define::DOCUMENT_RATE].iter().any(|known| known.name == name)
}

/// The figure that stands for the run: that of the outermost group, else the first task's.
pub(crate) fn key_metric(metrics: &[Metric]) -> Option<MetricPointer> {
    let scores = || metrics.iter().filter(|metric| is_score(&metric.name));
    let outermost = scores().filter_map(|metric| metric.cell.get("group")).next_back();
    let metric = scores().find(|metric| metric.cell.get("group") == outermost)?;
    Some(MetricPointer { key: metric.key(), cell: metric.cell.clone() })
}

/// What a reader must know of the tasks.
pub(crate) fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    for planned in &plan.tasks {
        let name = &planned.task.config.task;
        notes.extend(planned.task.config.warnings.iter().map(|warning| format!("{name}: {warning}")));
        for metric in planned.task.metric_names() {
            if !is_computed(metric) && metric != "bypass" {
                notes.push(format!(
                    "{name}: `{metric}` is not computed while running; score the exported samples with `eval score`"
                ));
            }
        }
        if planned.mode == Mode::Classify {
            notes.push(format!("{name}: a classifier was given each document's input and answered with a class"));
        }
        if planned.mode == Mode::Letters {
            notes.push(format!(
                "{name}: choices were made by letters, since log-probabilities were not to be had or not wanted"
            ));
        }
    }
    notes
}
