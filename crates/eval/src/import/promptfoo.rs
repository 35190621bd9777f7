//! The part of promptfoo's configuration that is data: prompts, tests with variables, and assertions that can be computed.
//!
//! Every prompt with every test, and with every value of a variable that has several, becomes a document with its prompt
//! and its checks. Providers are left aside: who is asked is said by `--model`.

use std::path::Path;

use super::ImportError;
use crate::task::data::Rows;
use crate::task::library;
use crate::task::template::{Context, Template};
use crate::task::{TaskError, Value};

/// Assertions that are known; each also with `not-` before it.
pub(super) const KNOWN: [&str; 10] = [
    "equals",
    "contains",
    "icontains",
    "contains-all",
    "contains-any",
    "icontains-all",
    "icontains-any",
    "starts-with",
    "regex",
    "is-json",
];

/// Documents that a file may become at most.
const MOST_DOCUMENTS: usize = 1_000_000;

/// What a file became.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// Documents with `prompt`, `vars` and `checks`.
    pub documents: Vec<Value>,
    /// Keys that were left aside.
    pub left_out: Vec<String>,
}

/// Reads a promptfoo configuration; files that it names lie beside it.
///
/// # Errors
/// Names what is not of the expected shape, or has no counterpart.
pub fn promptfoo(path: &Path) -> Result<Imported, ImportError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| shape(&file, error.to_string()))?;
    let value = library::parse(&text, path).map_err(|error| shape(&file, error.to_string()))?;
    Reader { file: &file, folder: path.parent().unwrap_or(Path::new("")) }.read(&value)
}

fn shape(file: &str, problem: String) -> ImportError {
    ImportError::Shape { file: file.to_owned(), problem }
}

struct Reader<'a> {
    file: &'a str,
    folder: &'a Path,
}

