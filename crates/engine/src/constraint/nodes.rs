//! What a schema is compiled to: a graph of kinds of values.

use std::collections::HashSet;

use super::number::Bounds;
use super::pattern::Automaton;

/// Containers within each other at most. A text nests no deeper, whatever the schema says.
pub(super) const MAX_DEPTH: u32 = 64;

/// A depth that no value has: nothing fits the node.
pub(super) const NEVER: u32 = u32::MAX;

/// A place in [`Grammar::nodes`](super::Grammar).
pub(super) type NodeId = u32;

/// A kind of values.
#[derive(Debug)]
pub(super) enum Node {
    /// Any of these kinds, none of which is a choice itself. An empty one fits nothing.
    Choice(Vec<NodeId>),
    /// One of these texts, as they stand: sorted, each at least one byte, no two alike.
    Words(Vec<Box<[u8]>>),
    Text(TextNode),
    Number {
        is_integer: bool,
        /// `None` where every number fits.
        bounds: Option<Bounds>,
    },
    Array(ArrayNode),
    Object(ObjectNode),
}

/// Strings.
#[derive(Debug)]
pub(super) struct TextNode {
    /// Characters at least; 0 where a pattern holds it.
    pub(super) least: u32,
    /// Characters at most; the largest number where there is no limit, or a pattern holds it.
    pub(super) most: u32,
    pub(super) pattern: Option<Automaton>,
}

/// Arrays.
#[derive(Debug)]
pub(super) struct ArrayNode {
    /// Kinds of the first elements.
    pub(super) prefix: Vec<NodeId>,
    /// Kind of the others.
    pub(super) rest: NodeId,
    pub(super) least: u32,
    /// The largest number where there is no limit.
    pub(super) most: u32,
}

impl ArrayNode {
    /// Kind of the element at a place.
    pub(super) fn item(&self, place: u32) -> NodeId {
        self.prefix.get(place as usize).copied().unwrap_or(self.rest)
    }

    /// A count from which on arrays are alike, so that their states recur.
    pub(super) fn settled(&self) -> u32 {
        let prefix = u32::try_from(self.prefix.len()).unwrap_or(u32::MAX);
        if self.most == u32::MAX { self.least.max(prefix) } else { u32::MAX }
    }
}

/// Objects. Properties come in their order, then further ones.
#[derive(Debug, Default)]
pub(super) struct ObjectNode {
    pub(super) properties: Vec<Property>,
    /// Names as they are written between quotes, sorted, with their properties.
    pub(super) spelled: Vec<(Box<[u8]>, u32)>,
    /// Names as they are, sorted.
    pub(super) names: Vec<Box<[u8]>>,
    /// At each place among the properties, and after the last: the next that is required, or their number.
    pub(super) next_required: Vec<u32>,
    /// Kind of further properties; `None` where there may be none.
    pub(super) additional: Option<NodeId>,
}

/// A property of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Property {
    pub(super) node: NodeId,
    pub(super) is_required: bool,
}

impl ObjectNode {
    /// `properties` have different names.
    pub(super) fn new(properties: Vec<(String, Property)>, additional: Option<NodeId>) -> Self {
        let mut object = Self { additional, ..Self::default() };
        for (number, (name, property)) in (0..).zip(&properties) {
            let quoted = serde_json::Value::from(name.as_str()).to_string().into_bytes();
            object.spelled.push((quoted[1..quoted.len() - 1].into(), number));
            object.names.push(name.as_bytes().into());
            object.properties.push(*property);
        }
        object.spelled.sort_unstable();
        object.names.sort_unstable();
        let mut next = object.end();
        object.next_required = vec![next; object.properties.len() + 1];
        for number in (0..object.end()).rev() {
            if object.properties[number as usize].is_required {
                next = number;
            }
            object.next_required[number as usize] = next;
        }
        object
    }

    /// The place after the last property.
    pub(super) fn end(&self) -> u32 {
        u32::try_from(self.properties.len()).unwrap_or(u32::MAX)
    }

    /// Whether no property from this place on is required.
    pub(super) fn may_end(&self, next: u32) -> bool {
        self.next_required[next as usize] == self.end()
    }
}

/// The least number of containers within each other that a value of each node has; [`NEVER`] where there is no value, or only
/// deeper ones than [`MAX_DEPTH`].
pub(super) fn least_depths(nodes: &[Node]) -> Vec<u32> {
    let mut depths = vec![NEVER; nodes.len()];
    loop {
        let mut is_settled = true;
        for (id, node) in nodes.iter().enumerate() {
            let depth = least_depth(node, &depths);
            is_settled &= depth == depths[id];
            depths[id] = depth;
        }
        if is_settled {
            return depths;
        }
    }
}

fn least_depth(node: &Node, depths: &[u32]) -> u32 {
    let depth = |id: NodeId| depths[id as usize];
    let inner = match node {
        Node::Choice(kinds) => return kinds.iter().map(|&kind| depth(kind)).min().unwrap_or(NEVER),
        Node::Words(words) => return if words.is_empty() { NEVER } else { 0 },
        Node::Text(text) => return if text.least > text.most { NEVER } else { 0 },
        Node::Number { bounds, .. } => return if bounds.is_some_and(|bounds| bounds.is_empty()) { NEVER } else { 0 },
        Node::Array(array) if array.least > array.most => NEVER,
        Node::Array(array) => {
            // Beyond the first of the rest, elements are alike.
            let different = array.least.min(array.settled_prefix());
            (0..different).map(|place| depth(array.item(place))).max().unwrap_or(0)
        }
        Node::Object(object) => {
            let required = object.properties.iter().filter(|property| property.is_required);
            required.map(|property| depth(property.node)).max().unwrap_or(0)
        }
    };
    match inner.checked_add(1) {
        Some(depth) if depth <= MAX_DEPTH => depth,
        Some(_) | None => NEVER,
    }
}

impl ArrayNode {
    fn settled_prefix(&self) -> u32 {
        u32::try_from(self.prefix.len()).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// Makes the kinds of every choice plain: choices within choices are taken apart, what fits nothing is left out, and words are put
/// together, so that one state reads them all. Kinds are kept in their order, words first.
pub(super) fn flatten_choices(nodes: &mut Vec<Node>, depths: &[u32]) {
    for id in 0..nodes.len() {
        let Node::Choice(kinds) = &nodes[id] else { continue };
        let (mut open, mut seen, mut plain) = (kinds.clone(), HashSet::from([id]), Vec::new());
        open.reverse();
        let mut words: Vec<Box<[u8]>> = Vec::new();
        let mut word_nodes = Vec::new();
        while let Some(kind) = open.pop() {
            if depths[kind as usize] == NEVER || !seen.insert(kind as usize) {
                continue;
            }
            match &nodes[kind as usize] {
                Node::Choice(kinds) => open.extend(kinds.iter().rev()),
                Node::Words(more) => {
                    words.extend(more.iter().cloned());
                    word_nodes.push(kind);
                }
                Node::Text(_) | Node::Number { .. } | Node::Array(_) | Node::Object(_) => plain.push(kind),
            }
        }
        if let [kind] = word_nodes[..] {
            plain.insert(0, kind);
        } else if !words.is_empty() {
            words.sort_unstable();
            words.dedup();
            plain.insert(0, NodeId::try_from(nodes.len()).unwrap_or(NodeId::MAX));
            nodes.push(Node::Words(words));
        }
        nodes[id] = Node::Choice(plain);
    }
}
