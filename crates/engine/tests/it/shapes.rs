//! Random schemas, and values that fit them.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::RngCore;
use serde_json::{Value, json};
use weighbridge_engine::constraint::Document;

/// A small schema.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Null,
    Boolean,
    Integer {
        low: i64,
        span: i64,
        is_open: bool,
    },
    AnyInteger,
    /// Bounds in hundredths.
    Number {
        low: i64,
        span: i64,
    },
    AnyNumber,
    Text {
        least: usize,
        span: usize,
    },
    /// One of [`PATTERNS`].
    Pattern(usize),
    Enum(Vec<Value>),
    Array {
        first: Vec<Shape>,
        items: Box<Shape>,
        least: usize,
        span: usize,
    },
    Object {
        members: Vec<(usize, Shape, bool)>,
        further: Option<Box<Shape>>,
    },
    AnyOf(Vec<Shape>),
    /// The two halves of an object, put together by `allOf`.
    AllOf(Vec<(usize, Shape, bool)>, Vec<(usize, Shape, bool)>),
}

/// Expressions, with texts that fit.
const PATTERNS: [(&str, &[&str]); 5] = [
    ("^[A-Z]{2}[0-9]{1,3}$", &["AB1", "ZZ999"]),
    (r"^\d{4}-\d{2}-\d{2}$", &["2024-02-30"]),
    ("b+", &["b", "ab\"c", "é\nbb"]),
    (r#"^("|\\|/|\n)*$"#, &["", "\"\\", "/\n"]),
    ("^(yes|no|maybe .+)$", &["yes", "maybe é\"", "no"]),
];

/// Names that begin alike, that must be escaped, that are not ASCII.
const NAMES: [&str; 8] = ["a", "ab", "abc", "b\"c", "é", "", "\n", "z/y"];

/// Names that no schema has; some begin like those that it has.
const FURTHER: [&str; 5] = ["abcd", "q", "\"", "aé", "b\"cd"];

const TEXTS: [&str; 8] = ["x", "é", "\"", "\\", "\n", "\u{1}", "😀", " "];

pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    let integer = (-200_i64..200, 0_i64..300, any::<bool>());
    let leaf = prop_oneof![
        Just(Shape::Null),
        Just(Shape::Boolean),
        Just(Shape::AnyInteger),
        Just(Shape::AnyNumber),
        integer.prop_map(|(low, span, is_open)| Shape::Integer { low, span, is_open }),
        (-2000_i64..2000, 0_i64..3000).prop_map(|(low, span)| Shape::Number { low, span }),
        (0_usize..3, 0_usize..4).prop_map(|(least, span)| Shape::Text { least, span }),
        (0..PATTERNS.len()).prop_map(Shape::Pattern),
        prop::collection::vec(
            prop::sample::select(vec![
                json!(1),
                json!(12),
                json!("a"),
                json!("ab"),
                json!(null),
                json!([1, "x"]),
                json!({"k": true}),
                json!(-1.5),
            ]),
            1..5
        )
        .prop_map(Shape::Enum),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let members = prop::collection::vec((0..NAMES.len(), inner.clone(), any::<bool>()), 0..4);
        let further = prop::option::of(inner.clone().prop_map(Box::new));
        let first = prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            (first, inner.clone(), 0_usize..3, 0_usize..3).prop_map(|(first, items, least, span)| Shape::Array {
                first,
                items: Box::new(items),
                least,
                span
            }),
            (members.clone(), further)
                .prop_map(|(members, further)| Shape::Object { members: distinct(members, &[]), further }),
            prop::collection::vec(inner, 1..4).prop_map(Shape::AnyOf),
            (members.clone(), members).prop_map(|(one, two)| {
                let one = distinct(one, &[]);
                let two = distinct(two, &one);
                Shape::AllOf(one, two)
            }),
        ]
    })
}

type Members = Vec<(usize, Shape, bool)>;

fn distinct(members: Members, taken: &[(usize, Shape, bool)]) -> Members {
    let mut kept: Members = Vec::new();
    for member in members {
        if !kept.iter().chain(taken).any(|known| known.0 == member.0) {
            kept.push(member);
        }
    }
    kept
}

fn hundredths(value: i64) -> Value {
    json!(value as f64 / 100.0)
}

