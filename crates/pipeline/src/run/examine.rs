//! Items before a model that sees their source: a judge, itself tested with planted errors, and the round trip of answerability.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use super::error::PipelineError;
use super::model::{Ask, Model, Reply};
use super::runner::Run;
use super::settle::Settled;
use crate::digest::{digest_of, hash64};
use crate::quality::{
    Answerability, ItemRefusal, JUDGE_PROMPT, JudgeReport, PlantedKind, judge_prompt, judge_schema, plant,
    read_verdict, round_trip_f1,
};

/// Version of the prompts of the round trip: part of what a stored answer is found by.
const ROUND_TRIP_PROMPT: &str = "round-trip-1";
/// Tokens of a verdict at most.
const VERDICT_TOKENS: u32 = 60;
/// Tokens of an answer of the round trip at most.
const ANSWER_TOKENS: u32 = 400;

/// What is asked of an item.
struct Question {
    item: usize,
    turn: usize,
    purpose: Purpose,
    ask: Ask,
    key: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Judge,
    Planted,
    FromSpan,
    FromNothing,
}

/// Asks of the items at these places what the settings want, and writes it into them. `None`: nobody judged.
pub(super) fn examine(
    run: &mut Run<'_>,
    settled: &mut [Settled],
    order: &[usize],
) -> Result<Option<JudgeReport>, PipelineError> {
    let wanted = run.pipeline.settings.model;
    let Some(model) = run.pipeline.model.filter(|_| wanted.judge || wanted.round_trip) else { return Ok(None) };
    let questions = questions_of(run, settled, order)?;
    let replies = ask_all(run, model, &questions)?;
    let mut report = JudgeReport::default();
    let mut trips: HashMap<(usize, usize), [Option<String>; 2]> = HashMap::new();
    for (question, reply) in questions.iter().zip(replies) {
        match question.purpose {
            Purpose::Judge => {
                let verdict = reply.as_deref().and_then(read_verdict);
                report.count(false, verdict);
                let item = &mut settled[question.item];
                match verdict {
                    None => item.is_unjudged = true,
                    Some(verdict) if !verdict.passes() => {
                        item.refusal.get_or_insert((ItemRefusal::Judge, format!("{verdict:?}")));
                    }
                    Some(_) => {}
                }
            }
            Purpose::Planted => report.count(true, reply.as_deref().and_then(read_verdict)),
            Purpose::FromSpan => trips.entry((question.item, question.turn)).or_default()[0] = reply,
            Purpose::FromNothing => trips.entry((question.item, question.turn)).or_default()[1] = reply,
        }
    }
    if wanted.round_trip {
        for at in order {
            let item = &mut settled[*at];
            if let Some(value) = round_trip(item, *at, &trips) {
                item.answerability(Answerability::RoundTrip(value));
            }
        }
    }
    Ok(wanted.judge.then_some(report))
}

/// The mean over the turns; `None` where a reply is missing, and the words of the question decide as they did.
fn round_trip(item: &Settled, at: usize, trips: &HashMap<(usize, usize), [Option<String>; 2]>) -> Option<f64> {
    let mut sum = 0.0;
    for (turn, draft) in item.draft.turns.iter().enumerate() {
        let [from_span, from_nothing] = trips.get(&(at, turn))?;
        sum += round_trip_f1(&draft.answer, from_span.as_deref()?, from_nothing.as_deref()?).value();
    }
    (!item.draft.turns.is_empty()).then(|| sum / item.draft.turns.len() as f64)
}

