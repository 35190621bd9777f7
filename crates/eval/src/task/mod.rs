//! Tasks as data, in lm-eval's format.
//!
//! A [`Library`] knows the task files of folders; a name of it stands for [`TaskConfig`]s and groups. [`Task::prepare`]
//! reads a task's data and makes each document a [`Sample`], whose requests are those of lm-eval, byte for byte.

pub mod config;
mod conll;
pub mod data;
pub mod error;
mod fewshot;
mod field;
pub mod filter;
pub mod library;
pub mod literal;
pub mod pattern;
mod prepared;
mod prompt;
pub mod random;
pub mod score;
mod security;
mod shipped;
mod spans;
pub mod template;
pub mod transform;
pub mod value;

pub use config::{OutputType, TaskConfig};
pub use data::{Cache, Places};
pub use error::TaskError;
pub use library::{Entry, EntryKind, GroupConfig, GroupMetric, Library, Selected, Selection};
pub use prepared::{Ask, FEWSHOT_SEED, PromptForm, PromptText, Sample, Task, TaskSettings};
pub use value::Value;
