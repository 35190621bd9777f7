//! From a JSON schema to nodes.
//!
//! A node stands for schemas that must hold together: a schema, what it refers to, the parts of its `allOf`. What is in a container is
//! again such a set, so that merging needs no new schemas, and schemas that refer to themselves are finite many sets.

use std::collections::{BTreeSet, HashMap};

use super::check::Checker;
use super::document::Document;
use super::error::SchemaError;
use super::nodes::{ArrayNode, Node, NodeId, ObjectNode, Property, TextNode};
use super::number::{Bounds, Limit};
use super::parts::{Part, Type, count, together, types};
use super::pattern::Automaton;

/// Nodes of a grammar, and properties of one object, at most.
const MOST_NODES: usize = 4096;

/// Schemas that hold together, and values of one `enum`, at most.
const MOST_PARTS: usize = 256;

/// Containers within each other in a value of `enum` at most: with those around it, readers of JSON still take it.
const WORD_DEPTH: u32 = 32;

/// Strings with a `pattern` at most: each takes up to a quarter of a mebibyte.
const MOST_PATTERNS: usize = 64;

/// Bytes of the values of one `enum`, at most.
const MOST_WORD_BYTES: usize = 1 << 20;

/// Schemas that must hold together, and which of their choices were made.
struct Task<'d> {
    node: NodeId,
    parts: Vec<Part<'d>>,
    /// Places of choices of which one branch is among the parts.
    made: BTreeSet<String>,
}

struct Compiler<'d> {
    root: &'d Document,
    nodes: Vec<Node>,
    /// Nodes by the places of their parts and the choices that were made.
    known: HashMap<(BTreeSet<String>, BTreeSet<String>), NodeId>,
    open: Vec<Task<'d>>,
    /// Strings with a pattern so far.
    patterns: usize,
}

/// The nodes of a schema, and the one of the whole.
pub(super) fn compile(root: &Document) -> Result<(Vec<Node>, NodeId), SchemaError> {
    let mut compiler = Compiler { root, nodes: Vec::new(), known: HashMap::new(), open: Vec::new(), patterns: 0 };
    let whole = compiler.demand(vec![Part::new(String::new(), root)], BTreeSet::new())?;
    // Not by recursion: schemas may refer to each other through as many steps as there are nodes.
    while let Some(task) = compiler.open.pop() {
        let node = compiler.node(&task)?;
        compiler.nodes[task.node as usize] = node;
    }
    Ok((compiler.nodes, whole))
}

/// The nodes of any JSON, and the one of its objects.
pub(super) fn any_object() -> (Vec<Node>, NodeId) {
    let text = Node::Text(TextNode { least: 0, most: u32::MAX, pattern: None });
    let number = Node::Number { is_integer: false, bounds: None };
    let array = Node::Array(ArrayNode { prefix: Vec::new(), rest: 0, least: 0, most: u32::MAX });
    let object = Node::Object(ObjectNode::new(Vec::new(), Some(0)));
    let words = Node::Words(["false", "null", "true"].map(|word| word.as_bytes().into()).into());
    (vec![Node::Choice(vec![1, 2, 3, 4, 5]), text, number, words, array, object], 5)
}

impl<'d> Compiler<'d> {
    /// The node of schemas that must hold together; it is made later.
    fn demand(&mut self, parts: Vec<Part<'d>>, made: BTreeSet<String>) -> Result<NodeId, SchemaError> {
        let parts = together(self.root, parts)?;
        if let Some(part) = parts.get(MOST_PARTS).or_else(|| parts.last().filter(|_| self.nodes.len() >= MOST_NODES)) {
            let problem =
                format!("is too large: at most {MOST_NODES} kinds of values are held, of {MOST_PARTS} schemas each");
            return Err(part.error("schema", problem));
        }
        // A schema that says nothing does not make a node of its own.
        let says_something = |part: &Part<'_>| !matches!(part.schema, Document::Bool(true));
        let places = parts.iter().filter(|part| says_something(part)).map(|part| part.place.clone()).collect();
        let key = (places, made);
        if let Some(&node) = self.known.get(&key) {
            return Ok(node);
        }
        let node = self.push(Node::Choice(Vec::new()));
        let made = key.1.clone();
        self.known.insert(key, node);
        self.open.push(Task { node, parts, made });
        Ok(node)
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId::try_from(self.nodes.len() - 1).unwrap_or(NodeId::MAX)
    }

