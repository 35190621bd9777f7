//! Texts that must be JSON, or JSON of a schema: which tokens may follow at each step of a generation.
//!
//! A [`Grammar`] is made of a JSON schema, once. A [`Matcher`] reads a text under it byte by byte and knows what may follow; beside the
//! [`TokenTrie`] of a vocabulary it tells the tokens that may. Whatever it lets through can be completed: a generation that is not cut
//! by its limit ends with a text that is valid.
//!
//! What is written is narrower than what a schema admits, where that costs nothing in meaning: properties come in the order of the
//! schema, then further ones; one space or newline stands between two tokens at most; containers lie within each other no deeper
//! than 64; integers have at most 18 digits; numbers between bounds have at most 15 digits and no exponent; values of `enum` and
//! `const` are written as compact JSON; the names of further properties, and strings of a `pattern`, escape only what they must.
//! Three readings are wider or guessed, and documented: `format` is an annotation, `oneOf` is read as `anyOf`, and a schema without
//! `type` is taken for the types that its keywords speak of. Every other keyword is held or refused by name, never passed over.
//!
//! The matcher follows several readings of a text at once where alternatives begin alike. That is simpler than making the
//! grammar deterministic, and costs nothing where they do not. Its price is a bound on the number of readings: beyond it, further
//! alternatives are not offered.

mod allowed;
mod check;
mod document;
mod error;
mod guide;
mod matcher;
mod nodes;
mod number;
mod parts;
mod pattern;
mod schema;
mod text;
mod trie;
mod words;

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

pub use document::Document;
pub use error::SchemaError;
pub(crate) use guide::{Choice, Guide};
pub use matcher::Matcher;
pub use trie::{TokenMask, TokenTrie};

use allowed::Masks;
use nodes::{Node, NodeId, flatten_choices, least_depths};

/// What the text of a generation must be. Generations share it, and with it the masks of states that recur.
pub struct Grammar {
    nodes: Vec<Node>,
    /// The least number of containers within each other that a value of each node has.
    depths: Vec<u32>,
    root: NodeId,
    schema: Option<Document>,
    masks: Mutex<Masks>,
}

impl Grammar {
    /// Any JSON object, as OpenAI's `json_object` and Ollama's `json` want it.
    #[must_use]
    pub fn json() -> Arc<Self> {
        let (nodes, root) = schema::any_object();
        Arc::new(Self::of_nodes(nodes, root, None))
    }

    /// JSON of a schema. Properties are written in the order of the object's members, which [`serde_json::Value`] sorts by name unless
    /// its feature `preserve_order` is on; [`Grammar::ordered`] and `str::parse` keep the order of the text.
    ///
    /// # Errors
    /// [`SchemaError`] names the place and the keyword that cannot be held.
    pub fn schema(schema: &serde_json::Value) -> Result<Arc<Self>, SchemaError> {
        Self::ordered(Document::from(schema))
    }

    /// JSON of a schema whose members have their order.
    ///
    /// # Errors
    /// [`SchemaError`] names the place and the keyword that cannot be held.
    pub fn ordered(schema: Document) -> Result<Arc<Self>, SchemaError> {
        Self::of_schema(schema).map(Arc::new)
    }

    fn of_schema(schema: Document) -> Result<Self, SchemaError> {
        let (nodes, root) = schema::compile(&schema)?;
        let grammar = Self::of_nodes(nodes, root, Some(schema));
        if grammar.depths[root as usize] == nodes::NEVER {
            let problem = format!("fits no value that is at most {} containers deep", nodes::MAX_DEPTH);
            return Err(SchemaError::new("", "schema", problem));
        }
        Ok(grammar)
    }

    fn of_nodes(mut nodes: Vec<Node>, root: NodeId, schema: Option<Document>) -> Self {
        let mut depths = least_depths(&nodes);
        flatten_choices(&mut nodes, &depths);
        depths.resize(nodes.len(), 0);
        Self { nodes, depths, root, schema, masks: Mutex::default() }
    }

    /// The schema; `None` where any JSON object fits.
    #[must_use]
    pub const fn source(&self) -> Option<&Document> {
        self.schema.as_ref()
    }
}

/// Reads the text of a schema.
impl FromStr for Grammar {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        let schema: Document =
            text.parse().map_err(|error| SchemaError::new("", "schema", format!("is no JSON: {error}")))?;
        Self::of_schema(schema)
    }
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.schema.as_ref().map(ToString::to_string);
        f.debug_struct("Grammar").field("schema", &schema).finish_non_exhaustive()
    }
}
