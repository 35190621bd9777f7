//! What an evaluation asks: its tasks with their data, and one number for each document.

use sha2::{Digest, Sha256};
use weighbridge_engine::Capabilities;
use weighbridge_types::sample::{SampleAnswer, SampleOutcome, SampleRow};

use super::letters;
use super::settings::{ChoiceMode, EvalSettings, Form};
use crate::error::EvalError;
use crate::task::score::{Answer, FilterScores};
use crate::task::{Cache, GroupConfig, Library, OutputType, Places, PromptText, Sample, Selection, Task};

/// Tokens of an answer that is a letter, at most.
const LETTER_TOKENS: u32 = 64;

/// How the documents of a task are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By log-probabilities.
    Score,
    /// By a generated text.
    Generate,
    /// By a generated letter.
    Letters,
    /// By the classes of a classifier.
    Classify,
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Generate => "generate",
            Self::Letters => "letters",
            Self::Classify => "classify",
        }
    }
}

/// A task that is ready to run.
#[derive(Debug)]
pub struct Planned {
    /// The task with its data.
    pub task: Task,
    /// How it is asked.
    pub mode: Mode,
}

/// The tasks of an evaluation.
#[derive(Debug, Default)]
pub struct Plan {
    /// Tasks, in order.
    pub tasks: Vec<Planned>,
    /// Groups, the innermost first.
    pub groups: Vec<GroupConfig>,
}

impl Plan {
    /// Finds tasks and reads their data.
    ///
    /// # Errors
    /// When a task is unknown, cannot be used, or asks for what the engine cannot do.
    pub fn prepare(settings: &EvalSettings, capabilities: Capabilities, engine: &str) -> Result<Self, EvalError> {
        let folders: Vec<_> = settings.tasks_dirs.iter().map(Into::into).collect();
        let selection = Library::of_folders(&folders)?.with_shipped().select(&settings.tasks)?;
        Self::of_selection(selection, settings, capabilities, engine)
    }

    /// Reads the data of chosen tasks.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn of_selection(
        selection: Selection,
        settings: &EvalSettings,
        capabilities: Capabilities,
        engine: &str,
    ) -> Result<Self, EvalError> {
        let mut cache = Cache::default();
        let mut tasks = Vec::new();
        for selected in selection.tasks {
            let places = Places {
                task_folder: selected.folder,
                data_folders: settings.data_dirs.iter().map(Into::into).collect(),
            };
            let task = Task::prepare(selected.config, &settings.task_settings(), &places, &mut cache)?;
            let mode = mode_of(&task, settings, capabilities, engine)?;
            tasks.push(Planned { task, mode });
        }
        Ok(Self { tasks, groups: selection.groups })
    }

    /// Checks that a classifier knows every choice of the first document of each task.
    ///
    /// # Errors
    /// Names the first choice that is no class, or the document that cannot be read.
    pub fn check_classes(&self, classes: &[String]) -> Result<(), EvalError> {
        for planned in self.tasks.iter().filter(|planned| planned.mode == Mode::Classify && !planned.task.is_empty()) {
            let sample = planned.task.sample(0)?;
            classes_of(&sample, classes).map_err(|choice| EvalError::NoClass {
                task: planned.task.config.task.clone(),
                choice,
                classes: classes.join(", "),
            })?;
        }
        Ok(())
    }

    /// Documents of all tasks.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.tasks.iter().map(|planned| planned.task.len()).sum()
    }

    /// Task and document of a job, which is the place among the documents of all tasks.
    pub(crate) fn job(&self, job: usize) -> Option<(usize, usize)> {
        let mut left = job;
        for (place, planned) in self.tasks.iter().enumerate() {
            if left < planned.task.len() {
                return Some((place, left));
            }
            left -= planned.task.len();
        }
        None
    }
}

/// Log-probabilities follow plain text: a conversation is put into a model's own form behind the engine, so that what a
/// choice would follow is not known here.
fn mode_of(task: &Task, settings: &EvalSettings, capabilities: Capabilities, engine: &str) -> Result<Mode, EvalError> {
    if capabilities.embed {
        return Err(EvalError::NeedsAnswers { task: task.config.task.clone(), engine: engine.to_owned() });
    }
    if capabilities.classify {
        let is_choice = task.config.output_type == OutputType::MultipleChoice && !task.multiple_inputs;
        let needs_text = || EvalError::NeedsText { task: task.config.task.clone(), engine: engine.to_owned() };
        return if is_choice { Ok(Mode::Classify) } else { Err(needs_text()) };
    }
    let is_text = settings.form == Form::Text;
    let can_score = capabilities.score && is_text;
    let name = || task.config.task.clone();
    let needs_scores = || {
        if is_text || !capabilities.score {
            EvalError::NeedsScores { task: name(), engine: engine.to_owned() }
        } else {
            EvalError::ChatScores { task: name() }
        }
    };
    match task.config.output_type {
        OutputType::Generate => Ok(Mode::Generate),
        OutputType::MultipleChoice => {
            let can_write = !task.multiple_inputs;
            match settings.choices {
                ChoiceMode::LogLikelihood | ChoiceMode::Auto if can_score => Ok(Mode::Score),
                ChoiceMode::Auto | ChoiceMode::Letters if can_write => Ok(Mode::Letters),
                ChoiceMode::Auto | ChoiceMode::Letters | ChoiceMode::LogLikelihood => Err(needs_scores()),
            }
        }
        OutputType::LogLikelihood | OutputType::Rolling if can_score => Ok(Mode::Score),
        // A whole text is asked without a prompt, in whatever form prompts are.
        OutputType::Rolling if capabilities.score => Ok(Mode::Score),
        OutputType::LogLikelihood | OutputType::Rolling => Err(needs_scores()),
    }
}

