//! The store: one folder per run, and an index of the folders.
//!
//! It knows how a run is kept, not how it is measured or reported. A run's folder holds `events.jsonl.zst`, one line
//! per request, item or sample, written as it happens, and `record.json`, replaced whole at each checkpoint.
//! [`RunFolder`] makes and locks the folder, [`Recorder`] writes both files, [`read_log`], [`replay`] and
//! [`read_record`] read them, [`Index`] lists the runs, [`Baselines`] names those that later ones are
//! held against.
//!
//! The log is a sequence of complete zstd frames, each of whole lines. After a kill at any byte, everything up to the
//! last complete frame reads back, and a resumed run cuts the torn tail off and goes on. The price is a little
//! compression, and the lines of at most one second.

mod atomic;
mod baselines;
mod error;
mod folder;
mod frames;
mod index;
mod log;
mod record;
mod recorder;
mod replay;
mod writer;

pub use atomic::replace;
pub use baselines::{Baseline, BaselineRun, Baselines, Provenance};
pub use error::StoreError;
pub use folder::RunFolder;
pub use index::{Figure, Filter, Headline, Index, Refresh, RunEntry, RunFigures};
pub use log::{PhaseLog, RunLog, read_log, read_log_from};
pub use record::read_record;
pub use recorder::{Recorder, RecorderReport};
pub use replay::{replay, replay_as_written};
