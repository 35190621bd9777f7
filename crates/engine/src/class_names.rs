//! A classifier where text is expected: its answer is the name of the likeliest class, as one token.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use weighbridge_types::record::EngineDescription;
use weighbridge_types::request::{FailureClass, FinishReason};
use weighbridge_types::time::Clock;

use crate::contract::{Capabilities, Engine, EventStream, MemoryReport};
use crate::error::EngineError;
use crate::event::{EngineEvent, EventKind, Frame, RequestFailure};
use crate::request::{Classified, ClassifyRequest, GenerateRequest, Prompt};

/// A classifier that is asked as if it wrote text, so that whatever loads a model loads a classifier as well. The whole prompt
/// is one text, the answer one frame of one token; no answer takes longer than its first token.
#[derive(Clone, Debug)]
pub struct ClassNames {
    classifier: Arc<dyn Engine>,
    names: Arc<[String]>,
}

impl ClassNames {
    /// Asks this classifier.
    #[must_use]
    pub fn new(classifier: Arc<dyn Engine>) -> Self {
        let names = classifier.classes();
        Self { classifier, names }
    }

    async fn answer(&self, prompt: Prompt, clock: Clock) -> Vec<EngineEvent> {
        let answered = match text_of(prompt) {
            Ok(text) => self.classifier.classify(ClassifyRequest { inputs: vec![text] }).await,
            Err(problem) => Err(EngineError::InvalidRequest { problem }),
        };
        let at = clock.now();
        let name = answered.map_err(|error| error.to_string()).and_then(|answers| self.likeliest(&answers));
        let kinds = match name {
            Ok(name) => {
                vec![EventKind::Frame(Frame::answer(name, 1)), EventKind::Finished { reason: FinishReason::Stop }]
            }
            Err(message) => {
                let failure = RequestFailure { class: FailureClass::Engine, message, retry_after: None };
                vec![EventKind::Failed(failure)]
            }
        };
        kinds.into_iter().map(|kind| EngineEvent { at, kind }).collect()
    }

    fn likeliest(&self, answers: &[Classified]) -> Result<String, String> {
        let figures = answers.first().map(|answer| &answer.log_probabilities).into_iter().flatten();
        let best = figures.zip(self.names.iter()).max_by(|(a, _), (b, _)| a.total_cmp(b));
        best.map(|(_, name)| name.clone()).ok_or_else(|| "the classifier named no class".to_owned())
    }
}

impl Engine for ClassNames {
    fn describe(&self) -> EngineDescription {
        self.classifier.describe()
    }

    fn capabilities(&self) -> Capabilities {
        let Capabilities { in_process, .. } = self.classifier.capabilities();
        Capabilities { in_process, exact_tokens: true, ..Capabilities::default() }
    }

    fn generate(&self, request: GenerateRequest) -> EventStream {
        if let Err(error) = request.check_free(&self.describe().engine) {
            return EngineEvent::refused(&request, &error);
        }
        let asked = self.clone();
        let answer = async move { stream::iter(asked.answer(request.prompt, request.clock).await) };
        stream::once(answer).flatten().boxed()
    }

    fn memory(&self) -> Option<MemoryReport> {
        self.classifier.memory()
    }
}

/// A conversation is read as its messages, one after the other.
fn text_of(prompt: Prompt) -> Result<String, String> {
    match prompt {
        Prompt::Text(text) => Ok(text),
        Prompt::Chat(messages) => {
            Ok(messages.into_iter().map(|message| message.content).collect::<Vec<String>>().join("\n"))
        }
        Prompt::Tokens(_) => Err("a classifier reads text, and the prompt is tokens".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::BoxFuture;

    /// Takes the class whose number is the length of the text.
    #[derive(Debug)]
    struct ByLength;

    impl Engine for ByLength {
        fn describe(&self) -> EngineDescription {
            EngineDescription::default()
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities { classify: true, in_process: true, ..Capabilities::default() }
        }

        fn generate(&self, _: GenerateRequest) -> EventStream {
            stream::empty().boxed()
        }

        fn classes(&self) -> Arc<[String]> {
            Arc::from(["none".to_owned(), "one".to_owned(), "two".to_owned()])
        }

        fn classify(&self, request: ClassifyRequest) -> BoxFuture<'_, Result<Vec<Classified>, EngineError>> {
            let of = |text: String| {
                let figure = |class| if class == text.len() { 0.0 } else { -9.0 };
                Classified { log_probabilities: (0..3).map(figure).collect() }
            };
            let answers = request.inputs.into_iter().map(of).collect();
            Box::pin(async move { Ok(answers) })
        }
    }

    async fn answered(prompt: Prompt) -> Vec<EventKind> {
        let engine = ClassNames::new(Arc::new(ByLength));
        let events = engine.generate(GenerateRequest::new(prompt, 8, Clock::start()));
        events.map(|event| event.kind).collect().await
    }

    #[tokio::test]
    async fn the_answer_is_the_name_of_the_class() {
        let kinds = answered(Prompt::Text("ab".to_owned())).await;
        assert!(matches!(&kinds[..], [EventKind::Frame(frame), EventKind::Finished { .. }] if frame.text == "two"));
    }

    #[tokio::test]
    async fn what_is_no_text_fails() {
        let kinds = answered(Prompt::Tokens(vec![1])).await;
        assert!(matches!(&kinds[..], [EventKind::Failed(failure)] if failure.message.contains("tokens")));
    }
}
