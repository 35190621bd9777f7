//! The six domains asked of one who knows every answer, and of one who knows none: scores come from answers.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weighbridge_engine::{
    BoxFuture, Capabilities, Engine, EngineError, EngineEvent, EventKind, EventStream, Frame, GenerateRequest, Prompt,
    ScoreRequest, ScoredContinuation,
};
use weighbridge_eval::domains::{Difficulty, Domain, Options, rows};
use weighbridge_eval::runner::{EvalRun, Identity, Plan};
use weighbridge_eval::task::Value;
use weighbridge_types::record::EngineDescription;
use weighbridge_types::request::{Channel, FinishReason};
use weighbridge_types::time::Clock;

use crate::support::{Memory, settings};
use crate::witness;

/// Answers by question, several where the choices tell questions apart; `is_right` is whether it gives them.
#[derive(Debug)]
struct Oracle {
    answers: HashMap<String, Vec<String>>,
    is_right: bool,
}

impl Oracle {
    fn new(is_right: bool) -> Self {
        let mut answers: HashMap<String, Vec<String>> = HashMap::new();
        for domain in Domain::ALL {
            for difficulty in Difficulty::ALL {
                for row in rows(domain.name(), difficulty.name(), &Options::default()).unwrap() {
                    let answer = match row.get("choices").and_then(Value::as_list) {
                        Some(choices) => {
                            let place = usize::try_from(row.get("answer").unwrap().as_int().unwrap()).unwrap();
                            format!(" {}", choices[place].text())
                        }
                        None if domain == Domain::Creativity => witness::text(row.get("checks").unwrap()),
                        None => row.get("answer").unwrap().text(),
                    };
                    let question = format!("Question: {}\nAnswer:", row.get("question").unwrap().text());
                    answers.entry(question).or_default().push(answer);
                }
            }
        }
        Self { answers, is_right }
    }
}

impl Engine for Oracle {
    fn describe(&self) -> EngineDescription {
        EngineDescription { engine: "oracle".to_owned(), ..EngineDescription::default() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { score: true, ..Capabilities::default() }
    }

    fn generate(&self, request: GenerateRequest) -> EventStream {
        let Prompt::Text(prompt) = request.prompt else { panic!("a conversation") };
        let known = self.answers.get(&prompt).filter(|_| self.is_right);
        let text = known.and_then(|known| known.first().cloned()).unwrap_or_else(|| "Nobody can say.".to_owned());
        let (token_ids, log_probabilities) = (Vec::new(), Vec::new());
        let frame = Frame { channel: Channel::Answer, text, tokens: 1, token_ids, log_probabilities, detail: None };
        let kinds = [EventKind::Frame(frame), EventKind::Finished { reason: FinishReason::Stop }];
        let at = request.clock.now();
        Box::pin(futures_util::stream::iter(kinds.map(|kind| EngineEvent { at, kind })))
    }

    fn score(&self, request: ScoreRequest) -> BoxFuture<'_, Result<Vec<ScoredContinuation>, EngineError>> {
        let right = self.answers.get(&request.prompt).cloned().unwrap_or_default();
        let is_right = self.is_right;
        Box::pin(async move {
            let score = |text: &String| {
                let value = if right.contains(text) == is_right { -0.1 } else { -9.0 };
                ScoredContinuation { tokens: vec![1], log_probabilities: vec![value], is_greedy: false }
            };
            Ok(request.continuations.iter().map(score).collect())
        })
    }
}

#[tokio::test]
async fn who_knows_every_answer_is_told_from_who_knows_none() {
    for (is_right, expected) in [(true, 1.0), (false, 0.0)] {
        let engine = Arc::new(Oracle::new(is_right));
        let settings = settings(&["domains"]);
        let plan = Plan::prepare(&settings, engine.capabilities(), "oracle").unwrap();
        let run = EvalRun {
            settings,
            plan,
            engine,
            identity: Identity::default(),
            previous: None,
            cache: None,
            clock: Clock::start(),
            cancel: CancellationToken::new(),
        };
        let record = run.run(&mut Memory::default()).await.unwrap().record;
        for domain in Domain::ALL {
            let group = format!("domain_{}", domain.name());
            let is_accuracy = |name: &str, cell: Option<&str>| name == "accuracy" && cell == Some(&group);
            let metric =
                record.metrics.iter().find(|metric| is_accuracy(&metric.name, metric.cell.get("group"))).unwrap();
            assert_eq!((metric.value, metric.n), (Some(expected), 60), "{group}");
            // Even a perfect score of 60 leaves room, and so does none.
            let interval = metric.interval.as_ref().unwrap();
            assert!(interval.high - interval.low > 0.04, "{interval:?}");
        }
        let key = record.phases[0].key_metric.as_ref().unwrap();
        assert_eq!(key.cell.get("group"), Some("domains"));
    }
}
