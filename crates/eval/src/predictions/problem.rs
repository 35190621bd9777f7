//! What went wrong with a sample.

use weighbridge_types::sample::SampleOutcome;

/// The class of a sample that has no usable answer, or whose answer is known to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Problem {
    /// Answered, and wrong.
    Wrong,
    /// Answered, but the answer is none of the permitted ones.
    Unparsable,
    /// The model declined to answer.
    Refused,
    /// The answer was cut off.
    Truncated,
    /// No answer in time.
    TimedOut,
    /// The server failed.
    ServerError,
}

impl Problem {
    /// Every class, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Wrong, Self::Unparsable, Self::Refused, Self::Truncated, Self::TimedOut, Self::ServerError];

    /// The name in files. Names are stored and never change.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Unparsable => "unparsable",
            Self::Refused => "refused",
            Self::Truncated => "truncated",
            Self::TimedOut => "timed_out",
            Self::ServerError => "server_error",
        }
    }

    /// The class of a name, also in other spellings of the same words (`timed out`, `Server-Error`, `timeout`).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let plain: String =
            name.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect();
        match plain.as_str() {
            "wrong" => Some(Self::Wrong),
            "unparsable" | "unparseable" => Some(Self::Unparsable),
            "refused" | "refusal" => Some(Self::Refused),
            "truncated" => Some(Self::Truncated),
            "timedout" | "timeout" => Some(Self::TimedOut),
            "servererror" => Some(Self::ServerError),
            _ => None,
        }
    }

    /// Whether the model gave an answer at all. The form "answered only" leaves the others out.
    #[must_use]
    pub const fn is_answered(self) -> bool {
        matches!(self, Self::Wrong)
    }

    /// What became of a sample with this problem.
    #[must_use]
    pub const fn outcome(self) -> SampleOutcome {
        match self {
            Self::Wrong => SampleOutcome::Wrong,
            Self::Unparsable => SampleOutcome::Unparsable,
            Self::Refused => SampleOutcome::Refused,
            Self::Truncated => SampleOutcome::Truncated,
            Self::TimedOut => SampleOutcome::TimedOut,
            Self::ServerError => SampleOutcome::ServerError,
        }
    }

    /// Position in [`Problem::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_in_any_spelling() {
        for (index, problem) in Problem::ALL.into_iter().enumerate() {
            assert_eq!(Problem::from_name(problem.name()), Some(problem));
            assert_eq!(problem.index(), index);
            assert_eq!(problem.outcome().name(), problem.name());
        }
        assert_eq!(Problem::from_name("Timed Out"), Some(Problem::TimedOut));
        assert_eq!(Problem::from_name("ok"), None);
    }
}
