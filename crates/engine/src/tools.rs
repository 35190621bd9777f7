//! Tools that a model may call: what is offered to it, and the calls in what it writes.
//!
//! Models write calls in two forms that are read here: `<tool_call>{"name": …, "arguments": …}</tool_call>` of Hermes and Qwen, any
//! number of them within a text, and an answer that is nothing but such objects, as of Llama 3, which says `parameters` for
//! `arguments`. What is neither, or calls what was not offered, is text.

use serde_json::Deserializer;

use crate::constraint::Document;

const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";

/// What Llama 3 writes before a call, where its tokenizer shows it.
const PYTHON_TAG: &str = "<|python_tag|>";

/// What a conversation holds beside the text of its turns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tools {
    /// What is offered, each as templates read it: `{"type": "function", "function": {"name", "description", "parameters"}}`.
    pub offered: Vec<Document>,
    /// Members of turns that templates read beside role and content, such as `tool_calls`, by the number of the turn.
    pub turns: Vec<(usize, Document)>,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// Name of the tool.
    pub name: String,
    /// Its arguments, an object.
    pub arguments: Document,
}

impl Tools {
    /// Names of the tools, in their order; a tool without one is left out.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.offered.iter().filter_map(|tool| tool.get("function")?.get("name")?.text())
    }

    /// The JSON schema of one call in the form `{"name": …, "arguments": …}`: of the tool of this name, or of any.
    #[must_use]
    pub fn schema(&self, only: Option<&str>) -> Document {
        let functions = self.offered.iter().filter_map(|tool| tool.get("function"));
        let named = functions.filter_map(|function| Some((function.get("name")?.text()?, function.get("parameters"))));
        let wanted = named.filter(|(name, _)| only.is_none_or(|only| only == *name));
        let calls = wanted.enumerate().map(|(number, (name, parameters))| {
            let place = format!("#/anyOf/{number}/properties/arguments");
            let arguments = match parameters {
                Some(parameters @ Document::Object(_)) => moved(parameters, &place),
                Some(_) | None => object([("type", text("object"))]),
            };
            let properties = object([("name", object([("const", text(name))])), ("arguments", arguments)]);
            object([
                ("type", text("object")),
                ("properties", properties),
                ("required", Document::List(vec![text("name"), text("arguments")])),
                ("additionalProperties", Document::Bool(false)),
            ])
        });
        object([("anyOf", Document::List(calls.collect()))])
    }
}

/// A schema whose references to its own root still lead there at another place.
fn moved(schema: &Document, place: &str) -> Document {
    match schema {
        Document::Object(members) => {
            let member = |(name, member): &(String, Document)| {
                let member = match (name.as_str(), member.text().and_then(|text| text.strip_prefix('#'))) {
                    ("$ref", Some(rest)) => text(&format!("{place}{rest}")),
                    _ => moved(member, place),
                };
                (name.clone(), member)
            };
            Document::Object(members.iter().map(member).collect())
        }
        Document::List(elements) => Document::List(elements.iter().map(|element| moved(element, place)).collect()),
        other => other.clone(),
    }
}

fn object<const N: usize>(members: [(&str, Document); N]) -> Document {
    Document::Object(members.into_iter().map(|(name, member)| (name.to_owned(), member)).collect())
}

fn text(text: &str) -> Document {
    Document::Text(text.to_owned())
}

/// Takes calls out of an answer as it comes. Text that may be part of a call is held back until that is known.
#[derive(Debug)]
pub struct CallReader {
    names: Vec<String>,
    held: String,
    /// Whether nothing was handed out so far, so that the answer may still be one object.
    is_start: bool,
    /// Whether nothing but white space came since the start or the last call.
    is_blank: bool,
    calls: Vec<ToolCall>,
}

impl CallReader {
    /// Reads calls of these tools.
    #[must_use]
    pub fn new(tools: &Tools) -> Self {
        let names = tools.names().map(str::to_owned).collect();
        Self { names, held: String::new(), is_start: true, is_blank: true, calls: Vec::new() }
    }

