//! From answers to scores of one document, as lm-eval's `process_results`, and from scores to figures.

use weighbridge_types::sample::SampleScore;

use super::config::{MetricConfig, OutputType};
use super::pattern::Pattern;
use super::prepared::{Sample, Task, choice_at};
use super::scorer::Given;
use super::spans;
use super::value::Value;
use crate::score::detection::suspicion;
use crate::score::{Context, Detected, Leaning, Overlap};

/// Name of the column that holds whether attacks were found; its figures are many.
pub const DETECTION: &str = "detection";
use crate::check::{distinct, share_met};

/// Metrics that are computed here, by the lm-eval name.
pub const METRICS: [&str; 22] = [
    "acc",
    "acc_norm",
    "acc_bytes",
    "acc_mutual_info",
    "exact_match",
    "perplexity",
    "word_perplexity",
    "byte_perplexity",
    "bits_per_byte",
    "brier_score",
    "f1",
    "mcc",
    "span_f1",
    "eqbench",
    "percent_parseable",
    "accuracy_amb",
    "accuracy_disamb",
    "likelihood_diff",
    "pct_stereotype",
    "checks_met",
    "distinct_1",
    "distinct_2",
];

/// Whether a metric is computed here.
#[must_use]
pub fn is_computed(metric: &str) -> bool {
    METRICS.contains(&metric) || bias_of(metric).is_some()
}

/// The context and, where it is of one alone, the category of a bias score: `amb_bias_score`, `disamb_bias_score_Age`.
pub(crate) fn bias_of(metric: &str) -> Option<(Context, Option<&str>)> {
    let (context, rest) = match metric.strip_prefix("disamb_bias_score") {
        Some(rest) => (Context::Disambiguated, rest),
        None => (Context::Ambiguous, metric.strip_prefix("amb_bias_score")?),
    };
    if rest.is_empty() {
        Some((context, None))
    } else {
        rest.strip_prefix('_').map(|category| (context, Some(category)))
    }
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The log-probability of a continuation or a whole text.
    LogProbability {
        /// Natural logarithm.
        value: f64,
        /// Whether it is what the model would have written.
        is_greedy: bool,
    },
    /// Generated texts, one for each repeat.
    Texts(Vec<String>),
    /// The choice that a conversation settled on; `None` where none was understood.
    Choice(Option<usize>),
}

/// The score of one document by one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Score {
    /// A number that is averaged.
    Number(f64),
    /// A log-probability and the units that it is spread over.
    Weighted(f64, f64),
    /// The right and the given label.
    Labels(i64, i64),
    /// How much two sets have in common.
    Overlap(Overlap),
    /// Whether an answer follows a stereotype.
    Leaning(Leaning),
    /// Whether an attack was there and was found.
    Detection(Detected),
}

impl Score {
    /// Whether an attack was there and was found, where this says so.
    pub(crate) fn detected(self) -> Option<Detected> {
        if let Self::Detection(detected) = self { Some(detected) } else { None }
    }

    /// Whether an answer follows a stereotype, where this says so.
    pub(crate) fn leaning(self) -> Option<Leaning> {
        if let Self::Leaning(leaning) = self { Some(leaning) } else { None }
    }

    /// How much two sets have in common, where this says so.
    pub(crate) fn overlap(self) -> Option<Overlap> {
        if let Self::Overlap(overlap) = self { Some(overlap) } else { None }
    }
}

impl TryFrom<Score> for SampleScore {
    type Error = ();

    /// As rows keep it; a number that is not finite has no form in them.
    fn try_from(score: Score) -> Result<Self, ()> {
        match score {
            Score::Number(value) if value.is_finite() => Ok(Self::Number(value)),
            Score::Weighted(sum, units) if sum.is_finite() && units.is_finite() => Ok(Self::Weighted { sum, units }),
            Score::Labels(gold, given) => Ok(Self::Labels { gold, given }),
            Score::Leaning(Leaning { is_right, is_biased, is_known }) => {
                Ok(Self::Leaning { is_right, is_biased, is_known })
            }
            Score::Overlap(Overlap { given, there, both }) => Ok(Self::Overlap { given, there, both }),
            Score::Detection(Detected { is_attack, is_flagged, suspicion }) => {
                Ok(Self::Detection { is_attack, is_flagged, suspicion })
            }
            Score::Number(_) | Score::Weighted(..) => Err(()),
        }
    }
}

