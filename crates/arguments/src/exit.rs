//! Exit codes: the one place that maps outcomes to numbers. Scripts rely on them; they never change meaning.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked was done, and every gate passed.
    Pass,
    /// A gate failed: a target was missed, or a record contradicts itself.
    GateFailed,
    /// The command line, a file or a setting is wrong.
    Usage,
    /// The data do not decide.
    Inconclusive,
    /// The measurement is not valid: nothing succeeded, or the target cannot be reached.
    Invalid,
    /// A bug of this program.
    Bug,
    /// Interrupted; the partial record is kept.
    Interrupted,
}

impl Exit {
    /// Every outcome, for the help text.
    pub const ALL: [Self; 7] =
        [Self::Pass, Self::GateFailed, Self::Usage, Self::Inconclusive, Self::Invalid, Self::Bug, Self::Interrupted];

    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::GateFailed => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::Invalid => 4,
            Self::Bug => 70,
            Self::Interrupted => 130,
        }
    }

    /// What the number says, for the help text.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Pass => "done; every gate passed",
            Self::GateFailed => {
                "a gate failed: a target or an objective was missed, or `report check` found a contradiction"
            }
            Self::Usage => "the command line, a file or a setting is wrong",
            Self::Inconclusive => "a gate cannot be decided: the limit lies inside the interval",
            Self::Invalid => "no valid measurement: nothing or too little succeeded, or the client was the bottleneck",
            Self::Bug => "a bug of this program",
            Self::Interrupted => "interrupted; the partial record is kept",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
