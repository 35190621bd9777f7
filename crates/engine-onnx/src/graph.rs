//! A graph that is ready to run: named inputs and outputs, blocks of numbers in, blocks of numbers out.

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::OnnxError;
use crate::on_rten::RtenRuntime;

/// Numbers with their dimensions, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block<T> {
    pub(crate) shape: Vec<usize>,
    /// As many as the product of the dimensions.
    pub(crate) data: Vec<T>,
}

/// What a graph is given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// float32.
    Floats(Block<f32>),
    /// int64 in the file; ids, masks and positions fit into 32 bits.
    Whole(Block<i32>),
}

/// An input or output of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) dimensions: Vec<Dimension>,
}

/// A dimension of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    Fixed(usize),
    /// A name stands for a size that is known when the graph runs.
    Open(String),
}

/// An input or output of a graph, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its name.
    pub name: String,
    /// Its dimensions, `batch × 2048`; a name stands for a size that is known when the graph runs.
    pub dimensions: String,
}

/// Which library computes a graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnnxRuntime {
    /// `rten`, inside the program.
    #[default]
    Rten,
    /// ONNX Runtime, of an installed library; needs the feature `ort`. The first library that a process loads stays.
    Ort {
        /// The library; `None` looks for the usual names where the system keeps libraries.
        library: Option<PathBuf>,
    },
}

impl OnnxRuntime {
    /// Its name in records.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rten => "onnx",
            Self::Ort { .. } => "ort",
        }
    }
}

/// Which threads a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// All that the graph has.
    All,
    /// One; runs in other lanes go on beside it.
    One(usize),
}

/// What computes a graph.
pub(crate) trait Runtime: Send + Sync {
    fn inputs(&self) -> &[Port];

    fn outputs(&self) -> &[Port];

    /// Numbers that were learned; `None` where the library does not tell.
    fn parameters(&self) -> Option<u64>;

    /// The text under a key of the file's metadata.
    fn metadata(&self, key: &str) -> Option<String>;

    /// How many runs that have a thread each may go on at once.
    fn lanes(&self) -> usize;

    /// Computes some outputs. Inputs and outputs are given by their places.
    ///
    /// # Errors
    /// What went wrong, in words.
    fn run(&self, on: Lane, inputs: Vec<(usize, Input)>, outputs: &[usize]) -> Result<Vec<Block<f32>>, String>;
}

/// A loaded file.
pub(crate) struct Graph {
    name: String,
    runtime: Box<dyn Runtime>,
    bytes: u64,
    digest: String,
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("name", &self.name).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// The bytes of a file, and of those beside it that hold its weights.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Names of files of weights with their bytes.
    pub(crate) weights: Vec<(String, Vec<u8>)>,
}

impl Source {
    /// Reads a file, and weights beside it that are called as exporters call them: `model.onnx.data`, `model.onnx_data`.
    pub(crate) fn read(path: &Path) -> Result<Self, OnnxError> {
        let read = |path: &Path| std::fs::read(path).map_err(|source| OnnxError::Io { path: path.to_owned(), source });
        let bytes = read(path)?;
        let named = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let weights = Self::weights_beside(path).into_iter().map(|path| Ok((named(&path), read(&path)?)));
        let weights = weights.collect::<Result<_, OnnxError>>()?;
        Ok(Self { name: path.display().to_string(), bytes, weights })
    }

    /// Files of weights beside a graph.
    pub(crate) fn weights_beside(path: &Path) -> Vec<PathBuf> {
        let beside = [".data", "_data"].into_iter().map(|ending| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        });
        beside.filter(|path| path.is_file()).collect()
    }
}

