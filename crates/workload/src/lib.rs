//! Prompts, task items and generated security events, all seeded.
//!
//! This room knows what to ask; it does not know who answers, when, or how the answer is
//! timed or scored.
//!
//! - [`exact_prompt`]: event text of an exact number of tokens, for any tokenizer; [`prompt_of_words`] and
//!   [`prompt_of_bytes`] where none is known.
//! - [`read_prompts`]: prompts from JSONL and CSV files.
//! - [`Traffic`]: sessions of requests for a load, generated or read from traces.
//! - [`Task`] and [`TaskSet`]: ten tasks with closed answers, in a training and a held-out split.
//!
//! One choice runs through all of it: item `i` is a function of `(seed, task, split, i)` and of
//! nothing else. The price is one key set-up of ChaCha per item; in return any part of a set
//! can be made alone, in any order, on any number of threads.

mod arrivals;
mod distributions;
mod domains;
mod draws;
mod prompt_reader;
mod prompts;
mod rounds;
mod security;
mod source;
mod spec;
mod synthetic;
mod task;
mod traces;
mod traffic;
mod training;

pub use arrivals::{ArrivalTimes, Arrivals, Curve, Process, Stage};
pub use distributions::{LengthDistribution, TOKENS_MAX, TimeDistribution};
pub use prompt_reader::{
    PromptFileError, PromptFileProblem, PromptFormat, PromptRecord, read_prompts, read_prompts_from,
};
pub use prompts::{
    BYTES_PER_TOKEN_GUESS, GeneratedPrompt, PromptError, PromptSettings, exact_prompt, prompt_of_bytes, prompt_of_words,
};
pub use rounds::round_order;
pub use spec::{SpecError, SpecKind, SpecProblem};
pub use synthetic::{
    CACHE_WARMUP, CacheTraffic, CacheTrafficSettings, CacheWorkload, CancelWhen, Cancellation, Merged, MergedPart,
    Part, Prefixes, PromptShape, ReuseSettings, SessionShape, SlowReaders, Synthetic, SyntheticSettings, TextPool,
    reuse_order, reuse_prompts,
};
pub use task::{Difficulty, Domain, Split, Task, TaskItem, TaskSet, TaskSettings};
pub use traces::{
    DataSpec, OpenedTrace, Replay, ShareGptMode, TimeUnit, Timing, TraceError, TraceKind, TraceNote, TraceOptions,
    TraceProblem, TraceSettings, TraceSpec, Wrap, read_trace,
};
pub use traffic::{PlannedTurn, Session, Traffic, TurnPrompt};
pub use training::{TrainingText, training_texts};