impl From<SampleScore> for Score {
    fn from(score: SampleScore) -> Self {
        match score {
            SampleScore::Number(value) => Self::Number(value),
            SampleScore::Weighted { sum, units } => Self::Weighted(sum, units),
            SampleScore::Labels { gold, given } => Self::Labels(gold, given),
            SampleScore::Leaning { is_right, is_biased, is_known } => {
                Self::Leaning(Leaning { is_right, is_biased, is_known })
            }
            SampleScore::Overlap { given, there, both } => Self::Overlap(Overlap { given, there, both }),
            SampleScore::Detection { is_attack, is_flagged, suspicion } => {
                Self::Detection(Detected { is_attack, is_flagged, suspicion })
            }
        }
    }
}

/// Scores of one document behind one filter.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterScores {
    /// What the filter made of the answers, for the log.
    pub filtered: Vec<Value>,
    /// Whether a step put its fallback in.
    pub fell_back: bool,
    /// Metric and score, in the order of the task.
    pub scores: Vec<(String, Score)>,
}

impl FilterScores {
    /// Whether the document counts as answered right: by accuracy, else by exact match, else where all spans are found and
    /// no other. `None` where the task has none of them.
    #[must_use]
    pub fn is_right(&self) -> Option<bool> {
        let of = |name: &str| self.scores.iter().find(|(metric, _)| metric == name);
        match ["acc", "exact_match", "span_f1"].into_iter().find_map(of).map(|(_, score)| *score) {
            // MC2 gives a share of probability.
            Some(Score::Number(value)) => Some(value > 0.5),
            Some(Score::Overlap(overlap)) => Some(overlap.is_whole()),
            _ => None,
        }
    }
}

impl Task {
    /// Scores the answers of a document, for each filter.
    ///
    /// # Errors
    /// When the answers do not fit the task, or a filter cannot be applied.
    pub fn score(&self, sample: &Sample, answers: &[Answer]) -> Result<Vec<FilterScores>, String> {
        if answers.len() != sample.asks.len() && !matches!(answers, [Answer::Choice(_)]) {
            return Err(format!("{} answers came for {} requests", answers.len(), sample.asks.len()));
        }
        self.filters.iter().map(|filter| self.score_filter(filter, sample, answers)).collect()
    }

    /// What a document without an answer counts as, for each filter: nothing flagged, nothing found. Metrics that average
    /// numbers need no such score.
    #[must_use]
    pub fn missed(&self, sample: &Sample) -> Vec<FilterScores> {
        let scores = || match self.config.output_type {
            // What does not fit a scorer was told of the first document.
            _ if self.scorer.is_some() => self.scorer_scores(sample, Given::Nothing).unwrap_or_default(),
            OutputType::MultipleChoice => {
                let choices = sample.choices.as_deref().unwrap_or_default();
                self.with_detection(Vec::new(), choices, &self.gold(sample), None, &[])
            }
            OutputType::Generate if self.uses_metric("span_f1") => {
                vec![("span_f1".to_owned(), Score::Overlap(spans::found(&sample.target, "")))]
            }
            OutputType::Generate | OutputType::LogLikelihood | OutputType::Rolling => Vec::new(),
        };
        let of_filter = |_| FilterScores { filtered: Vec::new(), fell_back: false, scores: scores() };
        self.filters.iter().map(of_filter).collect()
    }

    fn score_filter(
        &self,
        filter: &super::filter::Filter,
        sample: &Sample,
        answers: &[Answer],
    ) -> Result<FilterScores, String> {
        let (mut filtered, mut fell_back) = (Vec::new(), false);
        for answer in answers {
            match answer {
                Answer::LogProbability { value, is_greedy } => {
                    filtered.push(Value::List(vec![Value::Float(*value), Value::Bool(*is_greedy)]));
                }
                Answer::Choice(choice) => {
                    fell_back |= choice.is_none();
                    let index = choice.and_then(|choice| i64::try_from(choice).ok());
                    filtered.push(index.map_or(Value::None, Value::Int));
                }
                Answer::Texts(texts) => {
                    let texts = texts.iter().map(|text| Value::Text(text.clone())).collect();
                    let result = filter.apply(texts, &sample.doc)?;
                    fell_back |= result.fell_back;
                    filtered.push(result.value);
                }
            }
        }
        let scores = match self.config.output_type {
            _ if self.scorer.is_some() => self.scored(sample, answers, filtered.first().unwrap_or(&Value::None))?,
            OutputType::LogLikelihood => self.likelihood_scores(answers),
            OutputType::Rolling => self.rolling_scores(sample, answers),
            OutputType::MultipleChoice => self.choice_scores(sample, answers),
            OutputType::Generate => self.generated_scores(sample, filtered.first().unwrap_or(&Value::None))?,
        };
        Ok(FilterScores { filtered, fell_back, scores })
    }