fn questions_of(run: &Run<'_>, settled: &[Settled], order: &[usize]) -> Result<Vec<Question>, PipelineError> {
    let wanted = run.pipeline.settings.model;
    let seed = run.pipeline.settings.seed;
    let mut places = order.to_vec();
    // Texts are read once for all items of a document.
    places.sort_unstable();
    let mut questions = Vec::new();
    let mut current: Option<(usize, String)> = None;
    for at in places {
        let item = &settled[at];
        let document = item.draft.document;
        if current.as_ref().is_none_or(|(known, _)| *known != document) {
            let digest = run.admitted[document].record.document.clone().unwrap_or_default();
            let path = run.options.output.join("documents").join(format!("{digest}.md"));
            current = Some((document, std::fs::read_to_string(&path).map_err(PipelineError::io("read", &path))?));
        }
        let text = current.as_ref().map_or("", |(_, text)| text.as_str());
        for (turn, draft) in item.draft.turns.iter().enumerate() {
            let cited: Vec<&str> = draft.spans.iter().filter_map(|span| text.get(span.start..span.end)).collect();
            let source = cited.join("\n");
            let question = item.question(turn);
            let mut push = |purpose, ask: Ask, version: &str| {
                let key = digest_of(&(version, &run.model_name, &ask.prompt, ask.max_tokens));
                questions.push(Question { item: at, turn, purpose, ask, key });
            };
            if wanted.judge {
                push(Purpose::Judge, judge_ask(&source, question, &draft.answer), JUDGE_PROMPT);
                if let Some(wrong) = planted(&draft.answer, &source, question, wanted.planted_share, seed) {
                    push(Purpose::Planted, judge_ask(&source, question, &wrong), JUDGE_PROMPT);
                }
            }
            if wanted.round_trip {
                push(Purpose::FromSpan, answer_ask(Some(&source), question), ROUND_TRIP_PROMPT);
                push(Purpose::FromNothing, answer_ask(None, question), ROUND_TRIP_PROMPT);
            }
        }
    }
    Ok(questions)
}

/// A wrong answer for a share of the questions, by a hash of the question; of the kinds that fit, one in turn.
fn planted(answer: &str, source: &str, question: &str, share: f64, seed: u64) -> Option<String> {
    let draw = hash64(question.as_bytes(), seed ^ 0x6a75_6467);
    if draw as f64 / u64::MAX as f64 >= share {
        return None;
    }
    let others = crate::quality::swappable(source);
    let kinds = PlantedKind::ALL.len() as u64;
    (0..kinds).find_map(|step| {
        let kind = PlantedKind::ALL[usize::try_from((draw.wrapping_add(step)) % kinds).unwrap_or(0)];
        plant(answer, kind, &others, seed).map(|wrong| wrong.answer)
    })
}

fn judge_ask(source: &str, question: &str, answer: &str) -> Ask {
    Ask { prompt: judge_prompt(source, question, answer), schema: Some(judge_schema()), max_tokens: VERDICT_TOKENS }
}

fn answer_ask(source: Option<&str>, question: &str) -> Ask {
    let prompt = match source {
        Some(source) => format!(
            "Answer the question from this text alone, in its own words and as briefly as it allows.\n\n<<<\n{source}\n>>>\n\nQuestion: {question}"
        ),
        None => format!(
            "Answer the question as briefly as you can. Say `unknown` if you do not know.\n\nQuestion: {question}"
        ),
    };
    Ask { prompt, schema: None, max_tokens: ANSWER_TOKENS }
}

/// The reply to each question: out of the journal, or from the model and into it. `None` where a call failed.
fn ask_all(run: &mut Run<'_>, model: &dyn Model, questions: &[Question]) -> Result<Vec<Option<String>>, PipelineError> {
    let mut replies: Vec<Option<String>> = Vec::with_capacity(questions.len());
    for question in questions {
        replies.push(run.journal.get::<String>(&question.key)?);
    }
    let open: Vec<usize> = (0..questions.len()).filter(|at| replies[*at].is_none()).collect();
    let next = AtomicUsize::new(0);
    let stop = std::sync::Arc::clone(&run.options.stop);
    let count = run.options.concurrency.clamp(1, open.len().max(1));
    let (sender, receiver) = sync_channel::<(usize, Result<Reply, super::model::ModelFailure>)>(count);
    let mut problem = None;
    std::thread::scope(|scope| {
        for _ in 0..count {
            let (sender, next, open, stop) = (sender.clone(), &next, &open, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Some(at) = open.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                    if sender.send((*at, model.ask(&questions[*at].ask))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (at, reply) in receiver {
            let Ok(reply) = reply else {
                run.calls_now.failed += 1;
                continue;
            };
            run.calls_now.count(&reply);
            let kept = run.journal.put(&questions[at].key, &reply.text).and_then(|()| run.journal.sync());
            if let Err(error) = kept {
                problem = Some(error);
                // The workers find their channel closed.
                break;
            }
            replies[at] = Some(reply.text);
        }
    });
    match problem {
        Some(error) => Err(error),
        None if stop.load(Ordering::Relaxed) => Err(PipelineError::Stopped),
        None => Ok(replies),
    }
}
