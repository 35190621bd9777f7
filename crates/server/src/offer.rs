//! Tools in requests: what a dialect says of them becomes what templates of models read.

use std::sync::Arc;

use serde_json::{Value, json};
use weighbridge_engine::constraint::Document;
use weighbridge_engine::tools::Tools;

use crate::ask::Format;
use crate::error::ApiError;

/// What is offered, and what is wanted of it.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) tools: Arc<Tools>,
    pub(crate) wanted: Wanted,
    /// Whether one call at most is wanted.
    pub(crate) is_single: bool,
}

/// What the answer is to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Wanted {
    /// Text or calls, as the model likes.
    #[default]
    Anything,
    /// Text: nothing is offered.
    Text,
    /// A call.
    Call,
    /// A call of this tool.
    CallOf(String),
}

/// A tool as a dialect describes it.
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// JSON schema of the arguments.
    pub(crate) parameters: Option<Document>,
}

impl Offer {
    /// Puts tools, and what turns hold of earlier calls, together; `None` where there is neither.
    pub(crate) fn new(
        tools: Vec<Tool>,
        turns: Vec<(usize, Document)>,
        wanted: Wanted,
        is_single: bool,
        format: &Format,
    ) -> Result<Option<Self>, ApiError> {
        let is_held = matches!(wanted, Wanted::Call | Wanted::CallOf(_));
        if is_held && tools.is_empty() {
            return Err(ApiError::invalid("`tool_choice` wants a call, and `tools` is empty"));
        }
        if let Wanted::CallOf(name) = &wanted
            && !tools.iter().any(|tool| tool.name == *name)
        {
            return Err(ApiError::invalid(format!("`tool_choice` names `{name}`, which is none of the tools")));
        }
        let offered: Vec<Document> =
            if wanted == Wanted::Text { Vec::new() } else { tools.into_iter().map(Tool::described).collect() };
        if !offered.is_empty() && !matches!(format, Format::Text) {
            let message = "an answer is held to a form or may call tools, not both; leave one out";
            return Err(ApiError::invalid(message));
        }
        let is_empty = offered.is_empty() && turns.is_empty();
        Ok((!is_empty).then(|| Self { tools: Arc::new(Tools { offered, turns }), wanted, is_single }))
    }

    /// The schema that the answer is held to; `None` where it may be text.
    pub(crate) fn schema(&self) -> Option<Document> {
        match &self.wanted {
            Wanted::Anything | Wanted::Text => None,
            Wanted::Call => Some(self.tools.schema(None)),
            Wanted::CallOf(name) => Some(self.tools.schema(Some(name))),
        }
    }

    /// All of it that decides an answer.
    pub(crate) fn canonical(&self) -> Value {
        let texts = |all: &[Document]| all.iter().map(Document::to_string).collect::<Vec<_>>();
        let turns = self.tools.turns.iter().map(|(turn, more)| (turn, more.to_string())).collect::<Vec<_>>();
        json!([texts(&self.tools.offered), turns, self.schema().map(|schema| schema.to_string()), self.is_single])
    }
}

impl Tool {
    /// A tool as OpenAI describes it: `{"type": "function", "function": {…}}`.
    pub(crate) fn of_openai(tool: &Document) -> Result<Self, ApiError> {
        let kind = tool.get("type").and_then(Document::text).unwrap_or("function");
        let Some(function) = tool.get("function").filter(|_| kind == "function") else {
            let message = format!("failed to read a tool of type `{kind}`; models here call functions");
            return Err(ApiError::invalid(message));
        };
        Self::of(function, "parameters")
    }

    /// A tool by name, description and the schema under `parameters`.
    pub(crate) fn of(function: &Document, parameters: &str) -> Result<Self, ApiError> {
        let name = function.get("name").and_then(Document::text).filter(|name| !name.is_empty());
        Ok(Self {
            name: name.ok_or_else(|| ApiError::invalid("a tool has no name"))?.to_owned(),
            description: function.get("description").and_then(Document::text).map(str::to_owned),
            parameters: function.get(parameters).cloned(),
        })
    }

    /// As templates read it.
    fn described(self) -> Document {
        let description = self.description.map(|description| ("description", Document::Text(description)));
        let parameters = self.parameters.map(|parameters| ("parameters", parameters));
        let function = [Some(("name", Document::Text(self.name))), description, parameters].into_iter().flatten();
        members([("type", Document::Text("function".to_owned())), ("function", members(function))])
    }
}

/// The members that a template reads of a turn that calls tools.
pub(crate) fn calls(calls: impl IntoIterator<Item = (Option<String>, String, Document)>) -> Document {
    let call = |(id, name, arguments): (Option<String>, _, _)| {
        let function = members([("name", Document::Text(name)), ("arguments", arguments)]);
        let id = id.map(|id| ("id", Document::Text(id)));
        let rest = [("type", Document::Text("function".to_owned())), ("function", function)];
        members(id.into_iter().chain(rest))
    };
    members([("tool_calls", Document::List(calls.into_iter().map(call).collect()))])
}

pub(crate) fn members<'a>(members: impl IntoIterator<Item = (&'a str, Document)>) -> Document {
    Document::Object(members.into_iter().map(|(name, member)| (name.to_owned(), member)).collect())
}