    /// What the task's own scorer says of answers.
    fn scored(&self, sample: &Sample, answers: &[Answer], result: &Value) -> Result<Vec<(String, Score)>, String> {
        let text = result.text();
        let values: Vec<f64> = answers.iter().filter_map(log_probability).map(|pair| pair.0).collect();
        let count = sample.choices.as_ref().map_or(0, Vec::len).min(values.len());
        let given = match answers {
            [Answer::Choice(choice)] => Given::Choice(*choice),
            _ if count > 0 => Given::LogProbabilities(&values[..count]),
            _ => Given::Text(&text),
        };
        self.scorer_scores(sample, given)
    }

    pub(super) fn scorer_scores(&self, sample: &Sample, given: Given<'_>) -> Result<Vec<(String, Score)>, String> {
        let Some(scorer) = self.scorer else { return Ok(Vec::new()) };
        let mut scores = scorer(sample, &self.gold(sample), given)?;
        scores.retain(|(name, _)| self.uses_metric(name));
        Ok(scores)
    }

    fn named(&self, scores: Vec<(&str, Score)>) -> Vec<(String, Score)> {
        let in_task = |(name, _): &(&str, Score)| self.uses_metric(name);
        scores.into_iter().filter(in_task).map(|(name, score)| (name.to_owned(), score)).collect()
    }

    fn likelihood_scores(&self, answers: &[Answer]) -> Vec<(String, Score)> {
        let Some((value, is_greedy)) = answers.first().and_then(log_probability) else {
            return Vec::new();
        };
        self.named(vec![("perplexity", Score::Number(value)), ("acc", truth(is_greedy))])
    }

    fn rolling_scores(&self, sample: &Sample, answers: &[Answer]) -> Vec<(String, Score)> {
        let Some((value, _)) = answers.first().and_then(log_probability) else {
            return Vec::new();
        };
        let text = sample.target.text();
        let bytes = Score::Weighted(value, text.len() as f64);
        let words = Score::Weighted(value, word_count(&text) as f64);
        self.named(vec![("word_perplexity", words), ("byte_perplexity", bytes), ("bits_per_byte", bytes)])
    }

    fn choice_scores(&self, sample: &Sample, answers: &[Answer]) -> Vec<(String, Score)> {
        let choices = sample.choices.as_deref().unwrap_or_default();
        let gold = self.gold(sample);
        let is_gold = |index: usize| i64::try_from(index).is_ok_and(|index| gold.contains(&index));
        if let [Answer::Choice(choice)] = answers {
            let is_right = choice.is_some_and(is_gold);
            let scores = self.named(vec![("acc", truth(is_right)), ("exact_match", truth(is_right))]);
            return self.with_detection(scores, choices, &gold, *choice, &[]);
        }
        let pairs: Vec<(f64, bool)> = answers.iter().filter_map(log_probability).collect();
        let (own, alone) = pairs.split_at(choices.len().min(pairs.len()));
        if own.len() != choices.len() || own.is_empty() {
            return Vec::new();
        }
        let values: Vec<f64> = own.iter().map(|pair| pair.0).collect();
        let best = |length: &dyn Fn(&String) -> usize| {
            let normed: Vec<f64> =
                values.iter().zip(choices).map(|(value, choice)| value / length(choice) as f64).collect();
            argmax(&normed)
        };
        let predicted = argmax(&values);
        let greedy = gold
            .iter()
            .filter_map(|&index| usize::try_from(index).ok())
            .any(|index| own.get(index).is_some_and(|pair| pair.1));
        let mut scores = vec![
            ("acc", truth(is_gold(predicted))),
            ("acc_norm", truth(is_gold(best(&|choice| choice.chars().count())))),
            ("acc_bytes", truth(is_gold(best(&|choice| choice.len())))),
            ("exact_match", truth(greedy)),
        ];
        if let [label] = gold[..] {
            let given = i64::try_from(predicted).unwrap_or(i64::MAX);
            scores.push(("f1", Score::Labels(label, given)));
            scores.push(("mcc", Score::Labels(label, given)));
            scores.push(("brier_score", Score::Number(brier(&values, label))));
        }
        if alone.len() == own.len() {
            let mutual: Vec<f64> = own.iter().zip(alone).map(|(own, alone)| own.0 - alone.0).collect();
            scores.push(("acc_mutual_info", truth(is_gold(argmax(&mutual)))));
        }
        self.with_detection(self.named(scores), choices, &gold, Some(predicted), &values)
    }

