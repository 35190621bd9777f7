//! Conversations to text, by the model's own template.

use std::sync::Arc;

use minijinja::value::{Enumerator, Kwargs, Object, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value, context};
use weighbridge_engine::constraint::Document;
use weighbridge_engine::prompt::{ChatForm, Rendered};
use weighbridge_engine::tools::Tools;
use weighbridge_engine::{Message, Role};

/// Instructions that a template may take for one conversation: thousands of turns need less, and one that never ends is stopped within
/// a second.
const FUEL: u64 = 10_000_000;

/// Name of the template inside its environment.
const NAME: &str = "chat";

/// A conversation that could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The model's template is not valid.
    #[error("read the model's chat template: {0}")]
    Template(#[source] Error),
    /// The template refuses this conversation, such as one that begins with the assistant.
    #[error("render the conversation: {0}")]
    Render(#[source] Error),
}

/// A chat template, or the plain form that stands in for it.
///
/// Templates are Jinja as Hugging Face uses it, with `messages`, `tools`, `add_generation_prompt`, `bos_token`, `eos_token`,
/// `raise_exception` and its own `tojson`. There is no `strftime_now`: a prompt that changes with the date cannot be repeated. A model
/// without a template gets `Role: content` lines, ending in `Assistant:`.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Option<Environment<'static>>,
    /// Whether the template reads `tools`.
    has_tools: bool,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// Reads a template; `bos` and `eos` are the texts of those tokens, empty where there are none.
    ///
    /// # Errors
    /// [`ChatError::Template`].
    pub fn new(source: Option<&str>, bos: String, eos: String) -> Result<Self, ChatError> {
        let environment = source.map(read).transpose().map_err(ChatError::Template)?;
        let template = environment.as_ref().and_then(|environment| environment.get_template(NAME).ok());
        let has_tools = template.is_some_and(|template| template.undeclared_variables(false).contains("tools"));
        Ok(Self { environment, has_tools, bos, eos })
    }

    /// Renders a conversation up to the answer, with the tools that it offers.
    ///
    /// # Errors
    /// [`ChatError::Render`].
    pub fn render(&self, messages: &[Message], tools: Option<&Tools>) -> Result<Rendered, ChatError> {
        let Some(environment) = &self.environment else {
            return Ok(Rendered { text: plain(messages), wants_bos: true });
        };
        let turn = |(number, message): (usize, &Message)| {
            let mut members = vec![
                ("role".to_owned(), Value::from(message.role.name())),
                ("content".to_owned(), Value::from(message.content.as_str())),
            ];
            let more = tools.iter().flat_map(|tools| &tools.turns).filter(|(of, _)| *of == number);
            members.extend(more.flat_map(|(_, more)| more.members()).map(|(name, more)| (name.clone(), value(more))));
            Value::from_object(Members(members))
        };
        let messages: Vec<Value> = messages.iter().enumerate().map(turn).collect();
        let tools: Option<Vec<Value>> = tools.map(|tools| tools.offered.iter().map(value).collect());
        let variables = context! {
            messages,
            tools,
            add_generation_prompt => true,
            bos_token => self.bos,
            eos_token => self.eos,
        };
        let rendered = environment.get_template(NAME).and_then(|template| template.render(variables));
        Ok(Rendered { text: rendered.map_err(ChatError::Render)?, wants_bos: false })
    }
}

impl ChatForm for ChatTemplate {
    fn render(&self, messages: &[Message]) -> Result<Rendered, String> {
        self.render(messages, None).map_err(|error| error.to_string())
    }

    fn has_tools(&self) -> bool {
        self.has_tools
    }

    fn render_with_tools(&self, messages: &[Message], tools: &Tools) -> Result<Rendered, String> {
        self.render(messages, Some(tools)).map_err(|error| error.to_string())
    }
}

/// An object whose members keep their order, as models saw it in training; a map of the template engine sorts them.
#[derive(Debug)]
struct Members(Vec<(String, Value)>);

impl Object for Members {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|(name, _)| Value::from(name.as_str())).collect())
    }
}

fn value(document: &Document) -> Value {
    match document {
        Document::Null => Value::from(()),
        Document::Bool(value) => Value::from(*value),
        Document::Number(number) => Value::from_serialize(number),
        Document::Text(text) => Value::from(text.as_str()),
        Document::List(elements) => elements.iter().map(value).collect(),
        Document::Object(members) => {
            Value::from_object(Members(members.iter().map(|(name, member)| (name.clone(), value(member))).collect()))
        }
    }
}

