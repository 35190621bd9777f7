//! Tasks as data, in lm-eval's format.
//!
//! A [`Library`] knows the task files of folders; a name of it stands for [`TaskConfig`]s and groups. [`Task::prepare`]
//! reads a task's data and makes each document a [`Sample`], whose requests are those of lm-eval, byte for byte.

mod bbq;
pub mod config;
mod conll;
pub mod data;
pub mod error;
mod fewshot;
mod field;
pub mod filter;
mod gpqa;
pub mod library;
pub mod literal;
pub mod pattern;
mod prepared;
mod prompt;
pub mod random;
pub mod score;
mod scorer;
mod security;
mod shipped;
mod spans;
pub mod template;
mod texts;
pub mod transform;
pub mod value;

/// Whether a function of task files is built in; `name` ends in `folder/module.function`.
fn is_built_in(name: &str) -> bool {
    transform::is_known(name) || scorer::find(name).is_some()
}

pub use config::{OutputType, TaskConfig};
pub use data::{Cache, Places};
pub use error::TaskError;
pub use library::{Entry, EntryKind, GroupConfig, GroupMetric, Library, Selected, Selection};
pub use prepared::{Ask, FEWSHOT_SEED, PromptForm, PromptText, Sample, Task, TaskSettings};
pub use value::Value;