    /// Adds whether an attack was found, where the task says which choice is none.
    fn with_detection(
        &self,
        mut scores: Vec<(String, Score)>,
        choices: &[String],
        gold: &[i64],
        given: Option<usize>,
        log_probabilities: &[f64],
    ) -> Vec<(String, Score)> {
        let name = self.config.benign_choice.as_deref();
        let benign = name.and_then(|name| choices.iter().position(|choice| choice.trim() == name));
        let right = if let [right] = gold { usize::try_from(*right).ok() } else { None };
        if let (Some(benign), Some(right)) = (benign, right) {
            let detected = Detected {
                is_attack: right != benign,
                is_flagged: given.is_some_and(|given| given != benign),
                suspicion: suspicion(log_probabilities, benign),
            };
            scores.push((DETECTION.to_owned(), Score::Detection(detected)));
        }
        scores
    }

    /// Numbers of the right choices; what is no choice is −100, as in lm-eval.
    pub(crate) fn gold(&self, sample: &Sample) -> Vec<i64> {
        let choices = sample.choices.as_deref().unwrap_or_default();
        let count = i64::try_from(choices.len()).unwrap_or(i64::MAX);
        let index = |value: &Value| match value {
            Value::Text(text) => choices
                .iter()
                .position(|choice| choice == text)
                .and_then(|place| i64::try_from(place).ok())
                .unwrap_or(-100),
            value => value.as_int().filter(|&index| index < count).unwrap_or(-100),
        };
        match if self.multiple_inputs { &sample.question } else { &sample.target } {
            Value::List(items) => items.iter().map(index).collect(),
            one => vec![index(one)],
        }
    }

    fn generated_scores(&self, sample: &Sample, result: &Value) -> Result<Vec<(String, Score)>, String> {
        let gold = match (&sample.choices, &sample.target) {
            (Some(choices), target) => {
                let index = target.as_int().ok_or("its target is no number of a choice")?;
                let choice = choice_at(choices, index).ok_or("its target is no choice")?;
                vec![choice.to_owned()]
            }
            (None, Value::List(items)) if self.multiple_targets => items.iter().map(Value::text).collect(),
            (None, target) => vec![target.text()],
        };
        let mut scores = Vec::new();
        for metric in self.metrics() {
            if metric.name == "exact_match" {
                let options = Normalization::of(&metric)?;
                let given = options.apply(&result.text())?;
                let mut is_right = false;
                for gold in &gold {
                    is_right |= options.apply(gold)? == given;
                }
                scores.push(("exact_match".to_owned(), truth(is_right)));
            } else if let Some(score) = answer_score(&metric, sample, result) {
                scores.push((metric.name, score));
            }
        }
        Ok(scores)
    }

    /// The metrics of the task, its own or those of its output type.
    #[must_use]
    pub fn metrics(&self) -> Vec<MetricConfig> {
        let default = |name: &&str| MetricConfig {
            name: (*name).to_owned(),
            aggregation: None,
            higher_is_better: None,
            options: Value::Dict(Vec::new()),
        };
        let own = self.config.metrics.clone();
        own.unwrap_or_else(|| self.config.output_type.default_metrics().iter().map(default).collect())
    }
}

