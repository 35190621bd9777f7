//! Running tasks against a model.
//!
//! A [`Plan`] numbers the documents of its tasks; [`EvalRun`] keeps a bounded number of them in flight, hands each answered
//! one to a [`Journal`], and folds scores into figures. Rows lie in the log in the order of answers; every figure is
//! computed in the order of documents, so that a run that was killed and went on ends with the same figures.

mod ask;
mod book;
mod energy;
mod export;
mod figures;
mod kept;
mod letters;
mod plan;
mod recount;
mod run;
mod scores;
mod settings;
mod shown;

pub use export::{Export, preview, sample_files};
pub(crate) use figures::{context_of, definition};
pub use plan::{Mode, Plan, Planned};
pub use recount::Recount;
pub(crate) use run::NO_FILTER;
pub use run::{EvalRun, Evaluated, Identity, Journal};
pub use settings::{ChoiceMode, EvalSettings, Form, Prices};