/// Writes JSON as Python's `json.dumps(…, ensure_ascii=False)` does: with a space after each comma and colon, or on lines of their own.
/// The filter of the template engine escapes for HTML instead.
fn push_json(out: &mut String, value: &Value, indent: Option<usize>, depth: usize) -> Result<(), Error> {
    let is_map = value.kind() == ValueKind::Map;
    if !is_map && !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        out.push_str(&match value.kind() {
            ValueKind::String => serde_json::to_string(value.as_str().unwrap_or_default()).unwrap_or_default(),
            ValueKind::Bool => value.is_true().to_string(),
            ValueKind::Number => value.to_string(),
            _ => "null".to_owned(),
        });
        return Ok(());
    }
    let (open, close) = if is_map { ('{', '}') } else { ('[', ']') };
    let new_line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    out.push(open);
    let mut is_first = true;
    for key in value.try_iter()? {
        if !std::mem::take(&mut is_first) {
            out.push_str(if indent.is_some() { "," } else { ", " });
        }
        new_line(out, depth + 1);
        if is_map {
            push_json(out, &Value::from(key.to_string()), None, 0)?;
            out.push_str(": ");
            push_json(out, &value.get_item(&key)?, indent, depth + 1)?;
        } else {
            push_json(out, &key, indent, depth + 1)?;
        }
    }
    if !is_first {
        new_line(out, depth);
    }
    out.push(close);
    Ok(())
}

fn to_json(value: &Value, settings: Kwargs) -> Result<Value, Error> {
    let indent = settings.get("indent")?;
    // Python's other arguments change nothing here.
    let (_, _): (Option<Value>, Option<Value>) = (settings.get("ensure_ascii")?, settings.get("separators")?);
    settings.assert_all_used()?;
    let mut out = String::new();
    push_json(&mut out, value, indent, 0)?;
    Ok(Value::from_safe_string(out))
}

/// Templates are written for Jinja2 with `trim_blocks` and `lstrip_blocks`, and call methods of Python's strings,
/// lists and dictionaries.
fn read(source: &str) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("tojson", to_json);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_template_owned(NAME, source.to_owned())?;
    Ok(environment)
}

