//! Asks a model about events.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weighbridge_engine::{ClassifyRequest, Engine, Follow, GenerateRequest, Message, Prompt, Role, Sampling};
use weighbridge_types::request::{FailureClass, Outcome};
use weighbridge_types::time::Clock;

use super::settings::StreamSettings;

/// Texts that a classifier is asked at once, at most.
const CLASSIFIED: usize = 64;
/// Tokens of an answer that is a label, at most.
const LABEL_TOKENS: u32 = 32;
/// What a model is asked to see whether it answers.
const PROBE: &str = "probe";

/// What a model says of an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) is_alert: bool,
    /// Its class, or the label in its answer.
    pub(super) label: String,
    /// Probability of an attack, where the model gives one.
    pub(super) score: Option<f64>,
}

/// A model with what its answers mean.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    engine: Arc<dyn Engine>,
    classes: Arc<[String]>,
    is_benign: Vec<bool>,
    labels: Vec<String>,
    settings: Arc<StreamSettings>,
    clock: Clock,
    cancel: CancellationToken,
}

impl Asker {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        settings: Arc<StreamSettings>,
        clock: Clock,
        cancel: CancellationToken,
    ) -> Self {
        let classes = engine.classes();
        let is_benign = classes.iter().map(|class| settings.is_benign(class)).collect();
        let labels = settings.labels.clone();
        Self { engine, classes, is_benign, labels, settings, clock, cancel }
    }

    /// Whether the model answers with classes; then one of them must be benign for alerts to mean something.
    pub(super) fn is_classifier(&self) -> bool {
        self.engine.capabilities().classify
    }

    /// The classes, or the labels to choose from, where none or all are benign: alerts would mean nothing.
    pub(super) fn without_benign(&self) -> Option<String> {
        let classes = if self.is_classifier() { &self.classes[..] } else { &self.labels[..] };
        let benign = classes.iter().filter(|class| self.settings.is_benign(class)).count();
        (benign == 0 || benign == classes.len()).then(|| classes.join(", "))
    }

    /// Events that are asked at once, at most.
    pub(super) fn batch(&self) -> usize {
        if self.is_classifier() { CLASSIFIED } else { 1 }
    }

    /// Requests at a time.
    pub(super) fn workers(&self) -> usize {
        self.settings.workers.unwrap_or(if self.is_classifier() { 2 } else { 8 })
    }

    /// Whether the model is in this process, so that a probe costs little.
    pub(super) fn is_near(&self) -> bool {
        self.engine.capabilities().in_process
    }

    /// One word for each text, or why there is none.
    pub(super) async fn ask(&self, texts: Vec<String>) -> Result<Vec<Said>, String> {
        let limit = Duration::from_secs_f64(self.settings.request_timeout_s);
        let asked = async {
            if self.is_classifier() {
                return self.classify(texts).await;
            }
            let mut said = Vec::with_capacity(texts.len());
            for text in texts {
                said.push(self.write(text).await?);
            }
            Ok(said)
        };
        match tokio::time::timeout(limit, asked).await {
            Ok(said) => said,
            Err(_) => Err(format!("no answer within {} s", self.settings.request_timeout_s)),
        }
    }

    /// Whether the model answers at all.
    pub(super) async fn probe(&self) -> bool {
        self.ask(vec![PROBE.to_owned()]).await.is_ok()
    }

    async fn classify(&self, texts: Vec<String>) -> Result<Vec<Said>, String> {
        let count = texts.len();
        let classified = self.engine.classify(ClassifyRequest { inputs: texts }).await;
        let classified = classified.map_err(|error| error.to_string())?;
        if classified.len() != count {
            return Err(format!("{} answers came for {count} texts", classified.len()));
        }
        classified.iter().map(|of| self.said(&of.log_probabilities)).collect()
    }

    fn said(&self, log_probabilities: &[f64]) -> Result<Said, String> {
        let likeliest = log_probabilities.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        let (place, _) = likeliest
            .filter(|_| log_probabilities.len() == self.classes.len())
            .ok_or_else(|| format!("{} figures came for {} classes", log_probabilities.len(), self.classes.len()))?;
        let attack = log_probabilities.iter().zip(&self.is_benign).filter(|(_, is_benign)| !**is_benign);
        let score = attack.map(|(value, _)| value.exp()).sum::<f64>().clamp(0.0, 1.0);
        let is_alert = self.settings.threshold.map_or(!self.is_benign[place], |threshold| score >= threshold);
        Ok(Said { is_alert, label: self.classes[place].clone(), score: Some(score) })
    }

    /// Lets the model write a label.
    async fn write(&self, text: String) -> Result<Said, String> {
        let labels = self.labels.join(", ");
        let question =
            format!("Classify the security event. Answer with one word of: {labels}.\n\nEvent: {text}\n\nAnswer:");
        let message = Message { role: Role::User, content: question };
        let mut request = GenerateRequest::new(Prompt::Chat(vec![message]), LABEL_TOKENS, self.clock);
        request.sampling = Sampling { temperature: 0.0, ..Sampling::default() };
        let limit = Duration::from_secs_f64(self.settings.request_timeout_s);
        let follow = Follow { clock: self.clock, limit, cancel: self.cancel.clone() };
        let (collected, text) = follow.answer(self.engine.as_ref(), request).await;
        match collected.outcome {
            Outcome::Succeeded { .. } | Outcome::Failed { class: FailureClass::Empty, .. } => {
                label_in(&text, &self.labels)
                    .map(|label| Said {
                        is_alert: !self.settings.is_benign(label),
                        label: label.to_owned(),
                        score: None,
                    })
                    .ok_or_else(|| format!("no label in the answer `{}`", text.chars().take(60).collect::<String>()))
            }
            Outcome::Failed { class, message } => Err(format!("{}: {message}", class.name())),
            Outcome::Cancelled | Outcome::Dropped => Err("the request was given up".to_owned()),
        }
    }
}

/// The label that stands first in a text as a word of its own; of two at one place the longer.
fn label_in<'a>(text: &str, labels: &'a [String]) -> Option<&'a str> {
    let text = text.to_lowercase();
    let is_inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    let place = |label: &String| {
        let label = label.to_lowercase();
        text.match_indices(&label)
            .find(|(at, _)| {
                let end = at + label.len();
                !is_inside(text[..*at].chars().next_back()) && !is_inside(text[end..].chars().next())
            })
            .map(|(at, _)| at)
    };
    let found = labels.iter().filter_map(|label| Some((place(label)?, label)));
    found.min_by_key(|(at, label)| (*at, std::cmp::Reverse(label.len()))).map(|(_, label)| label.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_as_words() {
        let labels = ["benign", "attack", "attack-dos"].map(str::to_owned);
        let check = |text: &str, expected: Option<&str>| assert_eq!(label_in(text, &labels), expected, "{text}");
        check("Attack.", Some("attack"));
        check("This is benign, not an attack", Some("benign"));
        check("attack-dos", Some("attack-dos"));
        check("attackers", None);
        check("", None);
    }
}
