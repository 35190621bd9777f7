//! Templates of tasks: Jinja2 as lm-eval sets it up, with the methods and the printed forms of Python.

use std::sync::Arc;

use minijinja::value::{Kwargs, Value as Jinja, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

use super::pattern::Pattern;
use super::value::Value;

/// Steps of one rendering. The longest of lm-eval's own templates takes some thousands; a loop that does not end takes
/// all of them.
const FUEL: u64 = 5_000_000;

/// Bytes that one rendering may print: 16 MiB.
const OUTPUT_LIMIT: usize = 16 << 20;

/// A document as templates see it: made once, read by every template.
#[derive(Clone, Debug)]
pub struct Context(Jinja);

impl Context {
    /// Takes the entries of a document.
    #[must_use]
    pub fn new(doc: &Value) -> Self {
        Self(doc.to_jinja())
    }
}

/// A template that was read.
#[derive(Clone, Debug)]
pub struct Template {
    environment: Arc<Environment<'static>>,
    /// Text without a placeholder is itself.
    plain: Option<String>,
}

const NAME: &str = "template";

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(source: &str) -> Result<Self, String> {
        if !source.contains(['{', '\r']) {
            return Ok(Self { environment: Arc::default(), plain: Some(source.to_owned()) });
        }
        let mut environment = environment();
        // Jinja2 makes every line end of a template a plain one.
        let source = source.replace("\r\n", "\n").replace('\r', "\n");
        environment.add_template_owned(NAME, source).map_err(|error| explain(&error))?;
        Ok(Self { environment: Arc::new(environment), plain: None })
    }

    /// Renders a document.
    ///
    /// # Errors
    /// What went wrong: an unknown name, a method that fails, a loop without an end.
    pub fn render(&self, context: &Context) -> Result<String, String> {
        if let Some(plain) = &self.plain {
            return Ok(plain.clone());
        }
        let template = self.environment.get_template(NAME).map_err(|error| explain(&error))?;
        let mut out = Limited(Vec::new());
        template.render_captured_to(context.0.clone(), &mut out).map_err(|error| explain(&error))?;
        String::from_utf8(out.0).map_err(|error| error.to_string())
    }
}