impl Graph {
    /// Loads a graph; 0 threads are one per core.
    ///
    /// # Errors
    /// [`OnnxError::Broken`], [`OnnxError::Operator`] and [`OnnxError::Library`].
    pub(crate) fn load(source: Source, threads: usize, on: &OnnxRuntime) -> Result<Self, OnnxError> {
        let name = source.name.clone();
        let mut bytes = source.bytes.len() as u64;
        let mut digest = Sha256::new_with_prefix(&source.bytes);
        for (_, weights) in &source.weights {
            bytes += weights.len() as u64;
            digest.update(weights);
        }
        let runtime: Box<dyn Runtime> = match on {
            OnnxRuntime::Rten => Box::new(RtenRuntime::load(source, threads)?),
            #[cfg(feature = "ort")]
            OnnxRuntime::Ort { library } => {
                Box::new(crate::on_ort::OrtRuntime::load(source, threads, library.as_deref())?)
            }
            #[cfg(not(feature = "ort"))]
            OnnxRuntime::Ort { .. } => return Err(OnnxError::NotBuilt),
        };
        Ok(Self { name, runtime, bytes, digest: hex(&digest.finalize()) })
    }

    /// Name of the file, or of a shipped model.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn inputs(&self) -> &[Port] {
        self.runtime.inputs()
    }

    pub(crate) fn outputs(&self) -> &[Port] {
        self.runtime.outputs()
    }

    /// Place of an input.
    pub(crate) fn input(&self, name: &str) -> Option<usize> {
        self.inputs().iter().position(|port| port.name == name)
    }

    /// Place of an output.
    pub(crate) fn output(&self, name: &str) -> Option<usize> {
        self.outputs().iter().position(|port| port.name == name)
    }

    pub(crate) fn parameters(&self) -> Option<u64> {
        self.runtime.parameters()
    }

    pub(crate) fn metadata(&self, key: &str) -> Option<String> {
        self.runtime.metadata(key)
    }

    /// Size of the file and of its weights, bytes.
    pub(crate) const fn file_bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of the file and of its weights, hexadecimal.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Inputs and outputs, as they are shown.
    pub(crate) fn shapes(&self) -> (Vec<Shape>, Vec<Shape>) {
        let shown = |ports: &[Port]| {
            ports.iter().map(|port| Shape { name: port.name.clone(), dimensions: port.to_string() }).collect()
        };
        (shown(self.inputs()), shown(self.outputs()))
    }

    /// How many runs that have a thread each may go on at once; at least 1.
    pub(crate) fn lanes(&self) -> usize {
        self.runtime.lanes()
    }

    /// Computes some outputs with all threads.
    ///
    /// # Errors
    /// [`OnnxError::Run`].
    pub(crate) fn run(&self, inputs: Vec<(usize, Input)>, outputs: &[usize]) -> Result<Vec<Block<f32>>, OnnxError> {
        self.run_on(Lane::All, inputs, outputs)
    }

    /// Computes some outputs.
    ///
    /// # Errors
    /// [`OnnxError::Run`].
    pub(crate) fn run_on(
        &self,
        lane: Lane,
        inputs: Vec<(usize, Input)>,
        outputs: &[usize],
    ) -> Result<Vec<Block<f32>>, OnnxError> {
        let blocks = self.runtime.run(lane, inputs, outputs).map_err(|problem| self.failed(problem))?;
        if blocks.iter().flat_map(|block| &block.data).any(|value| !value.is_finite()) {
            return Err(self.failed("it gave numbers that are infinite or none".to_owned()));
        }
        Ok(blocks)
    }

    pub(crate) fn failed(&self, problem: String) -> OnnxError {
        OnnxError::Run { name: self.name.clone(), problem }
    }

    pub(crate) fn misfit(&self, needed: &'static str, problem: String) -> OnnxError {
        OnnxError::Shape { name: self.name.clone(), needed, problem }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, dimension) in self.dimensions.iter().enumerate() {
            f.write_str(if place > 0 { " × " } else { "" })?;
            match dimension {
                Dimension::Fixed(size) => write!(f, "{size}")?,
                Dimension::Open(name) if name.is_empty() => f.write_str("any")?,
                Dimension::Open(name) => f.write_str(name)?,
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
