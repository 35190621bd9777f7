//! The GGUF container, versions 2 and 3, little endian.
//!
//! Layout: magic, version, two counts, key-value pairs, tensor table, padding, tensor data. The
//! format is described in the ggml repository (`docs/gguf.md`). Counts in the file are never used
//! to allocate: memory grows only with bytes that were really there.

use super::bytes::Bytes;
use super::metadata::{MetaArray, MetaValue, Metadata};
use crate::error::{ModelError, Result};
use crate::quant::BlockType;
use crate::weights::{Tensor, byte_len};

/// The first four bytes of every GGUF file.
pub(crate) const MAGIC: [u8; 4] = *b"GGUF";

/// Alignment of tensor data where `general.alignment` is absent.
pub(crate) const DEFAULT_ALIGNMENT: usize = 32;

/// The format allows four dimensions; ggml has no more.
const MAX_DIMS: u32 = 4;

/// Numbers of the value types; the writer uses them too.
pub(crate) mod value_type {
    pub(crate) const U8: u32 = 0;
    pub(crate) const I8: u32 = 1;
    pub(crate) const U16: u32 = 2;
    pub(crate) const I16: u32 = 3;
    pub(crate) const U32: u32 = 4;
    pub(crate) const I32: u32 = 5;
    pub(crate) const F32: u32 = 6;
    pub(crate) const BOOL: u32 = 7;
    pub(crate) const STRING: u32 = 8;
    pub(crate) const ARRAY: u32 = 9;
    pub(crate) const U64: u32 = 10;
    pub(crate) const I64: u32 = 11;
    pub(crate) const F64: u32 = 12;

    /// Bytes of one number or boolean; `None` for strings, arrays and unknown types.
    pub(crate) const fn width(kind: u32) -> Option<usize> {
        match kind {
            U8 | I8 | BOOL => Some(1),
            U16 | I16 => Some(2),
            U32 | I32 | F32 => Some(4),
            U64 | I64 | F64 => Some(8),
            _ => None,
        }
    }
}

/// A parsed container: what it says about itself, and its tensors in file order.
#[derive(Clone, Debug)]
pub struct GgufFile {
    /// Format version, 2 or 3.
    pub version: u32,
    /// All key-value pairs.
    pub metadata: Metadata,
    /// All tensors. Their bytes share the file's map.
    pub tensors: Vec<Tensor>,
    /// Bytes that a whole file has: the end of the last tensor.
    pub expected_bytes: u64,
}

impl GgufFile {
    /// Reads the header and the tensor table, and checks that all tensor data is there.
    ///
    /// # Errors
    /// [`ModelError::Broken`] with the key or tensor and the byte offset;
    /// [`ModelError::UnsupportedType`] for a tensor type without an implementation.
    pub fn parse(bytes: &Bytes) -> Result<Self> {
        let mut cursor = Cursor { bytes, offset: 0 };
        let version = read_version(&mut cursor)?;
        let tensor_count = cursor.u64("the tensor count")?;
        let key_count = cursor.u64("the key count")?;
        let metadata = read_metadata(&mut cursor, key_count)?;
        let entries = read_tensor_table(&mut cursor, tensor_count)?;
        let alignment = alignment(&metadata)?;
        let data_start = cursor.offset.next_multiple_of(alignment);
        let mut expected_bytes = data_start;
        let mut tensors = Vec::new();
        for entry in &entries {
            let (tensor, end) = entry.tensor(bytes, data_start, alignment)?;
            expected_bytes = expected_bytes.max(end);
            tensors.push(tensor);
        }
        Ok(Self { version, metadata, tensors, expected_bytes: expected_bytes as u64 })
    }
}

/// One row of the tensor table.
struct TableEntry {
    name: String,
    dims: Vec<usize>,
    block_type: BlockType,
    offset: u64,
    /// Where the row stands in the file, for messages.
    at: u64,
}

