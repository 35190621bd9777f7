//! Tasks: what a model is asked, which answers it may give, and which one is right.

use serde::{Deserialize, Serialize};

use crate::source::Source;
use crate::{domains, security};

/// Which part of a task's items: the two share no item, and where sensible no value either.
///
/// Names, hosts, payloads, sentences and words that carry the answer are divided between the
/// splits. Facts (a port's service, a capital) cannot be; there the question's wording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// For training and for examples in a prompt.
    Train,
    /// For scoring.
    HeldOut,
}

/// How much the security items hide what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difficulty {
    /// Attacks in clear text.
    Plain,
    /// A third of the attacks are encoded or reworded.
    #[default]
    Mixed,
    /// Nine of ten attacks are encoded or reworded.
    Disguised,
}

impl Difficulty {
    /// Share of items that are disguised, in percent.
    pub const fn obfuscated_percent(self) -> u32 {
        match self {
            Self::Plain => 0,
            Self::Mixed => 33,
            Self::Disguised => 90,
        }
    }
}

/// The field of ability that a task belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Triage of security events.
    Security,
    /// Arithmetic, ordering, logic.
    Reasoning,
    /// Word play with one right answer.
    Creativity,
    /// Word forms and translation.
    Language,
    /// Feelings and manners.
    Social,
    /// Reading tables and joining facts.
    Integration,
    /// Fixed facts.
    Knowledge,
}

/// One shipped task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A log line → the kind of event.
    LogTriage,
    /// An HTTP request → the kind of attack.
    HttpRequest,
    /// An e-mail → the kind of message.
    Email,
    /// A sequence of system calls → the kind of behavior.
    ApiCalls,
    /// Arithmetic, ordering and logic.
    Reasoning,
    /// Rhymes, initials and acrostics.
    Creativity,
    /// Plurals, tenses, agreement and translation.
    Language,
    /// The feeling or the manner of an utterance.
    Social,
    /// Look-ups in small tables and two joined facts.
    Integration,
    /// Ports, status codes, capitals and symbols.
    Knowledge,
}

impl Task {
    /// Every shipped task, in the order of reports.
    pub const ALL: [Self; 10] = [
        Self::LogTriage,
        Self::HttpRequest,
        Self::Email,
        Self::ApiCalls,
        Self::Reasoning,
        Self::Creativity,
        Self::Language,
        Self::Social,
        Self::Integration,
        Self::Knowledge,
    ];

    /// The name in records and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogTriage => "log_triage",
            Self::HttpRequest => "http_request",
            Self::Email => "email",
            Self::ApiCalls => "api_calls",
            Self::Reasoning => "reasoning",
            Self::Creativity => "creativity",
            Self::Language => "language",
            Self::Social => "social",
            Self::Integration => "integration",
            Self::Knowledge => "knowledge",
        }
    }

    /// The field of ability that the task belongs to.
    pub const fn domain(self) -> Domain {
        match self {
            Self::LogTriage | Self::HttpRequest | Self::Email | Self::ApiCalls => Domain::Security,
            Self::Reasoning => Domain::Reasoning,
            Self::Creativity => Domain::Creativity,
            Self::Language => Domain::Language,
            Self::Social => Domain::Social,
            Self::Integration => Domain::Integration,
            Self::Knowledge => Domain::Knowledge,
        }
    }

    /// The labels that every item chooses from; empty where each item has choices of its own.
    pub const fn labels(self) -> &'static [&'static str] {
        match self {
            Self::LogTriage => security::log_line::LABELS,
            Self::HttpRequest => security::http_request::LABELS,
            Self::Email => security::email::LABELS,
            Self::ApiCalls => security::api_calls::LABELS,
            Self::Social => domains::social::LABELS,
            Self::Reasoning | Self::Creativity | Self::Language | Self::Integration | Self::Knowledge => &[],
        }
    }

    /// The first line of each prompt.
    const fn instruction(self) -> &'static str {
        match self {
            Self::LogTriage => "triage the log line",
            Self::HttpRequest => "classify the HTTP request",
            Self::Email => "classify the e-mail",
            Self::ApiCalls => "classify the call sequence",
            Self::Reasoning => "solve the puzzle",
            Self::Creativity => "play with words",
            Self::Language => "choose the right word",
            Self::Social => "name the feeling",
            Self::Integration => "read and combine",
            Self::Knowledge => "recall the fact",
        }
    }

    /// Makes item `index`; it depends on nothing but the arguments.
    ///
    /// The right answer's rank cycles with the index, so that any run of consecutive items
    /// is balanced.
    pub fn item(self, settings: &TaskSettings, index: u64) -> TaskItem {
        let TaskSettings { seed, split, difficulty } = *settings;
        let mut source = Source::new(seed, self.name(), split, index).with_difficulty(difficulty);
        let draft = match self {
            Self::LogTriage => security::log_line::draft(&mut source, index),
            Self::HttpRequest => security::http_request::draft(&mut source, index),
            Self::Email => security::email::draft(&mut source, index),
            Self::ApiCalls => security::api_calls::draft(&mut source, index),
            Self::Reasoning => domains::reasoning::draft(&mut source, index),
            Self::Creativity => domains::creativity::draft(&mut source, index),
            Self::Language => domains::language::draft(&mut source, index),
            Self::Social => domains::social::draft(&mut source, index),
            Self::Integration => domains::integration::draft(&mut source, index),
            Self::Knowledge => domains::knowledge::draft(&mut source, index),
        };
        let prefix = match split {
            Split::Train => "train",
            Split::HeldOut => "held_out",
        };
        TaskItem {
            id: format!("{}/{prefix}/{seed}/{index}", self.name()),
            prompt: draft.prompt(self.instruction()),
            choices: draft.choices,
            answer: draft.answer,
            reason: draft.reason,
        }
    }
}

