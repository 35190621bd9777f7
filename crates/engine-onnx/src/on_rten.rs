//! Graphs computed by `rten`, which is pure Rust.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rten::{Model, ModelOptions, NodeId, NodeInfo, OpRegistry, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;

use crate::error::OnnxError;
use crate::graph::{Block, Dimension, Input, Lane, Port, Runtime, Source};

/// A graph in `rten`.
pub(crate) struct RtenRuntime {
    model: Model,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    all: RunOptions,
    /// As many as there are threads, each with one of its own.
    lanes: Vec<RunOptions>,
}

/// The operators of dense and convolutional classifiers, and of encoders and decoders as `torch.onnx` exports them.
fn operators() -> OpRegistry {
    rten::op_registry!(
        Add,
        And,
        Cast,
        Concat,
        ConstantOfShape,
        Conv,
        Cos,
        CumSum,
        Div,
        Equal,
        Erf,
        Expand,
        Flatten,
        Gather,
        GatherElements,
        Gelu,
        Gemm,
        GlobalAveragePool,
        GreaterOrEqual,
        Identity,
        IsNaN,
        LayerNormalization,
        LessOrEqual,
        LogSoftmax,
        MatMul,
        MaxPool,
        Mul,
        Neg,
        Not,
        Pow,
        Range,
        ReduceMean,
        Relu,
        Reshape,
        Shape,
        Sigmoid,
        Sin,
        Slice,
        Softmax,
        Split,
        Sqrt,
        Squeeze,
        Sub,
        Tanh,
        Transpose,
        Unsqueeze,
        Where
    )
}

impl RtenRuntime {
    /// Loads a graph; 0 threads are one per core.
    pub(crate) fn load(source: Source, threads: usize) -> Result<Self, OnnxError> {
        let Source { name, bytes, weights } = source;
        let broken = |problem: String| OnnxError::Broken { name: name.clone(), problem };
        crate::wire::check(&bytes).map_err(broken)?;
        let mut options = ModelOptions::with_ops(operators());
        // A second copy of the weights, for a tenth to a fifth of the time.
        options.prepack_weights(true);
        for (file, weights) in weights {
            options.external_data(&file, weights);
        }
        let model = guarded(|| options.load(bytes)).map_err(broken)?.map_err(|error| {
            let (name, problem) = (name.clone(), error.to_string());
            match error.kind() {
                rten::LoadErrorKind::OperatorInvalid => OnnxError::Operator { name, problem },
                _ => OnnxError::Broken { name, problem },
            }
        })?;
        let ports = |ids: &[NodeId]| ids.iter().map(|id| port(model.node_info(*id).as_ref())).collect();
        let (inputs, outputs) = (ports(model.input_ids()), ports(model.output_ids()));
        let threads = NonZeroUsize::new(threads).map_or_else(cores, NonZeroUsize::get);
        let of =
            |threads| RunOptions::default().with_thread_pool(Some(Arc::new(ThreadPool::with_num_threads(threads))));
        let all = of(threads);
        let lanes = if threads > 1 { (0..threads).map(|_| of(1)).collect() } else { vec![all.clone()] };
        Ok(Self { inputs, outputs, all, lanes, model })
    }
}

impl Runtime for RtenRuntime {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn parameters(&self) -> Option<u64> {
        Some(self.model.total_params() as u64)
    }

    fn metadata(&self, key: &str) -> Option<String> {
        self.model.metadata().get(key).map(ToOwned::to_owned)
    }

    fn lanes(&self) -> usize {
        self.lanes.len()
    }

    fn run(&self, on: Lane, inputs: Vec<(usize, Input)>, outputs: &[usize]) -> Result<Vec<Block<f32>>, String> {
        let (known_inputs, known_outputs) = (self.model.input_ids(), self.model.output_ids());
        let inputs = inputs.into_iter().map(|(place, input)| (known_inputs[place], value(input))).collect();
        let wanted: Vec<NodeId> = outputs.iter().map(|&place| known_outputs[place]).collect();
        let options = match on {
            Lane::All => &self.all,
            Lane::One(lane) => &self.lanes[lane],
        };
        let options = Some(options.clone());
        let values = guarded(|| self.model.run(inputs, &wanted, options))?.map_err(|error| error.to_string())?;
        values.into_iter().zip(outputs).map(|(value, &place)| block(value, &self.outputs[place].name)).collect()
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn value(input: Input) -> ValueOrView<'static> {
    match input {
        Input::Floats(block) => Tensor::from_data(&block.shape[..], block.data).into(),
        Input::Whole(block) => Tensor::from_data(&block.shape[..], block.data).into(),
    }
}

fn block(value: Value, name: &str) -> Result<Block<f32>, String> {
    let tensor: Tensor<f32> = value
        .try_into()
        .map_err(|error: rten::TryFromValueError| format!("its output `{name}` is no float32: {error}"))?;
    Ok(Block { shape: tensor.shape().to_vec(), data: tensor.into_data() })
}

fn port(info: Option<&NodeInfo<'_>>) -> Port {
    let dimension = |dimension: rten::Dimension| match dimension {
        rten::Dimension::Fixed(size) => Dimension::Fixed(size),
        rten::Dimension::Symbolic(name) => Dimension::Open(name),
    };
    let dimensions = info.and_then(NodeInfo::shape).unwrap_or_default();
    Port {
        name: info.and_then(NodeInfo::name).unwrap_or_default().to_owned(),
        dimensions: dimensions.into_iter().map(dimension).collect(),
    }
}

/// Turns a panic of the graph library, which a damaged file may cause, into a message.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        format!("the graph is inconsistent: {}", text.unwrap_or("no reason was given"))
    })
}