    fn node(&mut self, task: &Task<'d>) -> Result<Node, SchemaError> {
        let parts = &task.parts;
        if parts.iter().any(|part| matches!(part.schema, Document::Bool(false))) {
            return Ok(Node::Choice(Vec::new()));
        }
        if let Some(words) = self.words(parts)? {
            return Ok(Node::Words(words));
        }
        let choices = parts.iter().flat_map(|part| ["anyOf", "oneOf"].map(|keyword| part.below(keyword)));
        if let Some(choice) = choices.flatten().find(|choice| !task.made.contains(&choice.place)) {
            return self.choice(task, &choice);
        }
        let mut kinds = Vec::new();
        for kind in wanted_types(parts) {
            let node = match kind {
                Type::Null => words(&["null"]),
                Type::Boolean => words(&["false", "true"]),
                Type::Integer | Type::Number => number(parts, kind == Type::Integer)?,
                Type::String => self.text(parts)?,
                Type::Array => self.array(parts)?,
                Type::Object => self.object(parts)?,
            };
            kinds.push(self.push(node));
        }
        Ok(Node::Choice(kinds))
    }

    /// The values of `const` or `enum` that fit everything else as well; `None` where there is neither.
    fn words(&self, parts: &[Part<'d>]) -> Result<Option<Vec<Box<[u8]>>>, SchemaError> {
        let listed = parts.iter().find_map(|part| {
            let value = part.get("const").map(std::slice::from_ref);
            Some((part, value.or_else(|| part.get("enum").map(Document::elements))?))
        });
        let Some((part, values)) = listed else { return Ok(None) };
        let (mut words, mut bytes): (Vec<Box<[u8]>>, usize) = (Vec::new(), 0);
        let mut checker = Checker::new(self.root);
        for value in values {
            if checker.fits(parts.to_vec(), value)? && is_shallow(value) {
                let word = value.to_string().into_bytes();
                bytes += word.len();
                words.push(word.into());
            }
        }
        if bytes > MOST_WORD_BYTES {
            return Err(part.error("enum", format!("has values of {bytes} bytes, at most {MOST_WORD_BYTES} are held")));
        }
        words.sort_unstable();
        words.dedup();
        Ok(Some(words))
    }

    fn choice(&mut self, task: &Task<'d>, choice: &Part<'d>) -> Result<Node, SchemaError> {
        let made: BTreeSet<String> = task.made.iter().cloned().chain([choice.place.clone()]).collect();
        let mut kinds = Vec::new();
        for branch in choice.each() {
            let parts = task.parts.iter().cloned().chain([branch]).collect();
            kinds.push(self.demand(parts, made.clone())?);
        }
        Ok(Node::Choice(kinds))
    }

    fn array(&mut self, parts: &[Part<'d>]) -> Result<Node, SchemaError> {
        let lists: Vec<Vec<Part<'d>>> =
            parts.iter().map(|part| part.below("prefixItems").iter().flat_map(Part::each).collect()).collect();
        let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
        let mut kinds = Vec::new();
        // One more place than any list has: the elements after them.
        for place in 0..=longest {
            let items = parts.iter().zip(&lists);
            let items = items.filter_map(|(part, list)| list.get(place).cloned().or_else(|| part.below("items")));
            kinds.push(self.demand(items.collect(), BTreeSet::new())?);
        }
        let rest = kinds.pop().unwrap_or_default();
        let (least, most) = counts(parts, "minItems", "maxItems");
        Ok(Node::Array(ArrayNode { prefix: kinds, rest, least, most }))
    }

    fn object(&mut self, parts: &[Part<'d>]) -> Result<Node, SchemaError> {
        let mut names: Vec<&str> = Vec::new();
        let mut required = BTreeSet::new();
        let mut known = BTreeSet::new();
        let named = parts.iter().filter_map(|part| part.get("properties")).flat_map(Document::members);
        names.extend(named.map(|(name, _)| name.as_str()).filter(|name| known.insert(*name)));
        for name in parts.iter().filter_map(|part| part.get("required")).flat_map(Document::elements) {
            let name = name.text().unwrap_or_default();
            required.insert(name);
            if known.insert(name) {
                names.push(name);
            }
        }
        if let Some(part) = parts.first().filter(|_| names.len() > MOST_NODES) {
            return Err(part.error("schema", format!("has more than {MOST_NODES} properties")));
        }
        let mut properties = Vec::with_capacity(names.len());
        for name in names {
            let of_part = |part: &Part<'d>| {
                let named = part.below("properties").and_then(|named| Some(named.at(name, named.get(name)?)));
                named.or_else(|| part.below("additionalProperties"))
            };
            let node = self.demand(parts.iter().filter_map(of_part).collect(), BTreeSet::new())?;
            properties.push((name.to_owned(), Property { node, is_required: required.contains(name) }));
        }
        let further: Vec<Part<'d>> = parts.iter().filter_map(|part| part.below("additionalProperties")).collect();
        let is_closed = further.iter().any(|part| matches!(part.schema, Document::Bool(false)));
        let additional = if is_closed { None } else { Some(self.demand(further, BTreeSet::new())?) };
        Ok(Node::Object(ObjectNode::new(properties, additional)))
    }

    fn text(&mut self, parts: &[Part<'d>]) -> Result<Node, SchemaError> {
        let (least, most) = counts(parts, "minLength", "maxLength");
        let mut patterns = parts.iter().filter_map(|part| Some((part, part.get("pattern")?.text()?)));
        let Some((part, pattern)) = patterns.next() else {
            return Ok(Node::Text(TextNode { least, most, pattern: None }));
        };
        if let Some((part, other)) = patterns.find(|(_, other)| *other != pattern) {
            return Err(
                part.error("pattern", format!("is `{other}` beside `{pattern}`: one is supported for a string"))
            );
        }
        self.patterns += 1;
        if self.patterns > MOST_PATTERNS {
            return Err(part.error("pattern", format!("is of more than {MOST_PATTERNS} kinds of strings")));
        }
        let automaton = Automaton::new(pattern, least, most);
        let automaton = automaton.map_err(|problem| part.error("pattern", format!("{problem}: `{pattern}`")))?;
        // The automaton counts characters itself.
        Ok(match automaton {
            Some(_) => Node::Text(TextNode { least: 0, most: u32::MAX, pattern: automaton }),
            None => Node::Choice(Vec::new()),
        })
    }
}

/// Whether a value is no deeper than values of `enum` may be; others are never written.
fn is_shallow(value: &Document) -> bool {
    let mut level: Vec<&Document> = vec![value];
    for _ in 0..=WORD_DEPTH {
        level = level
            .iter()
            .flat_map(|value| value.members().iter().map(|(_, member)| member).chain(value.elements()))
            .collect();
        if level.is_empty() {
            return true;
        }
    }
    false
}

/// The types that all parts admit. Where none names any, those that the keywords speak of; where none speaks of any, all.
fn wanted_types(parts: &[Part<'_>]) -> Vec<Type> {
    const SPEAK: [(Type, &[&str]); 4] = [
        (Type::Object, &["properties", "required", "additionalProperties"]),
        (Type::Array, &["items", "prefixItems", "minItems", "maxItems"]),
        (Type::String, &["minLength", "maxLength", "pattern"]),
        (Type::Number, &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]),
    ];
    let mut named = parts.iter().filter_map(|part| part.get("type")).map(types);
    let Some(mut wanted) = named.next() else {
        let speaks = |keywords: &[&str]| parts.iter().any(|part| keywords.iter().any(|it| part.get(it).is_some()));
        let spoken: Vec<Type> = SPEAK.iter().filter(|(_, keywords)| speaks(keywords)).map(|(kind, _)| *kind).collect();
        return if spoken.is_empty() { Type::ALL.to_vec() } else { spoken };
    };
    for more in named {
        let both = |kind: Type| match kind {
            Type::Number if !more.contains(&Type::Number) => more.contains(&Type::Integer).then_some(Type::Integer),
            Type::Integer if more.contains(&Type::Number) => Some(kind),
            kind => more.contains(&kind).then_some(kind),
        };
        wanted = wanted.into_iter().filter_map(both).collect();
    }
    if wanted.contains(&Type::Number) {
        wanted.retain(|kind| *kind != Type::Integer);
    }
    wanted
}

/// The narrowest of two counts: at least, and at most.
fn counts(parts: &[Part<'_>], least: &str, most: &str) -> (u32, u32) {
    let all = |keyword: &str| parts.iter().filter_map(|part| part.get(keyword).and_then(count)).collect::<Vec<u32>>();
    (all(least).into_iter().max().unwrap_or(0), all(most).into_iter().min().unwrap_or(u32::MAX))
}

fn words(words: &[&str]) -> Node {
    Node::Words(words.iter().map(|word| word.as_bytes().into()).collect())
}

fn number(parts: &[Part<'_>], is_integer: bool) -> Result<Node, SchemaError> {
    const LIMITS: [(&str, Limit); 4] = [
        ("minimum", Limit::AtLeast),
        ("exclusiveMinimum", Limit::MoreThan),
        ("maximum", Limit::AtMost),
        ("exclusiveMaximum", Limit::LessThan),
    ];
    let mut bounds: Option<Bounds> = None;
    for part in parts {
        for (keyword, limit) in LIMITS {
            if let Some(Document::Number(number)) = part.get(keyword) {
                let narrowed = bounds.get_or_insert_with(|| Bounds::all(is_integer)).narrow(limit, number);
                narrowed.map_err(|problem| part.error(keyword, problem))?;
            }
        }
    }
    Ok(Node::Number { is_integer, bounds })
}