fn object(members: Vec<(&str, Document)>) -> Document {
    Document::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn object_schema(members: &Members, further: Document) -> Document {
    let named = members.iter().map(|(name, shape, _)| (NAMES[*name], shape.schema())).collect();
    let required: Vec<&str> = members.iter().filter(|(.., needed)| *needed).map(|(name, ..)| NAMES[*name]).collect();
    object(vec![
        ("type", Document::from(&json!("object"))),
        ("properties", object(named)),
        ("required", Document::from(&json!(required))),
        ("additionalProperties", further),
    ])
}

impl Shape {
    pub(crate) fn schema(&self) -> Document {
        let plain = |value: Value| Document::from(&value);
        match self {
            Self::Null => plain(json!({"type": "null"})),
            Self::Boolean => plain(json!({"type": "boolean"})),
            Self::AnyInteger => plain(json!({"type": "integer"})),
            Self::AnyNumber => plain(json!({"type": ["number"]})),
            Self::Integer { low, span, is_open: true } => {
                plain(json!({"type": "integer", "exclusiveMinimum": low - 1, "exclusiveMaximum": low + span + 1}))
            }
            Self::Integer { low, span, .. } => plain(json!({"type": "integer", "minimum": low, "maximum": low + span})),
            Self::Number { low, span } => {
                plain(json!({"type": "number", "minimum": hundredths(*low), "maximum": hundredths(low + span)}))
            }
            Self::Text { least, span } => {
                plain(json!({"type": "string", "minLength": least, "maxLength": least + span}))
            }
            Self::Pattern(number) => plain(json!({"type": "string", "pattern": PATTERNS[*number].0})),
            Self::Enum(values) => plain(json!({"enum": values})),
            Self::Array { first, items, least, span } => object(vec![
                ("type", plain(json!("array"))),
                ("prefixItems", Document::List(first.iter().map(Self::schema).collect())),
                ("items", items.schema()),
                ("minItems", plain(json!(least))),
                ("maxItems", plain(json!(least + span))),
            ])
            .without_empty(),
            Self::Object { members, further } => {
                object_schema(members, further.as_ref().map_or(Document::Bool(false), |shape| shape.schema()))
            }
            Self::AnyOf(shapes) => object(vec![("anyOf", Document::List(shapes.iter().map(Self::schema).collect()))]),
            Self::AllOf(one, two) => {
                let halves = [one, two].map(|half| object_schema(half, Document::Bool(true)));
                object(vec![("allOf", Document::List(halves.into()))])
            }
        }
    }

    /// A value that fits, its members in the order of the schema.
    pub(crate) fn instance(&self, random: &mut ChaCha8Rng) -> Document {
        let plain = |value: Value| Document::from(&value);
        match self {
            Self::Null => Document::Null,
            Self::Boolean => Document::Bool(below(random, 2) == 0),
            Self::AnyInteger => plain(json!(below(random, 2_000_000) as i64 - 1_000_000)),
            Self::AnyNumber => {
                plain([json!(0.125), json!(1e-7), json!(1e21), json!(-3), json!(6.02e23)][below(random, 5)].clone())
            }
            Self::Integer { low, span, .. } => plain(json!(low + up_to(random, *span))),
            Self::Number { low, span } => plain(hundredths(low + up_to(random, *span))),
            Self::Text { least, span } => {
                let count = least + below(random, span + 1);
                let texts = (0..count).map(|_| TEXTS[below(random, TEXTS.len())]);
                plain(json!(texts.collect::<String>()))
            }
            Self::Pattern(number) => {
                let texts = PATTERNS[*number].1;
                plain(json!(texts[below(random, texts.len())]))
            }
            Self::Enum(values) => plain(values[below(random, values.len())].clone()),
            Self::Array { first, items, least, span } => {
                let count = least + below(random, span + 1);
                Document::List((0..count).map(|at| first.get(at).unwrap_or(items).instance(random)).collect())
            }
            Self::Object { members, further } => {
                let mut object = members_of(members, random);
                if let Some(shape) = further
                    && below(random, 2) == 0
                {
                    object.push((FURTHER[below(random, FURTHER.len())].to_owned(), shape.instance(random)));
                }
                Document::Object(object)
            }
            Self::AnyOf(shapes) => shapes[below(random, shapes.len())].instance(random),
            Self::AllOf(one, two) => {
                let mut object = members_of(one, random);
                object.extend(members_of(two, random));
                Document::Object(object)
            }
        }
    }
}

fn members_of(members: &Members, random: &mut ChaCha8Rng) -> Vec<(String, Document)> {
    let mut object = Vec::new();
    for (name, shape, is_required) in members {
        if *is_required || below(random, 2) == 0 {
            object.push((NAMES[*name].to_owned(), shape.instance(random)));
        }
    }
    object
}

trait WithoutEmpty {
    fn without_empty(self) -> Self;
}

impl WithoutEmpty for Document {
    /// Leaves out members that are empty lists, which `prefixItems` must not be.
    fn without_empty(self) -> Self {
        match self {
            Self::Object(members) => {
                Self::Object(members.into_iter().filter(|(_, value)| *value != Self::List(Vec::new())).collect())
            }
            other => other,
        }
    }
}

pub(crate) fn below(random: &mut ChaCha8Rng, end: usize) -> usize {
    usize::try_from(random.next_u64() % end as u64).unwrap()
}

fn up_to(random: &mut ChaCha8Rng, most: i64) -> i64 {
    below(random, usize::try_from(most).unwrap() + 1) as i64
}
