//! What became of every document, chunk and item.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The one state in which a document, a chunk or an item ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub enum State {
    /// Used whole.
    Ok,
    /// Used, with something missing or doubtful.
    Degraded(String),
    /// Left out by a rule.
    Rejected(String),
    /// Left out because something went wrong.
    Failed(String),
}

/// How many ended in which state, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateCounts {
    /// All that came in.
    pub admitted: u64,
    /// Used whole.
    pub ok: u64,
    /// Used in part, by reason.
    pub degraded: BTreeMap<String, u64>,
    /// Left out by a rule, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Gone wrong, by reason.
    pub failed: BTreeMap<String, u64>,
}

impl StateCounts {
    /// Counts one. It is admitted and ended at once, so that the counts always add up.
    pub fn count(&mut self, state: &State) {
        self.admitted += 1;
        match state {
            State::Ok => self.ok += 1,
            State::Degraded(reason) => *self.degraded.entry(reason.clone()).or_insert(0) += 1,
            State::Rejected(reason) => *self.rejected.entry(reason.clone()).or_insert(0) += 1,
            State::Failed(reason) => *self.failed.entry(reason.clone()).or_insert(0) += 1,
        }
    }

    /// How many ended in any state.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.ok + sum(&self.degraded) + sum(&self.rejected) + sum(&self.failed)
    }

    /// How many are used.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.ok + sum(&self.degraded)
    }

    /// How many went wrong.
    #[must_use]
    pub fn failures(&self) -> u64 {
        sum(&self.failed)
    }

    /// Share of those admitted that went wrong; `None` where nothing was.
    #[must_use]
    pub fn error_rate(&self) -> Option<f64> {
        (self.admitted > 0).then(|| self.failures() as f64 / self.admitted as f64)
    }

    /// Whether every one that was admitted ended in one state.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.ended() == self.admitted
    }
}

fn sum(counts: &BTreeMap<String, u64>) -> u64 {
    counts.values().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_state() -> impl proptest::strategy::Strategy<Value = State> {
        use proptest::prelude::*;
        let reason = "[a-c]{1}";
        prop_oneof![
            Just(State::Ok),
            reason.prop_map(State::Degraded),
            reason.prop_map(State::Rejected),
            reason.prop_map(State::Failed),
        ]
    }

    proptest::proptest! {
        #[test]
        fn counts_add_up(states in proptest::collection::vec(any_state(), 0..40)) {
            let mut counts = StateCounts::default();
            states.iter().for_each(|state| counts.count(state));
            proptest::prop_assert!(counts.adds_up());
            proptest::prop_assert_eq!(counts.ended(), states.len() as u64);
            let failed = states.iter().filter(|state| matches!(state, State::Failed(_))).count();
            proptest::prop_assert_eq!(counts.failures(), failed as u64);
        }
    }

    #[test]
    fn states_have_a_form() {
        assert_eq!(serde_json::to_string(&State::Ok).unwrap(), "{\"state\":\"ok\"}");
        assert_eq!(
            serde_json::to_string(&State::Rejected("empty".into())).unwrap(),
            "{\"state\":\"rejected\",\"reason\":\"empty\"}"
        );
    }
}