    /// Takes the next piece; what is certainly text.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let mut out = String::new();
        if self.is_start && self.calls.is_empty() && may_be_object(&self.held) {
            return out;
        }
        while let Some(start) = self.held.find(OPEN) {
            let Some(end) = self.held[start..].find(CLOSE).map(|end| start + end + CLOSE.len()) else {
                self.say(start, &mut out);
                return out;
            };
            let whole = self.held.len();
            match self.call(&self.held[start + OPEN.len()..end - CLOSE.len()]) {
                Some(call) => {
                    self.say(start, &mut out);
                    let gap = self.held.len() - (whole - start);
                    self.held.drain(..gap + end - start);
                    self.is_blank = true;
                    self.calls.push(call);
                }
                None => self.say(end, &mut out),
            }
        }
        self.say(self.held.len() - possible_tag(&self.held), &mut out);
        out
    }

    /// The end of the answer: the text that was held back, and all calls in their order.
    pub fn finish(&mut self) -> (String, Vec<ToolCall>) {
        let held = std::mem::take(&mut self.held);
        let is_object = self.is_start && self.calls.is_empty() && may_be_object(&held);
        if is_object && let Some(calls) = self.objects(&held) {
            self.calls = calls;
            return (String::new(), std::mem::take(&mut self.calls));
        }
        // A last call whose end is missing is one if it is whole.
        let unclosed = held.trim_start().strip_prefix(OPEN).and_then(|rest| self.call(rest));
        let rest = match unclosed {
            Some(call) => {
                self.calls.push(call);
                String::new()
            }
            None if !self.calls.is_empty() && held.trim().is_empty() => String::new(),
            None => held,
        };
        (rest, std::mem::take(&mut self.calls))
    }

    /// Hands out what is held up to a place. White space before, between and after calls is none of the text, and is held until it is
    /// known what it is.
    fn say(&mut self, end: usize, out: &mut String) {
        if self.is_blank && self.held[..end].trim().is_empty() {
            return;
        }
        (self.is_start, self.is_blank) = (false, false);
        out.extend(self.held.drain(..end));
    }

    /// One call, and nothing beside it.
    fn call(&self, text: &str) -> Option<ToolCall> {
        let mut calls = self.objects(text)?;
        (calls.len() == 1).then(|| calls.remove(0))
    }

    /// Calls one after the other, between white space and semicolons; `None` where anything else is there, or nothing.
    fn objects(&self, text: &str) -> Option<Vec<ToolCall>> {
        let mut rest = text.trim().strip_prefix(PYTHON_TAG).unwrap_or(text.trim());
        let mut calls = Vec::new();
        while !rest.is_empty() {
            let mut values = Deserializer::from_str(rest).into_iter::<Document>();
            let value = values.next()?.ok()?;
            rest = rest[values.byte_offset()..].trim_start_matches(|c: char| c.is_whitespace() || c == ';');
            calls.push(self.offered(&value)?);
        }
        (!calls.is_empty()).then_some(calls)
    }

    /// The call that a value is; `None` of another value, or where the tool was not offered.
    fn offered(&self, value: &Document) -> Option<ToolCall> {
        let name = value.get("name")?.text().filter(|name| self.names.iter().any(|known| known == name))?;
        let arguments = match value.get("arguments").or_else(|| value.get("parameters")) {
            None | Some(Document::Null) => Document::Object(Vec::new()),
            Some(Document::Text(text)) => text.parse().ok()?,
            Some(other) => other.clone(),
        };
        matches!(arguments, Document::Object(_)).then(|| ToolCall { name: name.to_owned(), arguments })
    }
}

/// Whether an answer that begins so may be nothing but calls.
fn may_be_object(held: &str) -> bool {
    let held = held.trim_start();
    held.starts_with('{') || PYTHON_TAG.starts_with(held) || held.starts_with(PYTHON_TAG)
}

