//! A model that judges items with their source before it, and is itself tested with planted errors.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weighbridge_stats::Confidence;
use weighbridge_stats::proportion::wilson;

/// Version of the prompt: part of what a stored verdict is found by.
pub const JUDGE_PROMPT: &str = "judge-1";

/// A judge's verdict on one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Everything that the answer says is in the source.
    pub is_faithful: bool,
    /// The answer answers the question.
    pub is_relevant: bool,
    /// The question can be answered from the source, and only with it.
    pub is_answerable: bool,
}

impl Judged {
    /// Whether nothing speaks against the item.
    #[must_use]
    pub const fn passes(self) -> bool {
        self.is_faithful && self.is_relevant && self.is_answerable
    }
}

/// What a judge is asked.
#[must_use]
pub fn judge_prompt(source: &str, question: &str, answer: &str) -> String {
    format!(
        "Judge an answer by its source alone. Compare every number, every name and every negation of the answer with the source, one by \
         one.\n\nSource:\n<<<\n{source}\n>>>\n\nQuestion: {question}\n\nAnswer: {answer}\n\nReply with JSON alone: {{\"faithful\": is \
         everything that the answer says in the source?, \"relevant\": does it answer the question?, \"answerable\": can the question be \
         answered from the source?}}, each true or false."
    )
}

/// The schema of the verdict.
#[must_use]
pub fn judge_schema() -> Value {
    let flag = json!({"type": "boolean"});
    json!({
        "type": "object",
        "properties": {"faithful": flag, "relevant": flag, "answerable": flag},
        "required": ["faithful", "relevant", "answerable"],
        "additionalProperties": false,
    })
}

/// Reads a verdict; `None` where it is none.
#[must_use]
pub fn read_verdict(reply: &str) -> Option<Judged> {
    let start = reply.find('{')?;
    let end = reply.rfind('}')?;
    let value: Value = serde_json::from_str(reply.get(start..=end)?).ok()?;
    let flag = |name: &str| value.get(name)?.as_bool();
    Some(Judged { is_faithful: flag("faithful")?, is_relevant: flag("relevant")?, is_answerable: flag("answerable")? })
}

/// What a judge said, and how far it can be believed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JudgeReport {
    /// Items judged.
    pub judged: u64,
    /// Of them passed.
    pub passed: u64,
    /// Replies that were no verdict.
    pub unreadable: u64,
    /// Planted errors that were judged.
    pub planted: u64,
    /// Of them not passed.
    pub caught: u64,
    /// Share of the planted errors that were caught, with the bounds of its 95 % interval (Wilson); `None` without any.
    pub catch_rate: Option<(f64, f64, f64)>,
}

impl JudgeReport {
    /// Counts a verdict on an item, or on a planted error.
    pub fn count(&mut self, is_planted: bool, verdict: Option<Judged>) {
        let Some(verdict) = verdict else {
            self.unreadable += 1;
            return;
        };
        if is_planted {
            self.planted += 1;
            self.caught += u64::from(!verdict.passes());
        } else {
            self.judged += 1;
            self.passed += u64::from(verdict.passes());
        }
        let (caught, planted) = (usize::try_from(self.caught).unwrap_or(0), usize::try_from(self.planted).unwrap_or(0));
        let estimate = wilson(caught, planted, Confidence::P95).ok();
        self.catch_rate = estimate.map(|estimate| (estimate.value, estimate.interval.low, estimate.interval.high));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read_and_counted() {
        let good = read_verdict("{\"faithful\": true, \"relevant\": true, \"answerable\": true}");
        let bad = read_verdict("Sure: {\"faithful\": false, \"relevant\": true, \"answerable\": true}.");
        assert!(good.unwrap().passes() && !bad.unwrap().passes());
        assert_eq!(read_verdict("yes"), None);
        assert_eq!(read_verdict("} {"), None);
        let mut report = JudgeReport::default();
        for (is_planted, verdict) in [(false, good), (true, bad), (true, good), (false, None)] {
            report.count(is_planted, verdict);
        }
        assert_eq!((report.judged, report.passed, report.planted, report.caught, report.unreadable), (1, 1, 2, 1, 1));
        assert!((report.catch_rate.unwrap().0 - 0.5).abs() < 1e-9);
    }
}