fn plain(messages: &[Message]) -> String {
    let line = |message: &Message| {
        let role = match message.role {
            Role::System => "System",
            Role::User => "User",
            Role::Assistant => "Assistant",
            Role::Tool => "Tool",
        };
        format!("{role}: {}\n", message.content)
    };
    messages.iter().map(line).chain(["Assistant:".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHATML: &str = "{%- for message in messages %}\n    {%- if loop.first and message['role'] == 'tool' %}\n        \
        {{- raise_exception('begins with a tool') }}\n    {%- endif %}\n    \
        {{- '<|im_start|>' + message.role + '\\n' + message.content.strip() + '<|im_end|>\\n' }}\n{%- endfor %}\n\
        {%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}";

    fn say(role: Role, content: &str) -> Message {
        Message { role, content: content.to_owned() }
    }

    fn render(source: Option<&str>, messages: &[Message]) -> Result<Rendered, ChatError> {
        ChatTemplate::new(source, "<s>".to_owned(), "</s>".to_owned())?.render(messages, None)
    }

    /// The parts of Qwen 2.5's template that know tools.
    const HERMES: &str = "{%- if tools %}\n    {{- '<|im_start|>system\\n# Tools\\n<tools>' }}\n    {%- for tool in tools %}\n        \
        {{- '\\n' }}\n        {{- tool | tojson }}\n    {%- endfor %}\n    {{- '\\n</tools><|im_end|>\\n' }}\n{%- endif %}\n\
        {%- for message in messages %}\n    {{- '<|im_start|>' + message.role }}\n    \
        {%- if message.content %}{{- '\\n' + message.content }}{%- endif %}\n    \
        {%- for tool_call in message.tool_calls %}\n        {%- if tool_call.function is defined %}\n            \
        {%- set tool_call = tool_call.function %}\n        {%- endif %}\n        \
        {{- '\\n<tool_call>\\n{\"name\": \"' + tool_call.name + '\", \"arguments\": ' }}\n        \
        {{- tool_call.arguments | tojson }}\n        {{- '}\\n</tool_call>' }}\n    {%- endfor %}\n    \
        {{- '<|im_end|>\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}";

    #[test]
    fn tools_are_written_as_in_python() {
        let template = ChatTemplate::new(Some(HERMES), String::new(), String::new()).unwrap();
        assert!(template.has_tools());
        assert!(!ChatTemplate::new(Some(CHATML), String::new(), String::new()).unwrap().has_tools());
        assert!(!ChatTemplate::new(None, String::new(), String::new()).unwrap().has_tools());
        let tool = r#"{"type":"function","function":{"name":"look","description":"<Where> 'it' is\n&é","parameters":{"type":"object","properties":{},"n":[1,2.5,true,null]}}}"#;
        let call = r#"{"tool_calls":[{"type":"function","function":{"name":"look","arguments":{"z":1,"a":"b"}}}]}"#;
        let tools = Tools { offered: vec![tool.parse().unwrap()], turns: vec![(1, call.parse().unwrap())] };
        let messages = [say(Role::User, "Hi"), say(Role::Assistant, ""), say(Role::Tool, "gone")];
        // Jinja2 3.1 with `json.dumps(…, ensure_ascii=False)`, as in transformers.
        let expected = "<|im_start|>system\n# Tools\n<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"look\", \"description\": \
            \"<Where> 'it' is\\n&é\", \"parameters\": {\"type\": \"object\", \"properties\": {}, \"n\": [1, 2.5, true, null]}}}\n</tools><|im_end|>\n\
            <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<tool_call>\n{\"name\": \"look\", \"arguments\": {\"z\": 1, \"a\": \"b\"}}\n</tool_call>\
            <|im_end|>\n<|im_start|>tool\ngone<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(template.render(&messages, Some(&tools)).unwrap().text, expected);
        assert!(!template.render(&messages, None).unwrap().text.contains("Tools"));
        let lines = ChatTemplate::new(Some("{{ tools | tojson(indent=2) }}"), String::new(), String::new()).unwrap();
        let tools = Tools { offered: vec![r#"{"a":[],"b":[1]}"#.parse().unwrap()], turns: Vec::new() };
        let expected = "[\n  {\n    \"a\": [],\n    \"b\": [\n      1\n    ]\n  }\n]";
        assert_eq!(lines.render(&[], Some(&tools)).unwrap().text, expected);
    }

    /// A template comes with a model from anywhere: it reads no file, and it ends.
    #[test]
    fn a_template_can_neither_read_files_nor_run_for_ever() {
        for source in ["{% include '/etc/passwd' %}", "{% import '/etc/passwd' as x %}{{ x }}", "{% extends '../x' %}"]
        {
            assert!(render(Some(source), &[]).is_err(), "{source}");
        }
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}";
        assert!(
            matches!(render(Some(endless), &[]), Err(ChatError::Render(error)) if error.kind() == ErrorKind::OutOfFuel)
        );
    }

    #[test]
    fn a_template_renders_as_in_python() {
        let conversation = [say(Role::System, "Be brief."), say(Role::User, " Hi ")];
        let rendered = render(Some(CHATML), &conversation).unwrap();
        let expected =
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(rendered, Rendered { text: expected.to_owned(), wants_bos: false });
    }

    #[test]
    fn special_tokens_are_known_to_the_template() {
        let rendered =
            render(Some("{{ bos_token }}{{ messages[0]['content'] }}{{ eos_token }}"), &[say(Role::User, "x")]);
        assert_eq!(rendered.unwrap().text, "<s>x</s>");
    }

    #[test]
    fn without_a_template_the_form_is_plain() {
        let rendered = render(None, &[say(Role::User, "Hi"), say(Role::Assistant, "Yes?"), say(Role::User, "Bye")]);
        let text = "User: Hi\nAssistant: Yes?\nUser: Bye\nAssistant:".to_owned();
        assert_eq!(rendered.unwrap(), Rendered { text, wants_bos: true });
    }

    #[test]
    fn refusals_and_broken_templates_are_errors() {
        let error = render(Some(CHATML), &[say(Role::Tool, "x")]).unwrap_err();
        assert!(error.to_string().contains("begins with a tool"), "{error}");
        assert!(matches!(render(Some("{% for %}"), &[]), Err(ChatError::Template(_))));
        assert!(matches!(render(Some("{{ strftime_now('%Y') }}"), &[]), Err(ChatError::Render(_))));
    }
}