/// Length of the longest end of a text that begins the tag of a call.
fn possible_tag(text: &str) -> usize {
    (1..OPEN.len()).rev().find(|&len| text.ends_with(&OPEN[..len])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::constraint::Grammar;

    fn tools() -> Tools {
        let tool = |name: &str, parameters: &str| {
            format!(r#"{{"type":"function","function":{{"name":"{name}","parameters":{parameters}}}}}"#)
                .parse()
                .unwrap()
        };
        let place = r##"{"type":"object","properties":{"at":{"$ref":"#/$defs/place"}},"required":["at"],
            "additionalProperties":false,"$defs":{"place":{"enum":["here","there"]}}}"##;
        Tools { offered: vec![tool("look", place), tool("wait", "null")], turns: Vec::new() }
    }

    /// What is read of pieces: the text as it is handed out, and the calls.
    fn read(pieces: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut reader = CallReader::new(&tools());
        let mut said: Vec<String> = pieces.iter().map(|piece| reader.push(piece)).collect();
        let (rest, calls) = reader.finish();
        said.push(rest);
        said.retain(|text| !text.is_empty());
        (said, calls.iter().map(|call| format!("{} {}", call.name, call.arguments)).collect())
    }

    fn check(pieces: &[&str], said: &[&str], calls: &[&str]) {
        let (found_said, found_calls) = read(pieces);
        assert_eq!(
            (found_said, found_calls),
            (said.iter().map(|&s| s.to_owned()).collect(), calls.iter().map(|&s| s.to_owned()).collect()),
            "{pieces:?}"
        );
    }

    #[test]
    fn calls_in_tags_are_taken_out_of_the_text() {
        let look = r#"look {"at":"here"}"#;
        check(&["<tool_call>\n{\"name\": \"look\", \"arguments\": {\"at\": \"here\"}}\n</tool_call>"], &[], &[look]);
        let pieces = [
            "Well. <tool",
            "_call>{\"name\":\"look\",\"arg",
            "uments\":{\"at\":\"here\"}}</tool_call>\n<tool_call>{\"name\":\"wait\"}</tool_call>\n",
        ];
        check(&pieces, &["Well. "], &[look, "wait {}"]);
        check(
            &["a <tool_call>{\"name\":\"look\",\"arguments\":\"{\\\"at\\\":\\\"here\\\"}\"}</tool_call> b"],
            &["a  b"],
            &[look],
        );
        // An end of the sequence in place of the closing tag.
        check(&["<tool_call>{\"name\":\"wait\",\"arguments\":{}}"], &[], &["wait {}"]);
    }

    #[test]
    fn an_answer_of_objects_is_calls() {
        check(&["{\"name\": \"look\", ", "\"parameters\": {\"at\": \"here\"}}"], &[], &[r#"look {"at":"here"}"#]);
        check(&["\n{\"name\":\"wait\"}; {\"name\":\"wait\"}\n"], &[], &["wait {}", "wait {}"]);
        check(&["<|python_tag|>{\"name\":\"wait\"}"], &[], &["wait {}"]);
    }

    #[test]
    fn what_calls_nothing_is_text() {
        check(&["Hel", "lo <", "b>"], &["Hel", "lo ", "<b>"], &[]);
        check(&["{\"name\":\"rm\",\"arguments\":{}}"], &["{\"name\":\"rm\",\"arguments\":{}}"], &[]);
        check(&["{\"a\":1}"], &["{\"a\":1}"], &[]);
        check(&["{\"name\":\"wait\"} and more"], &["{\"name\":\"wait\"} and more"], &[]);
        check(&["<tool_call>{\"name\":\"rm\"}</tool_call>!"], &["<tool_call>{\"name\":\"rm\"}</tool_call>!"], &[]);
        check(&["x<tool_call>{\"na"], &["x", "<tool_call>{\"na"], &[]);
        check(&["{\"name\":\"wait\",\"arguments\":[1]}"], &["{\"name\":\"wait\",\"arguments\":[1]}"], &[]);
        check(&["  "], &["  "], &[]);
    }

    #[test]
    fn the_schema_of_a_call_holds_its_arguments() {
        for (only, calls) in [(None, 2), (Some("look"), 1), (Some("wait"), 1), (Some("rm"), 0)] {
            let schema = tools().schema(only);
            assert_eq!(schema.get("anyOf").unwrap().elements().len(), calls);
            let compiled = Grammar::ordered(schema.clone());
            assert_eq!(compiled.is_ok(), calls > 0, "{schema}: {compiled:?}");
        }
        let schema: serde_json::Value = tools().schema(Some("look")).to_string().parse().unwrap();
        let fits = |call: &str| jsonschema::is_valid(&schema, &call.parse().unwrap());
        assert!(fits(r#"{"name":"look","arguments":{"at":"there"}}"#));
        assert!(!fits(r#"{"name":"look","arguments":{"at":"up"}}"#));
        assert!(!fits(r#"{"name":"wait","arguments":{}}"#));
    }

    proptest! {
        /// How an answer is cut into pieces changes nothing, and text without calls is lost nowhere.
        #[test]
        fn pieces_make_no_difference(
            parts in prop::collection::vec(prop::sample::select(vec![
                "<tool_call>", "</tool_call>", "{\"name\":\"wait\"}", "{\"name\":\"look\",\"arguments\":{}}", "{", "}", "<", "word", " ", "\n", "é", ";",
            ]), 0..8),
            cut in 1_usize..7,
        ) {
            let whole: String = parts.concat();
            let characters: Vec<char> = whole.chars().collect();
            let pieces: Vec<String> = characters.chunks(cut).map(|piece| piece.iter().collect()).collect();
            let (said, calls) = read(&pieces.iter().map(String::as_str).collect::<Vec<_>>());
            let (at_once, calls_at_once) = read(&[&whole]);
            prop_assert_eq!(&calls, &calls_at_once);
            prop_assert_eq!(said.concat(), at_once.concat());
            if calls.is_empty() {
                prop_assert_eq!(at_once.concat(), whole);
            }
        }
    }
}