/// For each choice of a document the place of its class; `Err` holds a choice that is no class.
pub(crate) fn classes_of(sample: &Sample, classes: &[String]) -> Result<Vec<usize>, String> {
    let choices = sample.choices.as_deref().unwrap_or_default();
    let place = |choice: &String| classes.iter().position(|class| class == choice.trim()).ok_or_else(|| choice.clone());
    choices.iter().map(place).collect()
}

impl Planned {
    pub(crate) fn max_tokens(&self, settings: &EvalSettings) -> u32 {
        let own = if self.mode == Mode::Letters { LETTER_TOKENS } else { self.task.config.generation.max_tokens };
        settings.max_tokens.unwrap_or(own)
    }

    /// The content address of a question: data, row, prompt, parameters and repeat.
    pub(crate) fn sample_id(&self, sample: &Sample, settings: &EvalSettings, repeat: u32) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(self.task.data_digest());
        add(&sample.doc_id.to_string());
        for ask in &sample.asks {
            match &ask.prompt {
                Some(PromptText::Text(text)) => add(text),
                Some(chat @ PromptText::Chat(_)) => add(&chat.shown()),
                None => add(""),
            }
            add(ask.continuation.as_deref().unwrap_or("\0"));
        }
        sample.follow_ups.iter().for_each(|follow_up| add(follow_up));
        add(self.mode.name());
        if self.mode == Mode::Classify {
            add(&sample.input);
        }
        add(&self.task.config.generation.written.dumps());
        add(&format!("{} {}", self.max_tokens(settings), settings.seed));
        add(&repeat.to_string());
        let mut id = crate::task::data::hex(&hash.finalize());
        id.truncate(32);
        id
    }

    /// Scores the rows of a document, one for each repeat; empty where a repeat has no answer.
    ///
    /// # Errors
    /// When the answers do not fit the task.
    pub(crate) fn score(&self, sample: &Sample, rows: &[SampleRow]) -> Result<Vec<FilterScores>, String> {
        if rows.iter().any(|row| row.answers.is_empty()) {
            return Ok(Vec::new());
        }
        self.task.score(sample, &self.answers(sample, rows))
    }

    fn answers(&self, sample: &Sample, rows: &[SampleRow]) -> Vec<Answer> {
        // Of several turns the last one's.
        let last = |row: &SampleRow| row.answers.last().and_then(text_of).map(str::to_owned);
        let texts = || rows.iter().filter_map(last).collect::<Vec<_>>();
        match self.mode {
            Mode::Generate => vec![Answer::Texts(texts())],
            Mode::Letters => {
                let choices = sample.choices.as_deref().unwrap_or_default();
                let choice = texts().first().and_then(|text| letters::choice_of(text, choices));
                vec![Answer::Choice(choice)]
            }
            Mode::Score | Mode::Classify => {
                let answers = rows.first().map_or(&[][..], |row| &row.answers);
                let answer = |answer: &SampleAnswer| match answer {
                    SampleAnswer::LogProbability { value, is_greedy, .. } => {
                        Answer::LogProbability { value: *value, is_greedy: *is_greedy }
                    }
                    SampleAnswer::Text { text, .. } => Answer::Texts(vec![text.clone()]),
                };
                answers.iter().map(answer).collect()
            }
        }
    }
}

pub(crate) fn text_of(answer: &SampleAnswer) -> Option<&str> {
    match answer {
        SampleAnswer::Text { text, .. } => Some(text),
        SampleAnswer::LogProbability { .. } => None,
    }
}

/// What became of an answered document, by its first filter that got it right, else by what went wrong.
pub(crate) fn outcome_of(scores: &[FilterScores], rows: &[SampleRow]) -> SampleOutcome {
    use weighbridge_types::request::FinishReason;
    let was_cut = rows
        .iter()
        .flat_map(|row| &row.answers)
        .any(|answer| matches!(answer, SampleAnswer::Text { finish: FinishReason::Length, .. }));
    if scores.iter().any(|scores| scores.is_right() == Some(true)) {
        return SampleOutcome::Right;
    }
    if scores.iter().all(|scores| scores.is_right().is_none()) {
        return SampleOutcome::Answered;
    }
    match (was_cut, scores.iter().all(|scores| scores.fell_back)) {
        (true, _) => SampleOutcome::Truncated,
        (false, true) => SampleOutcome::Unparsable,
        (false, false) => SampleOutcome::Wrong,
    }
}
