//! What is made ready before it is asked for: models in memory, answers in the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::http::HeaderMap;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::cached::{self, CacheUse};
use crate::dialect::{openai, read};
use crate::error::ApiError;
use crate::figures::{count, read as number};
use crate::generate::{Call, whole};
use crate::service::Service;
use crate::vectors;

/// Problems that are told one by one; all are counted.
const PROBLEMS: usize = 8;

/// What is to be ready.
#[derive(Debug, Default)]
pub struct WarmPlan {
    /// Patterns of names, aliases and tiers of models, in which `*` is any text and `?` any sign.
    pub models: Vec<String>,
    /// Answers of the folders that are brought into memory, those first that were used or kept last.
    pub latest: usize,
    /// Requests whose answers are to be known.
    pub requests: Vec<WarmRequest>,
}

/// A request whose answer is to be known.
#[derive(Debug)]
pub struct WarmRequest(Kind);

#[derive(Debug)]
enum Kind {
    Text(Box<Ask>),
    /// The body of a request for classes, which its route reads itself.
    Classes(Vec<u8>),
}

impl WarmRequest {
    /// Reads a body of `/v1/chat/completions` (it has `messages`), `/v1/completions` (a `prompt`) or `/api/v1/classify` (an `input`).
    ///
    /// # Errors
    /// What a client would be told, or that an answer would not be kept.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        #[derive(Deserialize)]
        struct Parts {
            messages: Option<IgnoredAny>,
            prompt: Option<IgnoredAny>,
        }
        let parts: Parts = read(body)?;
        let api = match (parts.messages, parts.prompt) {
            (Some(_), _) => openai::Api::Chat,
            (None, Some(_)) => openai::Api::Completions,
            (None, None) => {
                vectors::check(body)?;
                return Ok(Self(Kind::Classes(body.to_vec())));
            }
        };
        let ask = openai::ask(api, body, 0)?;
        ask.format.grammar()?;
        if !ask.is_repeatable() || ask.has_tools() {
            let message = "no answer to it would be kept: write a `temperature` of 0 or a `seed`, and no tools";
            return Err(ApiError::invalid(message));
        }
        Ok(Self(Kind::Text(Box::new(ask))))
    }
}

/// How far warming is.
#[derive(Debug, Default)]
pub(crate) struct Warmth {
    is_begun: AtomicBool,
    is_done: AtomicBool,
    models: AtomicU64,
    brought_up: AtomicU64,
    known: AtomicU64,
    computed: AtomicU64,
    failed: AtomicU64,
}

impl Warmth {
    /// How far it is; null where nothing is to be made ready.
    pub(crate) fn report(&self) -> Value {
        let is_done = self.is_done.load(Ordering::Acquire);
        if !self.is_begun.load(Ordering::Acquire) {
            return Value::Null;
        }
        json!({
            "state": if is_done { "done" } else { "running" },
            "models": number(&self.models),
            "brought_up": number(&self.brought_up),
            "known": number(&self.known),
            "computed": number(&self.computed),
            "failed": number(&self.failed),
        })
    }
}

/// Makes all of it ready, one after the other, beside the requests of clients; what could not be is told, the first few by name. It
/// ends early when the service does.
pub async fn warm(service: &Arc<Service>, plan: WarmPlan) -> Vec<String> {
    let warmth = &service.warmth;
    warmth.is_begun.store(true, Ordering::Release);
    let mut problems = Vec::new();
    tokio::select! {
        () = warm_all(service, plan, &mut problems) => {}
        () = service.stopping.cancelled() => {}
    }
    warmth.is_done.store(true, Ordering::Release);
    problems
}

async fn warm_all(service: &Arc<Service>, plan: WarmPlan, problems: &mut Vec<String>) {
    let warmth = &service.warmth;
    let mut failed = |what: String| {
        count(&warmth.failed, 1);
        if problems.len() < PROBLEMS {
            problems.push(what);
        }
    };
    for pattern in &plan.models {
        let names = matching(service, pattern);
        if names.is_empty() {
            failed(format!("find a model that `{pattern}` matches"));
        }
        for name in names {
            match service.pool.load(&name).await {
                Ok(report) => count(&warmth.models, u64::from(!report.was_loaded)),
                Err(error) => failed(error.to_string()),
            }
        }
    }
    if let Some(answers) = &service.settings.answers {
        let keys = answers.levels().latest(plan.latest);
        count(&warmth.brought_up, answers.warm(keys, cached::TAG).await);
    }
    for WarmRequest(kind) in plan.requests {
        let known = match kind {
            Kind::Text(ask) => text(service, *ask).await,
            Kind::Classes(body) => classes(service, &body).await,
        };
        match known {
            Ok(true) => count(&warmth.known, 1),
            Ok(false) => count(&warmth.computed, 1),
            Err(error) => failed(error.message),
        }
    }
}