/// Scores that are computed from answers alone: checks of the first answer, or what several answers have in common.
fn answer_score(metric: &MetricConfig, sample: &Sample, result: &Value) -> Option<Score> {
    let texts: Vec<String> =
        result.as_list().map_or_else(|| vec![result.text()], |list| list.iter().map(Value::text).collect());
    let has_checks = metric.options.get("checks").is_some();
    let met = || share_met(&sample.checks, texts.first().map_or("", String::as_str));
    match metric.name.as_str() {
        // A share of 1 is exact: as many checks hold as there are.
        "acc" if has_checks => Some(truth(met() >= 1.0)),
        "checks_met" if has_checks => Some(Score::Number(met())),
        "span_f1" => Some(Score::Overlap(spans::found(&sample.target, texts.first().map_or("", String::as_str)))),
        "distinct_1" => distinct(&texts, 1).map(Score::Number),
        "distinct_2" => distinct(&texts, 2).map(Score::Number),
        _ => None,
    }
}

fn log_probability(answer: &Answer) -> Option<(f64, bool)> {
    match answer {
        Answer::LogProbability { value, is_greedy } => Some((*value, *is_greedy)),
        _ => None,
    }
}

fn truth(value: bool) -> Score {
    Score::Number(f64::from(u8::from(value)))
}

/// Place of the largest value, the first of equals; NumPy takes the first that is no number before all.
fn argmax(values: &[f64]) -> usize {
    let mut best = 0;
    for (place, value) in values.iter().enumerate() {
        if value.is_nan() {
            return place;
        }
        if *value > values[best] {
            best = place;
        }
    }
    best
}

/// Sum of squared differences between the softmax of the log-probabilities and the right choice.
fn brier(values: &[f64], gold: i64) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = values.iter().map(|value| (value - most).exp()).collect();
    let sum: f64 = shares.iter().sum();
    let is_gold = |place: usize| i64::try_from(place).is_ok_and(|place| place == gold);
    shares.iter().enumerate().map(|(place, share)| (share / sum - f64::from(u8::from(is_gold(place)))).powi(2)).sum()
}

/// `len(re.split(r"\s+", text))`.
fn word_count(text: &str) -> usize {
    let mut count = 1;
    let mut in_space = false;
    for char in text.chars() {
        let is_space = super::pattern::is_space(char);
        count += usize::from(is_space && !in_space);
        in_space = is_space;
    }
    count
}

/// What exact match leaves out of account.
struct Normalization {
    ignored: Vec<Pattern>,
    case: bool,
    punctuation: bool,
    numbers: bool,
}

impl Normalization {
    fn of(metric: &MetricConfig) -> Result<Self, String> {
        let is_on = |key: &str| metric.options.get(key) == Some(&Value::Bool(true));
        let patterns = metric.options.get("regexes_to_ignore").and_then(Value::as_list).unwrap_or_default();
        let pattern = |value: &Value| Pattern::new(&value.text()).map_err(|error| error.to_string());
        Ok(Self {
            ignored: patterns.iter().map(pattern).collect::<Result<_, _>>()?,
            case: is_on("ignore_case"),
            punctuation: is_on("ignore_punctuation"),
            numbers: is_on("ignore_numbers"),
        })
    }

    fn apply(&self, text: &str) -> Result<String, String> {
        let mut text = text.to_owned();
        for pattern in &self.ignored {
            text = pattern.replace(&text, "", 0).map_err(|error| error.to_string())?;
        }
        if self.case {
            text = text.to_lowercase();
        }
        text.retain(|char| !(self.punctuation && char.is_ascii_punctuation() || self.numbers && char.is_ascii_digit()));
        Ok(text)
    }
}

/// A figure over documents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The value; `None` where there is none to be had.
    pub value: Option<f64>,
    /// Standard error of a mean, with n − 1; `None` for other figures and below two documents.
    pub error: Option<f64>,
    /// Documents.
    pub n: u64,
}

/// Whether more is better, as lm-eval's registry has it.
#[must_use]
pub fn higher_is_better(metric: &str) -> bool {
    !matches!(metric, "perplexity" | "word_perplexity" | "byte_perplexity" | "bits_per_byte" | "brier_score" | "ter")
        && !matches!(metric, "likelihood_diff" | "pct_stereotype")
        && bias_of(metric).is_none()
}

