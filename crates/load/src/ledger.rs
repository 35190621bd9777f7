//! Tokens of the answers, counted again after the run.

use std::fmt;
use std::sync::Arc;

use weighbridge_engine::Tokenizer;
use weighbridge_types::definition as define;
use weighbridge_types::metric::Metric;
use weighbridge_types::record::{Finding, FindingKind, MetricPointer, Record};
use weighbridge_types::request::RequestRow;

/// Who counts again, and what he is called.
#[derive(Clone)]
pub struct Recount {
    /// What the tokenizer is called in the record: a file's name, without its folder.
    pub name: String,
    /// The tokenizer.
    pub tokenizer: Arc<dyn Tokenizer>,
}

impl fmt::Debug for Recount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recount").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Recount {
    /// Tokens of a row's answer. `None` where no text was kept, and where the server counted tokens of thinking, whose
    /// text is no part of the answer.
    pub(crate) fn count(&self, row: &RequestRow) -> Option<u32> {
        let thinks = row.usage.and_then(|usage| usage.reasoning_tokens).is_some_and(|tokens| tokens > 0);
        let text = row.text.as_ref().filter(|_| !thinks)?;
        u32::try_from(self.tokenizer.encode(text).ok()?.len()).ok()
    }
}

/// Disagreements between the counts: those of the server, of the frames, and of who counted again.
pub(crate) fn findings(record: &Record, recount: Option<&str>) -> Vec<Finding> {
    let of = |definition: &define::Definition, words: &str| {
        let disagrees =
            |metric: &&Metric| metric.name == definition.name && metric.value.is_some_and(|share| share > 0.0);
        let told = |metric: &Metric| {
            let share = 100.0 * metric.value.unwrap_or_default();
            let text = format!("{share:.1} % of {} answers have another number of tokens {words}", metric.n);
            Finding {
                rule: "token-ledger".to_owned(),
                kind: FindingKind::Limitation,
                priority: None,
                impact: None,
                text,
                evidence: vec![MetricPointer { key: metric.key(), cell: metric.cell.clone() }],
            }
        };
        record.metrics.iter().filter(disagrees).map(told).collect::<Vec<_>>()
    };
    let mut findings = of(&define::TOKEN_DISAGREEMENT, "in their frames than the server reported");
    if let Some(name) = recount {
        let words = format!("by `{name}` than the server reported; a server may count the token that ends an answer");
        findings.extend(of(&define::RETOKENIZED_DISAGREEMENT, &words));
    }
    findings
}

#[cfg(test)]
mod tests {
    use weighbridge_engine::TokenizerError;
    use weighbridge_types::metric::Cell;
    use weighbridge_types::request::{FinishReason, Outcome, Timeline, Usage};

    use super::*;

    /// Words are tokens.
    #[derive(Debug)]
    struct Words;

    impl Tokenizer for Words {
        fn vocab_size(&self) -> u32 {
            1
        }

        fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
            Ok(text.split_whitespace().map(|_| 0).collect())
        }

        fn token_bytes(&self, _token: u32) -> Vec<u8> {
            Vec::new()
        }

        fn bos(&self) -> Option<u32> {
            None
        }

        fn eos(&self) -> &[u32] {
            &[]
        }
    }

    #[test]
    fn an_answer_with_text_and_without_thinking_is_counted() {
        let recount = Recount { name: "words".to_owned(), tokenizer: Arc::new(Words) };
        let check = |text: Option<&str>, reasoning: Option<u32>, expected| {
            let outcome = Outcome::Succeeded { finish: FinishReason::Length };
            let mut row = RequestRow::new(1, Cell::default(), 8, Timeline::default(), outcome);
            row.text = text.map(str::to_owned);
            row.usage = Some(Usage { output_tokens: 3, reasoning_tokens: reasoning, ..Usage::default() });
            assert_eq!(recount.count(&row), expected, "{text:?} {reasoning:?}");
        };
        check(Some("a b c"), None, Some(3));
        check(Some("a b c"), Some(0), Some(3));
        check(Some("a b c"), Some(2), None);
        check(None, None, None);
    }
}
