//! Why sides cannot be compared.

use weighbridge_stats::StatsError;
use weighbridge_types::comparison::Mismatch;

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerdictError {
    /// Fewer than two sides.
    #[error("compare {have} side: a baseline and a candidate are needed")]
    Sides {
        /// Sides at hand.
        have: usize,
    },
    /// A side without a run.
    #[error("compare `{side}`: it has no run")]
    Empty {
        /// Name of the side.
        side: String,
    },
    /// A run stands twice.
    #[error("compare the run `{run}` with itself")]
    Twice {
        /// Name of the run.
        run: String,
    },
    /// Runs were not made alike.
    #[error("compare runs that were not made alike: {}", list(.mismatches))]
    NotAlike {
        /// Every difference.
        mismatches: Vec<Mismatch>,
    },
    /// No metric of the runs can be compared.
    #[error("compare `{baseline}` with `{candidate}`: they have no metric in common")]
    NothingInCommon {
        /// Name of the baseline.
        baseline: String,
        /// Name of the candidate.
        candidate: String,
    },
    /// A gate names a metric that no run has.
    #[error("gate on `{gate}`: no run has such a metric; they have {known}")]
    UnknownGate {
        /// As it was written.
        gate: String,
        /// What the baseline has.
        known: String,
    },
    /// A setting outside its domain.
    #[error("compare with {what} {value}: it must be {expected}")]
    Setting {
        /// Which.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The domain, in words.
        expected: &'static str,
    },
    /// A statistic could not be computed.
    #[error("compare runs: {0}")]
    Stats(#[from] StatsError),
}

impl VerdictError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Sides { .. } => "name the baseline first, then one or more candidates",
            Self::Empty { .. } => "name runs, a folder that holds some, or a label",
            Self::Twice { .. } => "name each run on one side only",
            Self::NotAlike { .. } => {
                "make the runs again on one host with the same settings, or compare them all the same with `--force`"
            }
            Self::NothingInCommon { .. } => "name runs of the same kind",
            Self::UnknownGate { .. } => "write a metric as `ttft.p99`, with a cell as `ttft.p99@concurrency=4`",
            Self::Setting { .. } => "correct the flag of that name",
            Self::Stats(_) => "read the records with `weighbridge report check`",
        }
    }
}

/// In what they differ, each trait once.
fn list(mismatches: &[Mismatch]) -> String {
    const SHOWN: usize = 5;
    let mut traits: Vec<(&Mismatch, usize)> = Vec::new();
    for found in mismatches {
        match traits.iter_mut().find(|(known, _)| known.what == found.what) {
            Some((_, runs)) => *runs += 1,
            None => traits.push((found, 1)),
        }
    }
    let line = |(of, runs): &(&Mismatch, usize)| {
        let others = if *runs > 1 { format!(", and so in {} more", runs - 1) } else { String::new() };
        format!("{} is {} in the baseline and {} in `{}`{others}", of.what, of.expected, of.found, of.run)
    };
    let mut text: Vec<String> = traits.iter().take(SHOWN).map(line).collect();
    if traits.len() > SHOWN {
        text.push(format!("and {} more traits", traits.len() - SHOWN));
    }
    text.join("; ")
}