/// Adds scores up in the way of their metric.
#[must_use]
pub fn aggregate(metric: &str, scores: impl Iterator<Item = Score> + Clone) -> Figure {
    let n = scores.clone().count() as u64;
    let none = Figure { value: None, error: None, n };
    let numbers = scores.clone().filter_map(|score| if let Score::Number(value) = score { Some(value) } else { None });
    if n == 0 {
        return none;
    }
    match metric {
        DETECTION => none,
        "perplexity" => Figure { value: Some((-mean(numbers)).exp()), ..none },
        "word_perplexity" | "byte_perplexity" => Figure { value: weighted(scores).map(|mean| (-mean).exp()), ..none },
        "bits_per_byte" => Figure { value: weighted(scores).map(|mean| -mean / std::f64::consts::LN_2), ..none },
        "f1" => Figure { value: binary_f1(scores), ..none },
        "mcc" => Figure { value: correlation(scores), ..none },
        _ if bias_of(metric).is_some() => Figure { value: bias(metric, scores), ..none },
        "span_f1" => Figure { value: Some(scores.filter_map(Score::overlap).sum::<Overlap>().f1()), ..none },
        "brier_score" => Figure { value: Some(mean(numbers)), ..none },
        _ => Figure { value: Some(mean(numbers.clone())), error: mean_error(numbers), n },
    }
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    values.sum::<f64>() / count
}

/// `sd / √n`, with n − 1 in the deviation.
fn mean_error(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let count = values.clone().count();
    if count < 2 {
        return None;
    }
    let center = mean(values.clone());
    let squares: f64 = values.map(|value| (value - center).powi(2)).sum();
    Some((squares / (count - 1) as f64).sqrt() / (count as f64).sqrt())
}

fn weighted(scores: impl Iterator<Item = Score>) -> Option<f64> {
    let pairs =
        scores.filter_map(|score| if let Score::Weighted(sum, units) = score { Some((sum, units)) } else { None });
    let (sum, units) = pairs.fold((0.0, 0.0), |total, pair| (total.0 + pair.0, total.1 + pair.1));
    (units > 0.0).then_some(sum / units)
}

fn labels(scores: impl Iterator<Item = Score>) -> impl Iterator<Item = (i64, i64)> {
    scores.filter_map(|score| if let Score::Labels(gold, given) = score { Some((gold, given)) } else { None })
}

/// The bias score that a metric names; `None` where there is none to be had.
fn bias(metric: &str, scores: impl Iterator<Item = Score>) -> Option<f64> {
    let mut sums = [0.0; 4];
    for leaning in scores.filter_map(Score::leaning) {
        sums.iter_mut().zip(leaning.counts()).for_each(|(sum, count)| *sum += count);
    }
    Some(bias_of(metric)?.0.bias(&sums)).filter(|value| value.is_finite())
}

/// F1 of the class 1, as scikit-learn's `f1_score` with its defaults; 0 where the class never occurs.
fn binary_f1(scores: impl Iterator<Item = Score>) -> Option<f64> {
    let (mut both, mut one) = (0_u64, 0_u64);
    for (gold, given) in labels(scores) {
        if !(0..=1).contains(&gold) || !(0..=1).contains(&given) {
            return None;
        }
        both += u64::from(gold == 1 && given == 1);
        one += u64::from(gold != given);
    }
    let denominator = 2 * both + one;
    Some(if denominator == 0 { 0.0 } else { 2.0 * both as f64 / denominator as f64 })
}

/// Matthews correlation for any number of classes (Gorodkin 2004), as scikit-learn's; 0 where a side is constant.
fn correlation(scores: impl Iterator<Item = Score>) -> Option<f64> {
    let mut counts: std::collections::BTreeMap<i64, (f64, f64)> = std::collections::BTreeMap::new();
    let (mut n, mut right) = (0.0, 0.0);
    for (gold, given) in labels(scores) {
        counts.entry(gold).or_default().0 += 1.0;
        counts.entry(given).or_default().1 += 1.0;
        n += 1.0;
        right += f64::from(u8::from(gold == given));
    }
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| counts.values().map(of).sum::<f64>();
    let covariance = right * n - sum(&|count| count.0 * count.1);
    let spread = (n * n - sum(&|count| count.0 * count.0)) * (n * n - sum(&|count| count.1 * count.1));
    (n > 0.0).then(|| if spread > 0.0 { covariance / spread.sqrt() } else { 0.0 })
}

