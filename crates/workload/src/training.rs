//! The text that the embedded model is trained on.

use serde::{Deserialize, Serialize};

use crate::security;
use crate::source::Source;
use crate::task::{Split, Task, TaskItem, TaskSettings};

/// Lines in a training document of running text.
const STREAM_LINES: (u32, u32) = (4, 14);

/// One training document, or one held-out item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TrainingText {
    /// A prompt to continue with its completion.
    Task {
        /// Name of the task.
        task: String,
        /// The item.
        item: TaskItem,
    },
    /// A prompt and its completion as a dialog: the chat template is put around the two.
    Chat {
        /// Name of the task.
        task: String,
        /// The item.
        item: TaskItem,
    },
    /// Running text: security events, one a line.
    Stream {
        /// The text.
        text: String,
    },
}

/// Training documents, of 10: seven items to continue, two dialogs, one running text.
///
/// The held-out split gives items only, each task in turn.
pub fn training_texts(settings: TaskSettings) -> impl Iterator<Item = TrainingText> {
    (0_u64..).map(move |index| text(&settings, index))
}

fn text(settings: &TaskSettings, index: u64) -> TrainingText {
    let task_count = Task::ALL.len() as u64;
    let place = usize::try_from(index % task_count).expect("smaller than the number of tasks");
    let (task, round) = (Task::ALL[place], index / task_count);
    let name = task.name().to_owned();
    if settings.split == Split::HeldOut {
        return TrainingText::Task { task: name, item: task.item(settings, round) };
    }
    let mut source = Source::new(settings.seed, "training_text", settings.split, index);
    match source.below(10) {
        0..7 => TrainingText::Task { task: name, item: task.item(settings, round) },
        7..9 => TrainingText::Chat { task: name, item: task.item(settings, round) },
        _ => TrainingText::Stream { text: stream(&mut source) },
    }
}

fn stream(source: &mut Source) -> String {
    let count = source.between(STREAM_LINES.0, STREAM_LINES.1);
    let mut text = String::new();
    for _ in 0..count {
        text.push_str(&security::any_event(source));
        text.push('\n');
    }
    text
}
