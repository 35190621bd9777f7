//! Schemas that must hold together, read from one document.

use std::collections::BTreeSet;

use super::document::Document;
use super::error::SchemaError;

/// Keywords that say nothing about a value. `format` is among them, as in JSON Schema itself.
const ANNOTATIONS: [&str; 18] = [
    "$anchor",
    "$comment",
    "$defs",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "example",
    "examples",
    "format",
    "readOnly",
    "title",
    "writeOnly",
    "$vocabulary",
];

/// A schema within the document.
#[derive(Clone, Debug)]
pub(super) struct Part<'d> {
    /// JSON pointer to it.
    pub(super) place: String,
    pub(super) schema: &'d Document,
}

/// What a keyword's value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Schema,
    Schemas,
    /// Schemas by name.
    Named,
    Count,
    Number,
    Text,
    Texts,
    Types,
    Values,
    Any,
}

fn form(keyword: &str) -> Option<Form> {
    Some(match keyword {
        "additionalProperties" | "items" => Form::Schema,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Form::Schemas,
        "properties" => Form::Named,
        "maxItems" | "maxLength" | "minItems" | "minLength" => Form::Count,
        "exclusiveMaximum" | "exclusiveMinimum" | "maximum" | "minimum" => Form::Number,
        "$ref" | "pattern" => Form::Text,
        "required" => Form::Texts,
        "type" => Form::Types,
        "enum" => Form::Values,
        "const" => Form::Any,
        _ => return None,
    })
}

impl Form {
    fn fits(self, value: &Document) -> bool {
        let is_schema = |value: &Document| matches!(value, Document::Object(_) | Document::Bool(_));
        match self {
            Self::Schema => is_schema(value),
            Self::Schemas => !value.elements().is_empty() && value.elements().iter().all(is_schema),
            Self::Named => {
                matches!(value, Document::Object(_)) && value.members().iter().all(|(_, value)| is_schema(value))
            }
            Self::Count => count(value).is_some(),
            Self::Number => matches!(value, Document::Number(_)),
            Self::Text => value.text().is_some(),
            Self::Texts => {
                matches!(value, Document::List(_)) && value.elements().iter().all(|text| text.text().is_some())
            }
            Self::Types => !types(value).is_empty(),
            Self::Values => !value.elements().is_empty(),
            Self::Any => true,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Schema => "a schema",
            Self::Schemas => "a list of schemas",
            Self::Named => "schemas by name",
            Self::Count => "a whole number, 0 or above",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Texts => "a list of texts",
            Self::Types => {
                "one or several of `null`, `boolean`, `integer`, `number`, `string`, `array` and `object`, none twice"
            }
            Self::Values => "a list of values",
            Self::Any => "a value",
        }
    }
}

/// A count, as far as it matters.
pub(super) fn count(value: &Document) -> Option<u32> {
    let Document::Number(number) = value else { return None };
    if let Some(count) = number.as_u64() {
        return Some(u32::try_from(count).unwrap_or(u32::MAX));
    }
    // A whole number may be written as `2.0`.
    let text = number.to_string();
    text.strip_suffix(".0")?.parse().ok()
}

/// Kinds of JSON, in the order in which alternatives are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    pub(super) const ALL: [Self; 6] =
        [Self::Null, Self::Boolean, Self::Number, Self::String, Self::Array, Self::Object];

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::String,
            "array" => Self::Array,
            "object" => Self::Object,
            _ => return None,
        })
    }
}

/// The types that a value of `type` names; none where it is wrong.
pub(super) fn types(value: &Document) -> Vec<Type> {
    let names = if value.text().is_some() { std::slice::from_ref(value) } else { value.elements() };
    let types: Option<Vec<Type>> = names.iter().map(|name| Type::named(name.text()?)).collect();
    let types = types.unwrap_or_default();
    let is_twice = types.iter().enumerate().any(|(place, kind)| types[..place].contains(kind));
    if is_twice { Vec::new() } else { types }
}

impl<'d> Part<'d> {
    pub(super) fn new(place: String, schema: &'d Document) -> Self {
        Self { place, schema }
    }

    /// The schema below a keyword, if it is there.
    pub(super) fn below(&self, keyword: &str) -> Option<Self> {
        Some(Self::new(format!("{}/{keyword}", self.place), self.schema.get(keyword)?))
    }

