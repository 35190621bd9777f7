//! Answers to texts that are nearly equal: only where that is wanted, told apart in every answer, and held against what the model
//! says itself.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use weighbridge_cache::{Key, Near, NearHit, NearSettings};
use weighbridge_stats::Confidence;
use weighbridge_stats::proportion::wilson;

use crate::answer::Answered;
use crate::cached;
use crate::figures::{count, read};
use crate::generate::{Call, whole};
use crate::service::Service;

/// Answers that are computed at once only to be compared. They take places of requests, so that one is enough.
const CHECKS: usize = 1;

/// Which texts are near, and how often that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearAnswers {
    /// How near is near.
    pub settings: NearSettings,
    /// Of so many answers to near texts, the first is computed as well and compared; none with 0.
    pub check_every: u64,
}

/// The texts that were answered, and what became of near ones.
#[derive(Debug)]
pub(crate) struct NearTexts {
    near: Near,
    settings: NearAnswers,
    /// Answers that were given out.
    given: AtomicU64,
    pub(crate) equal: AtomicU64,
    pub(crate) different: AtomicU64,
    /// Due while another one was under way.
    pub(crate) skipped: AtomicU64,
    pub(crate) failed: AtomicU64,
    checking: Arc<Semaphore>,
}

impl NearTexts {
    pub(crate) fn new(settings: NearAnswers) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            near: Near::new(settings.settings),
            settings,
            given: zero(),
            equal: zero(),
            different: zero(),
            skipped: zero(),
            failed: zero(),
            checking: Arc::new(Semaphore::new(CHECKS)),
        }
    }

    /// The share of checked answers that were equal, with its 95 % interval and how many there were; `None` before the first.
    pub(crate) fn equal_share(&self) -> Option<(f64, f64, f64, u64)> {
        let (equal, checked) = (read(&self.equal), read(&self.equal) + read(&self.different));
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let share = wilson(number(equal), number(checked), Confidence::P95).ok()?;
        Some((share.value, share.interval.low, share.interval.high, checked))
    }

    /// What near texts were answered and how that went.
    pub(crate) fn report(&self) -> Value {
        let report = self.near.report();
        let share = self.equal_share();
        json!({
            "most_distance": self.settings.settings.most_distance,
            "texts": report.entries,
            "lookups": report.lookups,
            "found": report.hits,
            "given": read(&self.given),
            "check_every": self.settings.check_every,
            "checked": share.map_or(0, |(.., checked)| checked),
            "equal": read(&self.equal),
            "skipped": read(&self.skipped),
            "failed": read(&self.failed),
            "equal_share": share.map(|(value, low, high, _)| json!({"value": value, "low": low, "high": high, "confidence": 0.95})),
        })
    }
}

/// All that must be equal, and the text that may differ; `None` for a prompt without text.
fn place<'a>(service: &Service, call: &'a Call) -> Option<(Key, &'a str)> {
    let revision = service.revision(&call.model)?;
    let text = call.ask.last_text()?;
    let max_tokens = call.ask.max_tokens.unwrap_or(service.settings.default_max_tokens);
    let rest = call.ask.canonical(&call.model, &revision, max_tokens).without_last_text();
    // Nobody gets what was said to the text of another key.
    Some((Key::of(&("near", &call.key, &call.ask.label, rest)).ok()?, text))
}

/// Notes that the answer to a request is kept.
pub(crate) fn note(service: &Service, call: &Call, key: Key) {
    if let Some(texts) = &service.near
        && let Some((scope, text)) = place(service, call)
    {
        texts.near.insert(scope, text, key);
    }
}

/// The nearest text whose answer may be given.
pub(crate) fn find(service: &Service, call: &Call) -> Option<NearHit> {
    let texts = service.near.as_ref()?;
    let (scope, text) = place(service, call)?;
    texts.near.find(scope, text)
}

/// Counts an answer that was given to a near text and, where its turn has come, has the model answer as well and compares. The
/// client waits for none of that.
pub(crate) fn given(service: &Arc<Service>, mut call: Call, given: Answered) {
    let Some(texts) = &service.near else { return };
    let number = texts.given.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let every = texts.settings.check_every;
    if every == 0 || !number.is_multiple_of(every) {
        return;
    }
    let Ok(permit) = Arc::clone(&texts.checking).try_acquire_owned() else {
        count(&texts.skipped, 1);
        return;
    };
    let service = Arc::clone(service);
    call.arrived = service.clock.now();
    tokio::spawn(async move {
        let answered = tokio::select! {
            answered = whole(&service, &call) => answered,
            () = service.stopping.cancelled() => return,
        };
        let Some(texts) = &service.near else { return };
        match answered {
            Ok(answered) => {
                let is_equal = says_the_same(&answered, &given);
                count(if is_equal { &texts.equal } else { &texts.different }, 1);
                cached::keep(&service, &call, &answered).await;
            }
            Err(_) => count(&texts.failed, 1),
        }
        drop(permit);
    });
}

fn says_the_same(one: &Answered, other: &Answered) -> bool {
    let texts = |answered: &Answered| answered.choices.iter().map(|choice| choice.text.clone()).collect::<Vec<_>>();
    texts(one) == texts(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Choice;

    #[test]
    fn a_share_of_none_is_unknown_and_one_of_some_has_an_interval() {
        let settings = NearSettings::at_least(0.9).unwrap();
        let texts = NearTexts::new(NearAnswers { settings, check_every: 10 });
        assert_eq!((texts.equal_share(), texts.report()["equal_share"].is_null()), (None, true));
        count(&texts.equal, 3);
        count(&texts.different, 1);
        // Wilson's interval of 3 in 4, R 4.3: prop.test(3, 4, correct = FALSE).
        let (value, low, high, checked) = texts.equal_share().unwrap();
        assert!((value - 0.75).abs() < 1e-12 && (low - 0.300_642).abs() < 1e-5 && (high - 0.954_413).abs() < 1e-5);
        assert_eq!((checked, &texts.report()["checked"]), (4, &json!(4)));
    }

    #[test]
    fn answers_are_compared_by_their_text() {
        let answer = |text: &str, input| {
            let choice = Choice { text: text.to_owned(), ..Choice::default() };
            let mut answered = Answered { choices: vec![choice], ..Answered::default() };
            answered.usage.input = input;
            answered
        };
        assert!(says_the_same(&answer("yes", 3), &answer("yes", 4)));
        assert!(!says_the_same(&answer("yes", 3), &answer("no", 3)));
    }
}
