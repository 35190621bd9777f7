//! Why a schema is refused.

/// Keywords that are held, for messages.
const HELD: &str = "`type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, `prefixItems`, `minItems`, \
                    `maxItems`, `minLength`, `maxLength`, `pattern`, `minimum`, `maximum`, `exclusiveMinimum`, \
                    `exclusiveMaximum`, `anyOf`, `oneOf`, `allOf` and `$ref` within the document are";

/// A schema that cannot be held: a generation under it would promise what it does not keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hold the JSON schema: at `{place}`, `{keyword}` {problem}")]
pub struct SchemaError {
    /// Where in the schema, as a JSON pointer; `#` is the whole.
    pub place: String,
    /// The keyword, or `schema` where the whole is meant.
    pub keyword: String,
    /// What is wrong with it, and what could stand there.
    pub problem: String,
}

impl SchemaError {
    pub(super) fn new(place: &str, keyword: &str, problem: impl Into<String>) -> Self {
        Self { place: format!("#{place}"), keyword: keyword.to_owned(), problem: problem.into() }
    }

    pub(super) fn unsupported(place: &str, keyword: &str) -> Self {
        Self::new(place, keyword, format!("is not supported; {HELD}"))
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "take the keyword out of the schema and check the answer afterwards, or say the same with other keywords"
    }
}