/// A text that may not grow without end.
struct Limited(Vec<u8>);

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_LIMIT {
            return Err(std::io::Error::other("the template prints more than 16 MiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn explain(error: &Error) -> String {
    let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
    let detail = error.detail().map_or_else(String::new, |detail| format!(": {detail}"));
    match error.kind() {
        ErrorKind::OutOfFuel => format!("it did not end within {FUEL} steps{line}"),
        kind => format!("{kind}{detail}{line}"),
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_keep_trailing_newline(true);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(method);
    environment.set_formatter(print);
    environment.add_filter("string", |value: Jinja| python_text(&value));
    environment.add_filter("join", join);
    environment.add_filter("regex_replace", regex_replace);
    environment.add_filter("tojson", |value: Jinja| one_line_json(&Value::from_jinja(&value)));
    environment
}

/// Prints what Python's `str` gives.
fn print(out: &mut Output<'_>, state: &State<'_, '_>, value: &Jinja) -> Result<(), Error> {
    if value.is_undefined() {
        return minijinja::escape_formatter(out, state, value);
    }
    let write = |out: &mut Output<'_>, text: &str| out.write_str(text).map_err(Error::from);
    match value.as_str() {
        Some(text) => write(out, text),
        None => write(out, &python_text(value)),
    }
}

fn python_text(value: &Jinja) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => Value::from_jinja(value).text(),
    }
}

/// `join` prints each item as Python does.
fn join(items: &Jinja, separator: Option<String>, options: Kwargs) -> Result<String, Error> {
    let attribute: Option<String> = options.get("attribute")?;
    options.assert_all_used()?;
    let mut texts = Vec::new();
    for item in items.try_iter()? {
        let item = match &attribute {
            Some(name) => item.get_attr(name)?,
            None => item,
        };
        texts.push(python_text(&item));
    }
    Ok(texts.join(separator.as_deref().unwrap_or_default()))
}

/// lm-eval's own filter: `re.sub` with the text first.
fn regex_replace(text: &str, pattern: &str, replacement: &str, count: Option<usize>) -> Result<String, Error> {
    let invalid = |error: super::pattern::PatternError| Error::new(ErrorKind::InvalidOperation, error.to_string());
    let pattern = Pattern::new(pattern).map_err(invalid)?;
    pattern.replace(text, replacement, count.unwrap_or(0)).map_err(invalid)
}

fn one_line_json(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Methods of Python's values that templates call.
fn method(state: &State<'_, '_>, value: &Jinja, name: &str, arguments: &[Jinja]) -> Result<Jinja, Error> {
    let missing = || Error::new(ErrorKind::InvalidOperation, format!("`{name}` found nothing"));
    match (value.kind(), name, arguments) {
        (ValueKind::Seq, "index", [wanted]) => {
            let position = value.try_iter()?.position(|item| item == *wanted);
            position.map(Jinja::from).ok_or_else(missing)
        }
        (ValueKind::String, "index", [wanted]) => {
            let (text, wanted) = (value.as_str().unwrap_or_default(), wanted.as_str().unwrap_or_default());
            let byte = text.find(wanted).ok_or_else(missing)?;
            Ok(Jinja::from(text[..byte].chars().count()))
        }
        (ValueKind::Number | ValueKind::Bool, "__str__", []) => Ok(Jinja::from(python_text(value))),
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str, doc: &str) -> Result<String, String> {
        let doc: Value = serde_json::from_str(doc).unwrap();
        Template::new(template)?.render(&Context::new(&doc))
    }

    // Vectors: Jinja2 3.1.6 with `StrictUndefined`, `keep_trailing_newline=True` and lm-eval's `regex_replace`.
    #[test]
    fn templates_print_as_in_python() {
        let doc = r#"{"q": " What? ", "choices": ["a", "it's", "b"], "n": 1, "f": 1.0, "t": true, "none": null,
                      "d": {"b": 1, "a": [2]}, "label": "B"}"#;
        let check = |template: &str, expected: &str| assert_eq!(render(template, doc).unwrap(), expected, "{template}");
        check("Q: {{q.strip()}}\nA:\n", "Q: What?\nA:\n");
        check("{{choices}}", r#"['a', "it's", 'b']"#);
        check("{{t}} {{none}} {{f}} {{n}} {{d}}", "True None 1.0 1 {'b': 1, 'a': [2]}");
        check("{{['A','B','C'].index(label)}}", "1");
        check("{{choices[1:]}}{{choices[-1]}}", r#"["it's", 'b']b"#);
        check("{{ q | regex_replace('W(h)', '\\\\1') }}", " hat? ");
        check("{{ choices | join(', ') }}|{{ [t, none] | join('-') }}", "a, it's, b|True-None");
        check("{% for c in choices %}{{ loop.index }}. {{ c }}\n{% endfor %}", "1. a\n2. it's\n3. b\n");
        check("{% set x = n + 1 %}{{ x }}{{ 'yes' if t else 'no' }}", "2yes");
        check("{{ d.a[0] }}{{ d['b'] }}{{ choices | length }}", "213");
        check("{{ t | string }}{{ (n | string) + 'x' }}", "True1x");
        check("plain {text", "plain {text");
        check("{{ q.split('?')[0] }}{{ 'aXb'.replace('X', '-') }}{{ 'abc'.capitalize() }}", " Whata-bAbc");
    }

    #[test]
    fn what_is_unknown_is_an_error() {
        for template in ["{{ missing }}", "{{ d.missing }}", "{% if missing %}x{% endif %}", "{{ [1].index(2) }}"] {
            assert!(render(template, r#"{"d": {}}"#).is_err(), "{template}");
        }
        assert!(Template::new("{% for %}").is_err());
    }

    #[test]
    fn a_template_that_loops_is_stopped() {
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}";
        let problem = render(endless, "{}").unwrap_err();
        assert!(problem.contains("did not end") || problem.contains("16 MiB"), "{problem}");
        let recursive = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
        assert!(render(recursive, "{}").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_template_is_read_or_refused(template in r"[{}%# a-z|.()\[\]'0-9-]{0,40}") {
            if let Ok(template) = Template::new(&template) {
                drop(template.render(&Context::new(&Value::Dict(vec![("a".to_owned(), Value::Int(1))]))));
            }
        }
    }
}