impl TableEntry {
    /// The tensor, and the file offset of its end.
    fn tensor(&self, bytes: &Bytes, data_start: usize, alignment: usize) -> Result<(Tensor, usize)> {
        let broken = |reason: String| ModelError::broken(format!("tensor `{}`", self.name), self.at, reason);
        let Some(len) = byte_len(&self.dims, self.block_type) else {
            return Err(broken(format!("shape {:?} is impossible for type {}", self.dims, self.block_type)));
        };
        let start = usize::try_from(self.offset)
            .ok()
            .filter(|offset| offset.is_multiple_of(alignment))
            .and_then(|offset| offset.checked_add(data_start))
            .ok_or_else(|| broken(format!("data offset {} is not aligned to {alignment}", self.offset)))?;
        let data = start.checked_add(len).and_then(|end| bytes.slice(start..end)).ok_or_else(|| {
            let reason = format!("its data needs {len} bytes, but the file ends at byte {}", bytes.len());
            ModelError::broken(format!("tensor `{}`", self.name), start as u64, reason)
        })?;
        Ok((Tensor::new(&self.name, self.dims.clone(), self.block_type, data)?, start + len))
    }
}

fn read_version(cursor: &mut Cursor<'_>) -> Result<u32> {
    let magic: [u8; 4] = cursor.array("the magic number")?;
    if magic != MAGIC {
        let reason = format!("found `{}`, expected `GGUF`", magic.escape_ascii());
        return Err(ModelError::broken("the magic number", 0, reason));
    }
    let version = cursor.u32("the version")?;
    match version {
        2 | 3 => Ok(version),
        _ if version.swap_bytes() <= 3 => {
            Err(ModelError::broken("the version", 4, "the file is big-endian; only little-endian files are read"))
        }
        _ => Err(ModelError::broken("the version", 4, format!("found `{version}`, supported are 2 and 3"))),
    }
}

fn read_metadata(cursor: &mut Cursor<'_>, key_count: u64) -> Result<Metadata> {
    let mut metadata = Metadata::default();
    for index in 0..key_count {
        let at = cursor.at();
        let key = cursor.string(&format!("key number {index}"))?;
        let item = format!("key `{key}`");
        let kind = cursor.u32(&item)?;
        let value = read_value(cursor, kind, &item)?;
        if metadata.0.insert(key, value).is_some() {
            return Err(ModelError::broken(item, at, "the key occurs twice"));
        }
    }
    Ok(metadata)
}

fn read_value(cursor: &mut Cursor<'_>, kind: u32, item: &str) -> Result<MetaValue> {
    if kind == value_type::ARRAY {
        return Ok(MetaValue::Array(read_array(cursor, item)?));
    }
    read_scalar(cursor, kind, item)
}

fn read_scalar(cursor: &mut Cursor<'_>, kind: u32, item: &str) -> Result<MetaValue> {
    let at = cursor.at();
    Ok(match kind {
        value_type::U8 => MetaValue::U8(u8::from_le_bytes(cursor.array(item)?)),
        value_type::I8 => MetaValue::I8(i8::from_le_bytes(cursor.array(item)?)),
        value_type::U16 => MetaValue::U16(u16::from_le_bytes(cursor.array(item)?)),
        value_type::I16 => MetaValue::I16(i16::from_le_bytes(cursor.array(item)?)),
        value_type::U32 => MetaValue::U32(cursor.u32(item)?),
        value_type::I32 => MetaValue::I32(i32::from_le_bytes(cursor.array(item)?)),
        value_type::F32 => MetaValue::F32(f32::from_le_bytes(cursor.array(item)?)),
        value_type::U64 => MetaValue::U64(cursor.u64(item)?),
        value_type::I64 => MetaValue::I64(i64::from_le_bytes(cursor.array(item)?)),
        value_type::F64 => MetaValue::F64(f64::from_le_bytes(cursor.array(item)?)),
        value_type::BOOL => match cursor.array(item)? {
            [0] => MetaValue::Bool(false),
            [1] => MetaValue::Bool(true),
            [other] => return Err(ModelError::broken(item, at, format!("found boolean `{other}`"))),
        },
        value_type::STRING => MetaValue::String(cursor.string(item)?),
        _ => return Err(ModelError::broken(item, at, format!("value type `{kind}` is unknown"))),
    })
}