/// What determines a set's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSettings {
    /// Seed of all random choices.
    pub seed: u64,
    /// Which part of the items.
    pub split: Split,
    /// How much the security items are disguised.
    pub difficulty: Difficulty,
}

impl TaskSettings {
    /// Held-out items of the usual difficulty.
    pub const fn held_out(seed: u64) -> Self {
        Self { seed, split: Split::HeldOut, difficulty: Difficulty::Mixed }
    }

    /// Training items of the usual difficulty.
    pub const fn train(seed: u64) -> Self {
        Self { seed, split: Split::Train, difficulty: Difficulty::Mixed }
    }
}

/// One question with its closed set of answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskItem {
    /// Unique among all tasks, splits and seeds: `task/split/seed/index`.
    pub id: String,
    /// The text to continue. It ends with `Answer:`, without a space after it.
    pub prompt: String,
    /// The answers to choose from, in the order that the prompt lists them.
    pub choices: Vec<String>,
    /// Position of the right answer in `choices`.
    pub answer: usize,
    /// A short clause that gives the ground of the answer.
    pub reason: String,
}

impl TaskItem {
    /// The text of the right answer.
    pub fn answer_text(&self) -> &str {
        &self.choices[self.answer]
    }

    /// What to append to the prompt in order to score the choice at `position`.
    ///
    /// # Panics
    ///
    /// If there is no such choice.
    pub fn continuation(&self, position: usize) -> String {
        format!(" {}", self.choices[position])
    }

    /// The text that a model is trained to append to the prompt: answer and reason.
    pub fn completion(&self) -> String {
        format!(" {} because {}.", self.answer_text(), self.reason)
    }

    /// Accuracy of guessing among the choices.
    pub fn chance(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a handful of choices")]
        let count = self.choices.len() as f64;
        1.0 / count
    }

    /// The position of the choice that a free-text answer begins with; `None` if it begins
    /// with none. The longest matching choice wins; case and leading space do not matter.
    pub fn parse_answer(&self, text: &str) -> Option<usize> {
        let text = text.trim_start().to_lowercase();
        let mut best: Option<usize> = None;
        for (position, choice) in self.choices.iter().enumerate() {
            let Some(rest) = text.strip_prefix(&choice.to_lowercase()) else {
                continue;
            };
            let is_whole_word = !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
            let is_longer = best.is_none_or(|held| self.choices[held].len() < choice.len());
            if is_whole_word && is_longer {
                best = Some(position);
            }
        }
        best
    }
}

/// The items of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSet {
    /// The task.
    pub task: Task,
    /// What the items were made from.
    pub settings: TaskSettings,
    /// The items, by index.
    pub items: Vec<TaskItem>,
}

impl TaskSet {
    /// Makes the first `count` items of a task.
    pub fn generate(task: Task, settings: TaskSettings, count: usize) -> Self {
        let items = (0_u64..).take(count).map(|index| task.item(&settings, index)).collect();
        Self { task, settings, items }
    }

    /// Mean accuracy of guessing; `None` for an empty set.
    pub fn chance(&self) -> Option<f64> {
        if self.items.is_empty() {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "item counts stay far below 2^52")]
        let count = self.items.len() as f64;
        Some(self.items.iter().map(TaskItem::chance).sum::<f64>() / count)
    }
}

/// An item before it is laid out as a prompt.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) input: String,
    pub(crate) choices: Vec<String>,
    pub(crate) answer: usize,
    pub(crate) reason: String,
}

impl Draft {
    /// An item whose choices are the task's labels.
    pub(crate) fn labeled(labels: &[&str], answer: usize, event: (String, String)) -> Self {
        let (input, reason) = event;
        Self { input, choices: labels.iter().map(ToString::to_string).collect(), answer, reason }
    }

    /// An item with choices of its own; `index` decides the rank of the right one.
    pub(crate) fn chosen<T: ToString>(
        source: &mut Source,
        index: u64,
        input: String,
        right: &str,
        wrong: &[T],
        reason: String,
    ) -> Self {
        let mut choices: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        source.shuffle(&mut choices);
        let answer = rank(index, choices.len() + 1);
        choices.insert(answer, right.to_owned());
        Self { input, choices, answer, reason }
    }

    /// The layout that training and scoring share. Plain text without special tokens, so that
    /// any model and any endpoint can be asked the same question.
    fn prompt(&self, instruction: &str) -> String {
        let choices = self.choices.join(", ");
        let input = &self.input;
        format!("Task: {instruction}\nChoices: {choices}\nInput: {input}\nAnswer:")
    }
}

/// The rank of the right one among `count` answers: cycles with the index.
pub(crate) fn rank(index: u64, count: usize) -> usize {
    usize::try_from(index % count as u64).expect("smaller than a count of choices")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_from_free_text() {
        let item = TaskItem {
            id: String::new(),
            prompt: String::new(),
            choices: vec!["scan".into(), "benign".into(), "scan_udp".into()],
            answer: 0,
            reason: String::new(),
        };
        let check = |text: &str, expected| assert_eq!(item.parse_answer(text), expected, "{text}");
        check(" scan because", Some(0));
        check("Benign.", Some(1));
        check("scan_udp", Some(2));
        check("scanner", None);
        check("it is a scan", None);
        check("", None);
    }
}