    /// The schemas in a list, or in another keyword's object.
    pub(super) fn each(&self) -> impl Iterator<Item = Self> + use<'d> {
        let place = self.place.clone();
        let named = self.schema.members().iter().map(|(name, schema)| (escaped(name), schema));
        let listed = self.schema.elements().iter().enumerate().map(|(number, schema)| (number.to_string(), schema));
        named.chain(listed).map(move |(name, schema)| Self::new(format!("{place}/{name}"), schema))
    }

    /// The schema of this name or number below.
    pub(super) fn at(&self, name: &str, schema: &'d Document) -> Self {
        Self::new(format!("{}/{}", self.place, escaped(name)), schema)
    }

    pub(super) fn get(&self, keyword: &str) -> Option<&'d Document> {
        self.schema.get(keyword)
    }

    pub(super) fn error(&self, keyword: &str, problem: impl Into<String>) -> SchemaError {
        SchemaError::new(&self.place, keyword, problem)
    }

    /// Refuses keywords that are not held, and values that they cannot have.
    pub(super) fn check(&self) -> Result<(), SchemaError> {
        if !matches!(self.schema, Document::Object(_) | Document::Bool(_)) {
            return Err(self.error("schema", "must be an object, `true` or `false`"));
        }
        for (keyword, value) in self.schema.members() {
            let says_nothing = match (keyword.as_str(), value) {
                ("uniqueItems", Document::Bool(false)) => true,
                ("minProperties", value) => count(value) == Some(0),
                // Elsewhere it changes what references mean.
                ("$id", _) => self.place.is_empty(),
                (keyword, _) => ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-"),
            };
            if says_nothing {
                continue;
            }
            let form = form(keyword).ok_or_else(|| SchemaError::unsupported(&self.place, keyword))?;
            if !form.fits(value) {
                let hint = match (keyword.as_str(), value) {
                    ("items", Document::List(_)) => "; schemas of the first elements are `prefixItems`",
                    _ => "",
                };
                return Err(self.error(keyword, format!("must be {}{hint}", form.name())));
            }
        }
        Ok(())
    }
}

/// A name as a JSON pointer has it.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// All schemas that hold together with these: what they refer to, and the parts of `allOf`. None comes twice, so that a schema that
/// refers to itself adds nothing.
pub(super) fn together<'d>(root: &'d Document, parts: Vec<Part<'d>>) -> Result<Vec<Part<'d>>, SchemaError> {
    let (mut open, mut known, mut all) = (parts, BTreeSet::new(), Vec::new());
    open.reverse();
    while let Some(part) = open.pop() {
        if !known.insert(part.place.clone()) {
            continue;
        }
        part.check()?;
        let mut more = Vec::new();
        if let Some(reference) = part.get("$ref").and_then(Document::text) {
            let target = resolve(root, reference);
            more.push(target.ok_or_else(|| {
                let problem =
                    format!("is `{reference}`; supported is a place within the document, such as `#/$defs/name`");
                part.error("$ref", problem)
            })?);
        }
        more.extend(part.below("allOf").iter().flat_map(Part::each));
        open.extend(more.into_iter().rev());
        all.push(part);
    }
    Ok(all)
}

/// The schema that a reference names.
fn resolve<'d>(root: &'d Document, reference: &str) -> Option<Part<'d>> {
    let pointer = unescaped(reference.strip_prefix('#')?)?;
    let mut part = Part::new(String::new(), root);
    if pointer.is_empty() {
        return Some(part);
    }
    for name in pointer.strip_prefix('/')?.split('/') {
        let name = name.replace("~1", "/").replace("~0", "~");
        let schema = match part.schema {
            Document::Object(_) => part.schema.get(&name)?,
            Document::List(elements) => elements.get(name.parse::<usize>().ok()?)?,
            _ => return None,
        };
        part = part.at(&name, schema);
    }
    Some(part)
}

/// Takes the percent signs out of a fragment.
fn unescaped(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(if byte == b'%' { digit(rest.next())? << 4 | digit(rest.next())? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_places() {
        let root: Document = r#"{"$defs":{"a/b":{"type":"null"},"c d":[true]}}"#.parse().unwrap();
        let check = |reference: &str, place: Option<&str>| {
            assert_eq!(resolve(&root, reference).map(|part| part.place).as_deref(), place, "{reference}");
        };
        check("#", Some(""));
        check("#/$defs/a~1b", Some("/$defs/a~1b"));
        check("#/%24defs/c%20d/0", Some("/$defs/c d/0"));
        check("#/$defs/none", None);
        check("#anchor", None);
        check("other.json#/a", None);
        check("#/%2", None);
    }

    #[test]
    fn a_schema_that_refers_to_itself_is_one() {
        let root: Document =
            r##"{"allOf":[{"$ref":"#"},{"$ref":"#/$defs/a"}],"$defs":{"a":{"$ref":"#"}}}"##.parse().unwrap();
        let all = together(&root, vec![Part::new(String::new(), &root)]).unwrap();
        let places: Vec<&str> = all.iter().map(|part| part.place.as_str()).collect();
        assert_eq!(places, ["", "/allOf/0", "/allOf/1", "/$defs/a"]);
    }
}
