//! Files that are no profile.

/// A file that could not be read as a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A line of collapsed text that does not end with a count.
    #[error("read line {line} of collapsed stacks, `{text}`: {problem}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// The line, shortened.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A message that breaks the rules of protobuf or of pprof.
    #[error("read a pprof message: {problem}")]
    Message {
        /// What is wrong with it.
        problem: String,
    },
    /// Compressed bytes that do not unpack.
    #[error("unpack a compressed profile: {problem}")]
    Packed {
        /// What is wrong with them.
        problem: String,
    },
    /// There is nothing in it.
    #[error("find a sample in the profile")]
    Empty,
}

impl FormError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Line { .. } => "a line is `thread;function;function COUNT`, the outermost function first",
            Self::Message { .. } => {
                "profiles are `.pb` files of pprof, packed with gzip or not, or collapsed stacks as text"
            }
            Self::Packed { .. } => "the file may have been cut off: write it again",
            Self::Empty => "sample for longer, or while there is work: only time on a processor is sampled",
        }
    }
}