impl Reader<'_> {
    fn read(&self, value: &Value) -> Result<Imported, ImportError> {
        let prompts = self.prompts(value.get("prompts"))?;
        let tests = self.tests(value.get("tests"))?;
        let none = Value::Dict(Vec::new());
        let common = value.get("defaultTest").unwrap_or(&none);
        let mut imported = Imported { left_out: left_out(value), ..Imported::default() };
        for (place, test) in tests.iter().enumerate() {
            let place = format!("test {}", place + 1);
            for vars in variants(&vars_of(common, test)) {
                let context = Context::new(&vars);
                let render = |text: &str| {
                    Template::new(text)
                        .and_then(|template| template.render(&context))
                        .map_err(|problem| shape(self.file, format!("{place}: {problem}")))
                };
                let mut checks = Vec::new();
                for assertion in [common, test]
                    .into_iter()
                    .filter_map(|test| test.get("assert"))
                    .filter_map(Value::as_list)
                    .flatten()
                {
                    checks.push(self.check(assertion, &place, &render)?);
                }
                for prompt in &prompts {
                    let entries = [
                        ("prompt", Value::Text(render(prompt)?)),
                        ("vars", vars.clone()),
                        ("checks", Value::List(checks.clone())),
                    ];
                    imported.documents.push(Value::Dict(entries.map(|(key, value)| (key.to_owned(), value)).to_vec()));
                    if imported.documents.len() > MOST_DOCUMENTS {
                        return Err(shape(
                            self.file,
                            format!("it has more than {MOST_DOCUMENTS} prompts with variables"),
                        ));
                    }
                }
                if checks.is_empty() {
                    return Err(shape(self.file, format!("{place} asserts nothing")));
                }
            }
        }
        if imported.documents.is_empty() {
            return Err(shape(self.file, "it has no prompts or no tests".to_owned()));
        }
        Ok(imported)
    }

    /// Texts, mappings with `raw`, or `file://` names.
    fn prompts(&self, value: Option<&Value>) -> Result<Vec<String>, ImportError> {
        let items = value.map_or(&[][..], |value| value.as_list().unwrap_or(std::slice::from_ref(value)));
        let prompt = |item: &Value| {
            let text = item.get("raw").or_else(|| item.get("id")).unwrap_or(item);
            let text =
                text.as_text().ok_or_else(|| shape(self.file, format!("the prompt `{}` is no text", item.repr())))?;
            match text.strip_prefix("file://") {
                Some(name) if name.ends_with(".txt") || name.ends_with(".md") => self.file_text(name),
                Some(name) => Err(self.unsupported("a prompt", name)),
                None => Ok(text.to_owned()),
            }
        };
        items.iter().map(prompt).collect()
    }

    fn file_text(&self, name: &str) -> Result<String, ImportError> {
        std::fs::read_to_string(self.folder.join(name)).map_err(|error| shape(self.file, format!("`{name}`: {error}")))
    }

    /// Mappings, or the name of a table whose columns are variables and `__expected`.
    fn tests(&self, value: Option<&Value>) -> Result<Vec<Value>, ImportError> {
        let items = value.map_or(&[][..], |value| value.as_list().unwrap_or(std::slice::from_ref(value)));
        let mut tests = Vec::new();
        for item in items {
            match item.as_text() {
                Some(name) => tests.extend(self.table(name.strip_prefix("file://").unwrap_or(name))?),
                None => tests.push(item.clone()),
            }
        }
        Ok(tests)
    }

    fn table(&self, name: &str) -> Result<Vec<Value>, ImportError> {
        let read = |error: TaskError| shape(self.file, error.to_string());
        let rows = Rows::read(&[self.folder.join(name)], &Value::None).map_err(read)?;
        let test = |row: usize| {
            let (mut vars, mut asserts) = (Vec::new(), Vec::new());
            if let Some(Value::Dict(entries)) = rows.get(row) {
                for (key, value) in entries {
                    match key.as_str() {
                        _ if value == Value::None => {}
                        key if key.starts_with("__expected") => asserts.push(expected(&value.text())),
                        key if key.starts_with("__") => {}
                        _ => vars.push((key, value)),
                    }
                }
            }
            let entries = [("vars", Value::Dict(vars)), ("assert", Value::List(asserts))];
            Value::Dict(entries.map(|(key, value)| (key.to_owned(), value)).to_vec())
        };
        // Rows of JSON lines may be tests themselves.
        let is_test = |test: &Value| test.get("vars").is_some() || test.get("assert").is_some();
        Ok((0..rows.len()).map(|row| rows.get(row).filter(is_test).unwrap_or_else(|| test(row))).collect())
    }

    fn unsupported(&self, place: &str, what: &str) -> ImportError {
        ImportError::Unsupported { file: self.file.to_owned(), place: place.to_owned(), what: what.to_owned() }
    }

    /// One assertion as a check.
    fn check(
        &self,
        assertion: &Value,
        place: &str,
        render: &impl Fn(&str) -> Result<String, ImportError>,
    ) -> Result<Value, ImportError> {
        let kind = assertion.get("type").and_then(Value::as_text).unwrap_or_default();
        for key in ["weight", "threshold", "transform"] {
            if assertion.get(key).is_some_and(|value| *value != Value::Int(1)) {
                return Err(self.unsupported(place, key));
            }
        }
        let value = assertion.get("value").unwrap_or(&Value::None);
        let text = || render(&value.text());
        let texts = || -> Result<Value, ImportError> {
            let items = value.as_list().unwrap_or(std::slice::from_ref(value));
            items.iter().map(|item| render(&item.text()).map(Value::Text)).collect::<Result<_, _>>().map(Value::List)
        };
        let part = |texts: Value, any: bool, ignore_case: bool| {
            entry(
                "part",
                entries([("texts", texts), ("any", Value::Bool(any)), ("ignore_case", Value::Bool(ignore_case))]),
            )
        };
        let positive = kind.strip_prefix("not-").unwrap_or(kind);
        let check = match positive {
            "equals" => entry("equals", Value::Text(text()?)),
            "contains" => part(Value::List(vec![Value::Text(text()?)]), false, false),
            "icontains" => part(Value::List(vec![Value::Text(text()?)]), false, true),
            "contains-all" => part(texts()?, false, false),
            "contains-any" => part(texts()?, true, false),
            "icontains-all" => part(texts()?, false, true),
            "icontains-any" => part(texts()?, true, true),
            "starts-with" => entry("begins", Value::Text(text()?)),
            "regex" => entry("matches", Value::Text(text()?)),
            "is-json" if *value == Value::None => entry("is_json", Value::Bool(true)),
            "is-json" => return Err(self.unsupported(place, "is-json with a schema")),
            _ => return Err(self.unsupported(place, kind)),
        };
        Ok(if positive == kind { check } else { entry("not", check) })
    }
}

/// `contains: text` of a table's column; a text without a known word before a colon must equal the answer.
fn expected(text: &str) -> Value {
    let known = text.split_once(':').filter(|(kind, _)| KNOWN.contains(&kind.trim().trim_start_matches("not-")));
    let (kind, value) = match known {
        Some((kind, value)) => (kind.trim(), value.trim()),
        None if text.trim() == "is-json" => ("is-json", ""),
        None => ("equals", text),
    };
    let value = match kind {
        _ if value.is_empty() => Value::None,
        kind if kind.ends_with("-all") || kind.ends_with("-any") => {
            Value::List(value.split(',').map(|item| Value::Text(item.trim().to_owned())).collect())
        }
        _ => Value::Text(value.to_owned()),
    };
    entries([("type", Value::Text(kind.to_owned())), ("value", value)])
}

fn entry(key: &str, value: Value) -> Value {
    entries([(key, value)])
}

