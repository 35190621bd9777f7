//! From any readable model to a GGUF file in another number format, with the error this costs.

use std::path::Path;

use serde::Serialize;

use crate::error::Result;
use crate::formats::layout::{self, Role, Slot};
use crate::formats::{Bytes, GgufWriter, PlannedTensor};
use crate::quant::BlockType;
use crate::recipe;
use crate::rows;
use crate::tokenize;
use crate::weights::{Architecture, ModelFile, RopeStyle, Tensor};

/// What quantizing cost and saved.
#[derive(Clone, Debug, Serialize)]
pub struct QuantizeReport {
    /// The format asked for; see [`TensorReport::to`] for what each tensor got.
    pub to: String,
    /// Bytes of the files read.
    pub input_bytes: u64,
    /// Bytes of the file written.
    pub output_bytes: u64,
    /// Error over all weights.
    pub error: WeightError,
    /// Every tensor in file order.
    pub tensors: Vec<TensorReport>,
}

/// One tensor before and after.
#[derive(Clone, Debug, Serialize)]
pub struct TensorReport {
    /// Canonical name.
    pub name: String,
    /// Format before.
    pub from: String,
    /// Format after.
    pub to: String,
    /// Bytes before.
    pub input_bytes: usize,
    /// Bytes after.
    pub output_bytes: usize,
    /// Difference between the values read and the values written.
    pub error: WeightError,
}

/// Distance between weights before and after.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WeightError {
    /// Root of the mean squared difference.
    pub rmse: f64,
    /// `rmse` over the root mean square of the weights before; `None` where those are all zero.
    pub relative: Option<f64>,
    /// Largest difference.
    pub max: f32,
}

/// Converts the model at `input` to a GGUF file stored mostly as `to`.
///
/// Works in chunks of rows: memory stays at some megabytes per core. The output appears whole or not at all.
///
/// # Errors
/// Errors of reading and writing; [`ModelError::DiskFull`](crate::error::ModelError::DiskFull).
pub fn quantize(input: &Path, output: &Path, to: BlockType) -> Result<QuantizeReport> {
    let model = ModelFile::open(input)?;
    let sources = sources(&model)?;
    let plan = |source: &Source<'_>| PlannedTensor {
        name: source.slot.name.clone(),
        dims: source.slot.dims.clone(),
        block_type: recipe::stored_type(&source.slot, &model.config, to),
    };
    let planned: Vec<PlannedTensor> = sources.iter().map(plan).collect();
    let mut metadata = tokenize::portable_metadata(&model)?;
    recipe::describe(to, &mut metadata);
    let mut writer = GgufWriter::create(output, &metadata, &planned)?;
    let mut total = Difference::default();
    let mut tensors = Vec::new();
    for (source, planned) in sources.iter().zip(&planned) {
        let mut difference = Difference::default();
        let mut output_bytes = 0;
        let work = |range| source.convert(range, planned.block_type);
        rows::in_order(source.tensor.rows(), source.tensor.cols(), work, |(bytes, part)| {
            output_bytes += bytes.len();
            difference.add(&part);
            writer.write(&bytes)
        })?;
        total.add(&difference);
        tensors.push(TensorReport {
            name: planned.name.clone(),
            from: source.tensor.block_type().to_string(),
            to: planned.block_type.to_string(),
            input_bytes: source.tensor.bytes().len(),
            output_bytes,
            error: difference.summary(),
        });
    }
    let output_bytes = writer.finish()?;
    Ok(QuantizeReport {
        to: to.to_string(),
        input_bytes: model.file_bytes,
        output_bytes,
        error: total.summary(),
        tensors,
    })
}

/// A tensor to write, and the order that its rows are taken in.
struct Source<'a> {
    slot: Slot,
    tensor: std::borrow::Cow<'a, Tensor>,
    /// Heads whose rows are reordered for interleaved rotary positions; `None` keeps the order.
    interleaved_heads: Option<usize>,
}

