//! Figures of a load run, from an event log that is read twice and never held.
//!
//! The first reading ([`TimeBins`]) counts by time: it finds for each load point where warm-up ends and the drain begins
//! ([`Stages`]). The second one ([`LoadSummary`]) adds up what belongs to the window. Both take rows one by one, and their
//! memory does not grow with the run.
//!
//! **What belongs to the window.** Rates count what is *stamped* in it: tokens, completions, releases, requests in flight.
//! Figures of single requests take the requests *planned* in it, whatever became of them and however long they took.
//! Choosing them by their end instead would leave out the slow ones that are still in flight when the window ends, and
//! would take in those of the warm-up that were slow.
//!
//! **Exact and otherwise.** A series keeps its values, and its percentiles are exact (type 7), until it holds more than a
//! bound; from then on it is a histogram within 0.05 %, and its percentiles say so ([`Flag::Histogram`]). Mean, range and
//! counts are always exact. A series is in the order of the log.
//!
//! [`Flag::Histogram`]: weighbridge_types::metric::Flag::Histogram

mod answers;
mod bins;
mod cells;
mod compared;
mod counts;
mod distributions;
mod figures;
mod outages;
mod per_request;
mod plan;
mod precision;
mod series;
mod sessions;
mod soak;
mod stages;
mod summary;
#[cfg(test)]
mod tests;
mod window;

pub use answers::{ANSWERS, AnswerRule, AnswersPlan, GOLDEN, NOISE, answers_pass};
pub use bins::TimeBins;
pub use compared::{AGAIN, BESIDE, FRESH, STREAM, USE, VICTIM, victim_alone};
pub use plan::{LoadKind, LoadPlan, Warmup};
pub use precision::{Reached, UntilPlan};
pub(crate) use soak::GROWTH;
pub use soak::{PROCESS, Soak};
pub use stages::{CellStages, LoadPoint, LoadSeries, Stages, Steady};
pub use summary::{LoadFigures, LoadSummary};