fn entries<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Dict(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The variables of a test over those of all tests.
fn vars_of(common: &Value, test: &Value) -> Value {
    let mut vars = common.get("vars").cloned().unwrap_or(Value::Dict(Vec::new()));
    if let Some(Value::Dict(own)) = test.get("vars") {
        own.iter().for_each(|(key, value)| vars.set(key, value.clone()));
    }
    vars
}

/// Each combination of the values of variables that have several.
fn variants(vars: &Value) -> Vec<Value> {
    let mut variants = vec![vars.clone()];
    if let Value::Dict(entries) = vars {
        for (key, values) in entries.iter().filter_map(|(key, value)| Some((key, value.as_list()?))) {
            let widen = |vars: &Value| {
                values
                    .iter()
                    .map(|value| {
                        let mut vars = vars.clone();
                        vars.set(key, value.clone());
                        vars
                    })
                    .collect::<Vec<_>>()
            };
            if variants.len().saturating_mul(values.len()) > MOST_DOCUMENTS {
                return variants;
            }
            variants = variants.iter().flat_map(widen).collect();
        }
    }
    variants
}

fn left_out(value: &Value) -> Vec<String> {
    let Value::Dict(entries) = value else { return Vec::new() };
    let is_known = |key: &str| ["prompts", "tests", "defaultTest", "description"].contains(&key);
    entries.iter().map(|(key, _)| key.clone()).filter(|key| !is_known(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Check, share_met};

    fn import(files: &[(&str, &str)]) -> Result<Imported, ImportError> {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        promptfoo(&folder.path().join(files[0].0))
    }

    #[test]
    fn tests_become_documents_with_checks() {
        let file = "prompts: ['Say {{word}} to {{name}}', file://second.txt]\nproviders: [openai:gpt]\n\
                    defaultTest:\n  assert:\n    - {type: not-icontains, value: sorry}\n\
                    tests:\n  - vars: {word: [hello, bye], name: Ida}\n    assert:\n      - {type: icontains-all, value: ['{{word}}', ida]}\n  - file://more.csv\n";
        let imported = import(&[
            ("a.yaml", file),
            ("second.txt", "{{word}}!"),
            ("more.csv", "word,name,__expected\nyes,Bo,\"contains-any: yes, si\"\n"),
        ])
        .unwrap();
        let text = |place: usize, key: &str| imported.documents[place].get(key).unwrap().text();
        assert_eq!(imported.documents.len(), 6);
        assert_eq!((text(0, "prompt"), text(3, "prompt")), ("Say hello to Ida".to_owned(), "bye!".to_owned()));
        assert_eq!(imported.left_out, ["providers"]);
        let met = |place: usize, answer: &str| {
            share_met(&Check::list(imported.documents[place].get("checks").unwrap()).unwrap(), answer)
        };
        assert_eq!((met(0, "Hello, Ida!"), met(0, "Sorry, Ida."), met(2, "Hello, Ida!")), (1.0, 0.0, 0.5));
        assert_eq!((met(4, "oh si"), met(4, "no")), (1.0, 0.5));
    }

    #[test]
    fn what_has_no_counterpart_is_refused() {
        let check = |assert: &str, expected: &str, hint: &str| {
            let file = format!("prompts: [p]\ntests:\n  - assert:\n      - {assert}\n");
            let error = import(&[("a.yaml", &file)]).unwrap_err();
            assert!(error.to_string().contains(expected) && error.hint().contains(hint), "{error}: {}", error.hint());
        };
        check("{type: javascript, value: 'output.length'}", "test 1 uses `javascript`", "no code is run");
        check("{type: llm-rubric, value: 'is kind'}", "`llm-rubric`", "eval judge");
        check("{type: levenshtein, value: a}", "`levenshtein`", "icontains");
        check("{type: equals, value: a, weight: 2}", "`weight`", "leave it out");
        check("{type: is-json, value: {type: object}}", "with a schema", "leave it out");
        assert!(
            import(&[("a.yaml", "prompts: [p]\ntests: [{vars: {a: 1}}]\n")])
                .unwrap_err()
                .to_string()
                .contains("test 1 asserts nothing")
        );
        assert!(
            import(&[("a.yaml", "prompts: ['{{b}}']\ntests: [{assert: [{type: is-json}]}]\n")])
                .unwrap_err()
                .to_string()
                .contains("test 1: ")
        );
        assert!(import(&[("a.yaml", "tests: []\n")]).unwrap_err().to_string().contains("no prompts"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_imported_or_refused(text in "(prompts|tests|defaultTest|vars|assert|  - |: |\\[a\\]|\\{type: equals, value: a\\}|\n|x){0,12}") {
            drop(import(&[("a.yaml", &text)]));
        }
    }
}