fn sources(model: &ModelFile) -> Result<Vec<Source<'_>>> {
    let config = &model.config;
    // GGUF files of this architecture are always interleaved, so a folder's rows must be reordered.
    let reorder = config.architecture == Architecture::Llama
        && config.rope.as_ref().is_some_and(|rope| rope.style == RopeStyle::Neox);
    let mut sources = Vec::new();
    for slot in layout::slots(config) {
        let interleaved_heads = match slot.name.rsplit('.').nth(1) {
            Some("attn_q") if reorder => Some(config.heads),
            Some("attn_k") if reorder => Some(config.kv_heads),
            _ => None,
        };
        let mut tensor = std::borrow::Cow::Borrowed(model.tensor(&slot.name)?);
        if interleaved_heads.is_some() && slot.role == Role::Bias {
            // A vector is one row; as a column it is reordered like the matrix.
            let column = vec![tensor.cols(), 1];
            let bytes = Bytes::copy_from(tensor.bytes());
            tensor = std::borrow::Cow::Owned(Tensor::new(&slot.name, column, tensor.block_type(), bytes)?);
        }
        sources.push(Source { slot, tensor, interleaved_heads });
    }
    if let Some(factors) = config.rope.as_ref().and_then(|rope| rope.frequency_factors.as_ref()) {
        let slot = Slot { name: "rope_freqs.weight".to_owned(), dims: vec![factors.len()], role: Role::NormWeight };
        let bytes = Bytes::copy_from(bytemuck::cast_slice(factors));
        let tensor = Tensor::new(&slot.name, slot.dims.clone(), BlockType::F32, bytes)?;
        sources.push(Source { slot, tensor: std::borrow::Cow::Owned(tensor), interleaved_heads: None });
    }
    Ok(sources)
}

impl Source<'_> {
    /// The row of the tensor that is written as row `row`: row `2i + h` of a head is row `i` of its half `h`.
    fn row_of(&self, row: usize) -> usize {
        let Some(heads) = self.interleaved_heads else { return row };
        let head_dim = self.tensor.rows() / heads;
        let (head, within) = (row / head_dim, row % head_dim);
        head * head_dim + within % 2 * (head_dim / 2) + within / 2
    }

    fn convert(&self, range: std::ops::Range<usize>, to: BlockType) -> (Vec<u8>, Difference) {
        let columns = self.tensor.cols();
        let row_bytes = to.row_bytes(columns).expect("the recipe picks formats that fit the row");
        let mut bytes = vec![0; range.len() * row_bytes];
        let mut difference = Difference::default();
        let (mut before, mut after) = (vec![0.0; columns], vec![0.0; columns]);
        for (row, out) in range.zip(bytes.chunks_exact_mut(row_bytes)) {
            let row = self.row_of(row);
            if to == self.tensor.block_type() {
                out.copy_from_slice(self.tensor.row(row));
                self.tensor.dequantize_row(row, &mut before);
                difference.add_row(&before, &before);
                continue;
            }
            self.tensor.dequantize_row(row, &mut before);
            to.quantize(&before, out);
            to.dequantize(out, &mut after);
            difference.add_row(&before, &after);
        }
        (bytes, difference)
    }
}

/// Sums that errors are made of.
#[derive(Clone, Copy, Debug, Default)]
struct Difference {
    count: u64,
    squared_error: f64,
    squared_value: f64,
    max: f32,
}

impl Difference {
    fn add_row(&mut self, before: &[f32], after: &[f32]) {
        self.count += before.len() as u64;
        for (before, after) in before.iter().zip(after) {
            let error = (before - after).abs();
            self.squared_error += f64::from(error).powi(2);
            self.squared_value += f64::from(*before).powi(2);
            self.max = self.max.max(error);
        }
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.squared_error += other.squared_error;
        self.squared_value += other.squared_value;
        self.max = self.max.max(other.max);
    }

    fn summary(&self) -> WeightError {
        let relative = (self.squared_value > 0.0).then(|| (self.squared_error / self.squared_value).sqrt());
        WeightError { rmse: (self.squared_error / self.count.max(1) as f64).sqrt(), relative, max: self.max }
    }
}
