//! Whether bytes are a well-formed ONNX message, before anything is allocated for it.
//!
//! The graph library trusts the lengths that a file states, and reads a number that never ends for ever. Here each length
//! is held against what is left and each number against ten bytes, in every message that the library reads. The encoding:
//! <https://protobuf.dev/programming-guides/encoding/>; the numbers of fields: `onnx.proto` of ONNX 1.23.

/// Messages within messages; graphs within attributes of nodes are the only way to go deeper than eight.
const DEPTH_LIMIT: usize = 32;

/// Bytes of the longest number.
const NUMBER_LIMIT: usize = 10;

/// The messages of an ONNX file, as far as they hold others or packed numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    /// Numbers one after the other.
    Packed,
    /// A message of plain fields.
    Plain,
}

impl Message {
    /// What a field of this message holds; `None` for text and bytes.
    const fn of_field(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Self::Tensor,
            (Self::Graph, 11..=13) => Self::ValueInfo,
            (Self::Node, 5) => Self::Attribute,
            (Self::ValueInfo, 2) | (Self::Attribute, 14 | 15) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::TensorType, 2) => Self::Shape,
            (Self::Tensor, 1 | 5 | 7 | 11) | (Self::Attribute, 8) => Self::Packed,
            (Self::Model, 8 | 14) | (Self::Tensor, 3 | 13) | (Self::Shape, 1) => Self::Plain,
            _ => return None,
        })
    }
}

/// Checks a whole file.
///
/// # Errors
/// Says at which byte what is wrong.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    Checker { whole: bytes }.message(Message::Model, 0, bytes.len(), 0)
}

struct Checker<'a> {
    whole: &'a [u8],
}

impl Checker<'_> {
    fn message(&self, kind: Message, mut at: usize, end: usize, depth: usize) -> Result<(), String> {
        if depth > DEPTH_LIMIT {
            return Err(format!("byte {at}: messages are nested more than {DEPTH_LIMIT} deep"));
        }
        while at < end {
            let begin = at;
            let tag = self.number(&mut at, end)?;
            if kind == Message::Packed {
                continue;
            }
            match tag % 8 {
                0 => drop(self.number(&mut at, end)?),
                1 => at += 8,
                5 => at += 4,
                2 => {
                    let length = usize::try_from(self.number(&mut at, end)?).unwrap_or(usize::MAX);
                    let next = at.checked_add(length).filter(|&next| next <= end);
                    let Some(next) = next else {
                        return Err(format!("byte {begin}: a field of {length} bytes, and {} are left", end - at));
                    };
                    if let Some(inner) = kind.of_field(tag / 8) {
                        self.message(inner, at, next, depth + 1)?;
                    }
                    at = next;
                }
                other => return Err(format!("byte {begin}: no field has the wire type {other}")),
            }
        }
        if at > end { Err(format!("byte {end}: its last field is cut off")) } else { Ok(()) }
    }

    fn number(&self, at: &mut usize, end: usize) -> Result<u64, String> {
        let begin = *at;
        let mut value = 0_u64;
        for place in 0..NUMBER_LIMIT {
            let Some(&byte) = self.whole[..end].get(*at) else {
                return Err(format!("byte {begin}: a number is cut off"));
            };
            *at += 1;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(format!("byte {begin}: a number has more than {NUMBER_LIMIT} bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_malformed_is_told_with_its_place() {
        let check = |bytes: &[u8], expected: &str| {
            let problem = check(bytes).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        };
        check(&[], "empty");
        check(&[0xff; 12], "byte 0: a number has more than 10 bytes");
        check(&[0x08], "byte 1: a number is cut off");
        check(&[0x3a, 5, 0], "byte 0: a field of 5 bytes, and 1 are left");
        check(&[0x0b], "wire type 3");
        check(&[0x09, 1, 2], "byte 3: its last field is cut off");
        // A graph (7) with a tensor (5) whose dimensions (1) never end.
        let endless = [[0x3a, 14, 0x2a, 12, 0x0a, 10].as_slice(), &[0x80; 10]].concat();
        check(&endless, "byte 6: a number has more than 10 bytes");
        // Graphs in attributes in nodes.
        let nested = (0..40).fold(Vec::new(), |inner: Vec<u8>, place| {
            let field = [0x0a, 0x32, 0x2a][place % 3];
            [vec![field, u8::try_from(inner.len()).unwrap()], inner].concat()
        });
        let nested = [vec![0x3a, u8::try_from(nested.len()).unwrap()], nested].concat();
        check(&nested, "nested more than 32 deep");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes: Vec<u8>) {
            drop(check(&bytes));
        }
    }
}