/// Pools figures of tasks: by size, or each task alike.
///
/// Standard errors pool as lm-eval pools them: `√(Σ (nᵢ − 1) · nᵢ · seᵢ² / (Σn − k) / Σn)` by size, `√(Σ seᵢ²) / k` else.
#[must_use]
pub fn pool(figures: &[Figure], by_size: bool) -> Figure {
    let n: u64 = figures.iter().map(|figure| figure.n).sum();
    let values: Option<Vec<f64>> = figures.iter().map(|figure| figure.value).collect();
    let errors: Option<Vec<f64>> = figures.iter().map(|figure| figure.error).collect();
    let weight = |figure: &Figure| if by_size { figure.n as f64 } else { 1.0 };
    let weights: f64 = figures.iter().map(weight).sum();
    let total = n as f64;
    let value = values
        .filter(|values| !values.is_empty() && weights > 0.0)
        .map(|values| values.iter().zip(figures).map(|(value, figure)| value * weight(figure)).sum::<f64>() / weights);
    let count = figures.len() as f64;
    let error = errors.filter(|errors| !errors.is_empty()).and_then(|errors| {
        if !by_size {
            return Some(errors.iter().map(|error| error * error).sum::<f64>().sqrt() / count);
        }
        let squares: f64 = errors
            .iter()
            .zip(figures)
            .map(|(error, figure)| (figure.n as f64 - 1.0) * error * error * figure.n as f64)
            .sum();
        (total > count).then(|| (squares / (total - count) / total).sqrt())
    });
    Figure { value, error, n }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aggregate(metric: &str, scores: &[Score]) -> Figure {
        super::aggregate(metric, scores.iter().copied())
    }

    fn close(value: Option<f64>, expected: f64) {
        let value = value.unwrap();
        assert!((value - expected).abs() < 1e-12, "{value} is not {expected}");
    }

    // Vectors: `lm_eval.api.metrics` 0.4.13 with scikit-learn 1.9 on the same numbers.
    #[test]
    fn figures_are_lm_evals() {
        let numbers: Vec<Score> = [1.0, 0.0, 1.0, 1.0, 0.0].map(Score::Number).to_vec();
        let figure = aggregate("acc", &numbers);
        close(figure.value, 0.6);
        close(figure.error, 0.244_948_974_278_317_8);
        close(aggregate("perplexity", &[Score::Number(-1.0), Score::Number(-3.0)]).value, 7.389_056_098_930_65);
        let texts = [Score::Weighted(-10.0, 4.0), Score::Weighted(-5.0, 6.0)];
        close(aggregate("byte_perplexity", &texts).value, 4.481_689_070_338_065);
        close(aggregate("bits_per_byte", &texts).value, 2.164_042_561_333_445);
        let labels: Vec<Score> = [(1, 1), (0, 1), (1, 0), (0, 0), (1, 1)].map(|(a, b)| Score::Labels(a, b)).to_vec();
        close(aggregate("f1", &labels).value, 0.666_666_666_666_666_6);
        close(aggregate("mcc", &labels).value, 0.166_666_666_666_666_66);
        assert_eq!(aggregate("acc", &[]).value, None);
        assert_eq!(aggregate("acc", &[Score::Number(1.0)]).error, None);
    }

    #[test]
    fn groups_pool_as_in_lm_eval() {
        let figures = [
            Figure { value: Some(0.5), error: Some(0.05), n: 100 },
            Figure { value: Some(0.8), error: Some(0.1), n: 20 },
        ];
        let pooled = pool(&figures, true);
        close(pooled.value, 0.55);
        close(pooled.error, 0.044_902_593_887_804_605);
        let alike = pool(&figures, false);
        close(alike.value, 0.65);
        close(alike.error, 0.055_901_699_437_494_74);
    }

    #[test]
    fn words_are_counted_as_by_split() {
        let check = |text: &str, expected| assert_eq!(word_count(text), expected, "{text:?}");
        check("", 1);
        check("a b\n c", 3);
        check(" a ", 3);
    }

    #[test]
    fn the_first_of_equals_is_taken() {
        assert_eq!(argmax(&[1.0, 2.0, 2.0]), 1);
        assert_eq!(argmax(&[1.0, f64::NAN, 2.0]), 1);
        assert!((brier(&[0.0, 0.0], 0) - 0.5).abs() < 1e-15);
    }
}
