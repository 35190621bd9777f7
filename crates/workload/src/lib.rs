//! Prompts, task items and generated security events, all seeded.
//!
//! This room knows what to ask; it does not know who answers, when, or how the answer is
//! timed or scored.
//!
//! - [`Task`] and [`TaskSet`]: ten tasks with closed answers, in a training and a held-out split.
//!
//! One choice runs through all of it: item `i` is a function of `(seed, task, split, i)` and of
//! nothing else. The price is one key set-up of ChaCha per item; in return any part of a set
//! can be made alone, in any order, on any number of threads.

mod domains;
mod security;
mod source;
mod task;
mod training;

pub use task::{Difficulty, Domain, Split, Task, TaskItem, TaskSet, TaskSettings};
pub use training::{TrainingText, training_texts};