fn read_array(cursor: &mut Cursor<'_>, item: &str) -> Result<MetaArray> {
    let at = cursor.at();
    let kind = cursor.u32(item)?;
    let count = cursor.u64(item)?;
    if kind == value_type::STRING {
        return (0..count).map(|_| cursor.string(item)).collect::<Result<_>>().map(MetaArray::Strings);
    }
    let Some(width) = value_type::width(kind) else {
        let reason = format!("arrays of value type `{kind}` are not supported");
        return Err(ModelError::broken(item, at, reason));
    };
    // `take` proves that this many values are there before any memory is asked for.
    let len = usize::try_from(count).ok().and_then(|count| count.checked_mul(width));
    let bytes = cursor.take(len.unwrap_or(usize::MAX), item)?;
    let words = bytes.as_chunks::<4>().0;
    Ok(match kind {
        value_type::F32 => MetaArray::F32(words.iter().map(|word| f32::from_le_bytes(*word)).collect()),
        value_type::I32 => MetaArray::I32(words.iter().map(|word| i32::from_le_bytes(*word)).collect()),
        _ => MetaArray::Other { kind, bytes: bytes.to_vec() },
    })
}

fn read_tensor_table(cursor: &mut Cursor<'_>, tensor_count: u64) -> Result<Vec<TableEntry>> {
    let mut entries = Vec::new();
    let mut names = std::collections::HashSet::new();
    for index in 0..tensor_count {
        let at = cursor.at();
        let name = cursor.string(&format!("tensor number {index}"))?;
        let item = format!("tensor `{name}`");
        if !names.insert(name.clone()) {
            return Err(ModelError::broken(item, at, "the tensor occurs twice"));
        }
        let dim_count = cursor.u32(&item)?;
        if dim_count > MAX_DIMS {
            return Err(ModelError::broken(
                item,
                at,
                format!("it has {dim_count} dimensions, at most {MAX_DIMS} exist"),
            ));
        }
        let mut dims = Vec::new();
        for _ in 0..dim_count {
            let size = cursor.u64(&item)?;
            let size = usize::try_from(size).ok().filter(|&size| size > 0);
            dims.push(size.ok_or_else(|| ModelError::broken(&item, at, "a dimension is zero or too large"))?);
        }
        dims.reverse();
        let type_id = cursor.u32(&item)?;
        let offset = cursor.u64(&item)?;
        let block_type = BlockType::from_gguf_id(type_id)
            .ok_or_else(|| ModelError::UnsupportedType { tensor: name.clone(), found: type_name(type_id) })?;
        entries.push(TableEntry { name, dims, block_type, offset, at });
    }
    Ok(entries)
}

fn alignment(metadata: &Metadata) -> Result<usize> {
    const KEY: &str = "general.alignment";
    // A larger alignment than a huge page has no use and would overflow offsets.
    const MAX: usize = 2 << 20;
    let alignment = metadata.size(KEY)?.unwrap_or(DEFAULT_ALIGNMENT);
    if alignment.is_power_of_two() && (8..=MAX).contains(&alignment) {
        return Ok(alignment);
    }
    Err(ModelError::key(KEY, format!("found `{alignment}`, expected a power of two from 8 to {MAX}")))
}

/// The name of a `ggml_type` that has no implementation here, for the message.
fn type_name(id: u32) -> String {
    let name = match id {
        3 => "Q4_1",
        6 => "Q5_0",
        7 => "Q5_1",
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16..=23 | 29 => "IQ family",
        24..=27 => "integer",
        28 => "F64",
        34 | 35 => "TQ family",
        39 => "MXFP4",
        _ => return format!("number {id}"),
    };
    name.to_owned()
}

struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    fn at(&self) -> u64 {
        self.offset as u64
    }

    fn take(&mut self, len: usize, item: &str) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.offset..];
        let Some(taken) = rest.get(..len) else {
            let reason = format!("it needs {len} more bytes, but the file ends {} bytes later", rest.len());
            return Err(ModelError::broken(item, self.at(), reason));
        };
        self.offset += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, item: &str) -> Result<[u8; N]> {
        let bytes = self.take(N, item)?;
        Ok(bytes.try_into().expect("`take` returns exactly N bytes"))
    }

    fn u32(&mut self, item: &str) -> Result<u32> {
        self.array(item).map(u32::from_le_bytes)
    }

    fn u64(&mut self, item: &str) -> Result<u64> {
        self.array(item).map(u64::from_le_bytes)
    }

    fn string(&mut self, item: &str) -> Result<String> {
        let len = usize::try_from(self.u64(item)?).unwrap_or(usize::MAX);
        let at = self.at();
        let bytes = self.take(len, item)?;
        let text = std::str::from_utf8(bytes);
        text.map(str::to_owned).map_err(|error| ModelError::broken(item, at, format!("the text is not UTF-8: {error}")))
    }
}
