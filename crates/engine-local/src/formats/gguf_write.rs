//! Writes GGUF version 3, one tensor after the other.

use std::path::Path;

use super::atomic_file::AtomicFile;
use super::gguf::{DEFAULT_ALIGNMENT, MAGIC, value_type};
use super::metadata::{MetaArray, MetaValue, Metadata};
use crate::error::{ModelError, Result};
use crate::quant::BlockType;
use crate::weights::byte_len;

const VERSION: u32 = 3;

/// A tensor that will be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTensor {
    /// Canonical name.
    pub name: String,
    /// Shape, rows first.
    pub dims: Vec<usize>,
    /// How its values are stored.
    pub block_type: BlockType,
}

/// Writes a file whose metadata and tensor table are known before the first weight.
///
/// The bytes of all tensors are written in the order of the plan, in pieces of any size. The file appears
/// under its name when [`GgufWriter::finish`] succeeds.
#[derive(Debug)]
pub struct GgufWriter {
    file: AtomicFile,
    /// Where each tensor's data ends, from the start of the data.
    ends: Vec<u64>,
    /// Tensors written whole.
    finished: usize,
    data_start: u64,
}

impl GgufWriter {
    /// Starts a file: writes the header, the metadata and the tensor table. A `general.alignment` in the
    /// metadata is left out, because the default is used.
    ///
    /// # Errors
    /// [`ModelError::Indivisible`] where rows are not whole blocks; errors of writing.
    pub fn create(path: &Path, metadata: &Metadata, tensors: &[PlannedTensor]) -> Result<Self> {
        let entries = || metadata.0.iter().filter(|(key, _)| *key != "general.alignment");
        let mut header = Vec::from(MAGIC);
        header.extend(VERSION.to_le_bytes());
        header.extend((tensors.len() as u64).to_le_bytes());
        header.extend((entries().count() as u64).to_le_bytes());
        for (key, value) in entries() {
            put_string(&mut header, key);
            header.extend(type_of(value).to_le_bytes());
            put_value(&mut header, value);
        }
        let mut ends = Vec::new();
        let mut offset = 0_u64;
        for tensor in tensors {
            put_table_entry(&mut header, tensor, offset);
            let end = offset + data_bytes(tensor)?;
            ends.push(end);
            offset = end.next_multiple_of(DEFAULT_ALIGNMENT as u64);
        }
        header.resize(header.len().next_multiple_of(DEFAULT_ALIGNMENT), 0);
        let mut file = AtomicFile::create(path)?;
        file.write(&header)?;
        Ok(Self { file, ends, finished: 0, data_start: header.len() as u64 })
    }

    /// Writes the next bytes of the current tensor.
    ///
    /// # Errors
    /// Errors of writing.
    ///
    /// # Panics
    /// When the bytes go beyond the tensor, or all tensors are written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write(bytes)?;
        let end = self.ends[self.finished];
        let position = self.file.written() - self.data_start;
        assert!(position <= end, "tensor number {} is written beyond its end", self.finished);
        if position == end {
            self.finished += 1;
            let padding = end.next_multiple_of(DEFAULT_ALIGNMENT as u64) - end;
            let zeros = [0; DEFAULT_ALIGNMENT];
            let padding = usize::try_from(padding).expect("padding is shorter than the alignment");
            self.file.write(&zeros[..padding])?;
        }
        Ok(())
    }

    /// Makes the file durable and visible; returns its size in bytes.
    ///
    /// # Errors
    /// Errors of writing.
    ///
    /// # Panics
    /// When a tensor is not complete.
    pub fn finish(self) -> Result<u64> {
        assert_eq!(self.finished, self.ends.len(), "every planned tensor is written");
        self.file.commit()
    }
}

fn data_bytes(tensor: &PlannedTensor) -> Result<u64> {
    let bytes = byte_len(&tensor.dims, tensor.block_type).ok_or_else(|| ModelError::Indivisible {
        tensor: tensor.name.clone(),
        to: tensor.block_type,
        columns: tensor.dims.last().copied().unwrap_or(1),
    })?;
    Ok(bytes as u64)
}

fn put_table_entry(out: &mut Vec<u8>, tensor: &PlannedTensor, offset: u64) {
    put_string(out, &tensor.name);
    let dim_count = u32::try_from(tensor.dims.len()).expect("a tensor has at most four dimensions");
    out.extend(dim_count.to_le_bytes());
    for &dim in tensor.dims.iter().rev() {
        out.extend((dim as u64).to_le_bytes());
    }
    out.extend(tensor.block_type.gguf_id().to_le_bytes());
    out.extend(offset.to_le_bytes());
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn type_of(value: &MetaValue) -> u32 {
    match value {
        MetaValue::U8(_) => value_type::U8,
        MetaValue::I8(_) => value_type::I8,
        MetaValue::U16(_) => value_type::U16,
        MetaValue::I16(_) => value_type::I16,
        MetaValue::U32(_) => value_type::U32,
        MetaValue::I32(_) => value_type::I32,
        MetaValue::U64(_) => value_type::U64,
        MetaValue::I64(_) => value_type::I64,
        MetaValue::F32(_) => value_type::F32,
        MetaValue::F64(_) => value_type::F64,
        MetaValue::Bool(_) => value_type::BOOL,
        MetaValue::String(_) => value_type::STRING,
        MetaValue::Array(_) => value_type::ARRAY,
    }
}

fn put_value(out: &mut Vec<u8>, value: &MetaValue) {
    match value {
        MetaValue::U8(value) => out.push(*value),
        MetaValue::I8(value) => out.extend(value.to_le_bytes()),
        MetaValue::U16(value) => out.extend(value.to_le_bytes()),
        MetaValue::I16(value) => out.extend(value.to_le_bytes()),
        MetaValue::U32(value) => out.extend(value.to_le_bytes()),
        MetaValue::I32(value) => out.extend(value.to_le_bytes()),
        MetaValue::U64(value) => out.extend(value.to_le_bytes()),
        MetaValue::I64(value) => out.extend(value.to_le_bytes()),
        MetaValue::F32(value) => out.extend(value.to_le_bytes()),
        MetaValue::F64(value) => out.extend(value.to_le_bytes()),
        MetaValue::Bool(value) => out.push(u8::from(*value)),
        MetaValue::String(text) => put_string(out, text),
        MetaValue::Array(array) => put_array(out, array),
    }
}

fn put_array(out: &mut Vec<u8>, array: &MetaArray) {
    let kind = match array {
        MetaArray::Strings(_) => value_type::STRING,
        MetaArray::F32(_) => value_type::F32,
        MetaArray::I32(_) => value_type::I32,
        MetaArray::Other { kind, .. } => *kind,
    };
    out.extend(kind.to_le_bytes());
    out.extend((array.len() as u64).to_le_bytes());
    match array {
        MetaArray::Strings(texts) => texts.iter().for_each(|text| put_string(out, text)),
        MetaArray::F32(values) => values.iter().for_each(|value| out.extend(value.to_le_bytes())),
        MetaArray::I32(values) => values.iter().for_each(|value| out.extend(value.to_le_bytes())),
        MetaArray::Other { bytes, .. } => out.extend(bytes),
    }
}
