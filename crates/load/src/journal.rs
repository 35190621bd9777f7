//! Where a run's events go, and come back from.

use weighbridge_types::event::{Sink, SinkError};
use weighbridge_types::record::LogLine;

/// A sink that keeps what it takes and reads it back: figures are computed from the log, in memory that does not grow
/// with the run.
pub trait Journal: Sink {
    /// Makes everything so far durable, and says where the log ends.
    ///
    /// # Errors
    /// When anything could not be written.
    fn mark(&mut self) -> Result<u64, SinkError>;

    /// Hands over every line from a mark on, in order, as it was written: rows are not marked yet with what later lines
    /// say of the client.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn replay(&mut self, from: u64, each: &mut dyn FnMut(LogLine)) -> Result<(), SinkError>;
}