/// Names of the models that a pattern means.
fn matching(service: &Service, pattern: &str) -> Vec<String> {
    let states = service.pool.states().into_iter();
    let meant = states.filter(|state| {
        let mut names = std::iter::once(&state.name).chain(&state.aliases).chain(&state.tier);
        names.any(|name| matches(pattern.as_bytes(), name.as_bytes()))
    });
    meant.map(|state| state.name).collect()
}

/// Asks for an answer as a client does; whether it was known.
async fn text(service: &Arc<Service>, ask: Ask) -> Result<bool, ApiError> {
    let model = service.pool.resolve(&ask.model)?;
    let call = Call { arrived: service.clock.now(), key: key(service), ask, model };
    match cached::lookup(service, &HeaderMap::new(), &call).await {
        CacheUse::Hit(..) => Ok(true),
        CacheUse::Bypass => Err(ApiError::invalid("keep an answer: the cache is off")),
        CacheUse::Near(..) | CacheUse::Miss => {
            cached::compute(service, &call, whole(service, &call)).await?;
            Ok(false)
        }
    }
}

async fn classes(service: &Arc<Service>, body: &[u8]) -> Result<bool, ApiError> {
    let arrived = service.clock.now();
    let (_, label) = vectors::classify(service, &HeaderMap::new(), &key(service), body, arrived).await?;
    Ok(label == "HIT")
}

/// Whoever warms is told apart from clients where they have names.
fn key(service: &Service) -> String {
    let name = if service.settings.keys.is_empty() { crate::auth::ANONYMOUS } else { "warm" };
    name.to_owned()
}

/// Whether a pattern with `*` for any text and `?` for any byte matches a whole name.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    // The last star, and how much of the name it stands for.
    let mut star: Option<(usize, usize)> = None;
    while place < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(sign) if *sign == b'?' || *sign == name[place] => {
                at += 1;
                place += 1;
            }
            _ => {
                let Some((of_star, taken)) = star else { return false };
                star = Some((of_star, taken + 1));
                at = of_star + 1;
                place = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|sign| *sign == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let check = |pattern: &str, name: &str, expected| {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        };
        check("*7b*", "qwen-7b-instruct", true);
        check("*7b*", "7b", true);
        check("*7b*", "70b", false);
        check("quality-?", "quality-1", true);
        check("quality-?", "quality-12", false);
        check("a*b*c", "axxbxbxc", true);
        check("a*b*c", "axxbxbx", false);
        check("", "", true);
        check("", "a", false);
        check("*", "", true);
        check("tiny", "tiny", true);
        check("tin", "tiny", false);
    }

    #[test]
    fn only_requests_whose_answers_are_kept_are_taken() {
        let read = |body: Value| WarmRequest::read(body.to_string().as_bytes()).map_err(|error| error.message);
        let turn = json!([{"role": "user", "content": "x"}]);
        assert!(read(json!({"model": "m", "temperature": 0, "messages": turn})).is_ok());
        assert!(read(json!({"model": "m", "seed": 1, "prompt": "x"})).is_ok());
        assert!(read(json!({"model": "m", "input": ["x"]})).is_ok());
        assert!(read(json!({"model": "m", "messages": turn})).unwrap_err().contains("`temperature`"));
        assert!(read(json!({"model": "m", "input": []})).unwrap_err().contains("0 texts"));
        assert!(read(json!({"model": "m"})).unwrap_err().contains("input"));
        assert!(WarmRequest::read(b"no").is_err());
    }

    /// The definition, letter by letter.
    fn matches_slowly(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, _) => name.is_empty(),
            (Some((b'*', rest)), Some((_, left))) => matches_slowly(rest, name) || matches_slowly(pattern, left),
            (Some((b'*', rest)), None) => matches_slowly(rest, name),
            (Some((b'?', rest)), Some((_, left))) => matches_slowly(rest, left),
            (Some((sign, rest)), Some((first, left))) => sign == first && matches_slowly(rest, left),
            (Some(_), None) => false,
        }
    }

    proptest::proptest! {
        #[test]
        fn patterns_match_as_defined(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
            proptest::prop_assert_eq!(matches(pattern, name), matches_slowly(pattern, name));
        }

        /// Whatever stands on a line, it is read or refused.
        #[test]
        fn no_line_panics(line in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            drop(WarmRequest::read(&line));
        }
    }
}
