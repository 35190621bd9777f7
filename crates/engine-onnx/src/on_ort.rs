//! Graphs computed by ONNX Runtime, whose library is found when a model is loaded.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ort::memory::Allocator;
use ort::session::{OutputSelector, RunOptions, Session, SessionInputValue};
use ort::value::{Outlet, Tensor, ValueType};

use crate::error::OnnxError;
use crate::graph::{Block, Dimension, Input, Lane, Port, Runtime, Source};

/// Names under which the library is looked for where none is given: with the system's linker.
const USUAL: [&str; 3] = ["libonnxruntime.so", "libonnxruntime.so.1", "libonnxruntime.dylib"];

/// A graph in ONNX Runtime.
pub(crate) struct OrtRuntime {
    /// One run at a time: the safe interface wants it so, and a run uses all threads.
    session: Mutex<Session>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl OrtRuntime {
    /// Loads a graph; 0 threads are one per core. The library is loaded once in a process: the first that works stays.
    ///
    /// # Errors
    /// [`OnnxError::Library`] where there is none that can be used, [`OnnxError::Broken`] for a graph that it refuses.
    pub(crate) fn load(source: Source, threads: usize, library: Option<&Path>) -> Result<Self, OnnxError> {
        begin(library)?;
        let Source { name, bytes, weights } = source;
        let broken = |error: ort::Error| OnnxError::Broken { name: name.clone(), problem: error.to_string() };
        let mut builder = Session::builder().map_err(broken)?;
        builder = builder.with_intra_threads(threads).map_err(|error| broken(error.into()))?;
        for (file, weights) in weights {
            let added = builder.with_external_initializer_file_in_memory(file, weights.into());
            builder = added.map_err(|error| broken(error.into()))?;
        }
        let session = builder.commit_from_memory(&bytes).map_err(broken)?;
        let ports = |outlets: &[Outlet]| outlets.iter().map(port).collect();
        Ok(Self { inputs: ports(session.inputs()), outputs: ports(session.outputs()), session: Mutex::new(session) })
    }
}

/// Loads the library.
fn begin(library: Option<&Path>) -> Result<(), OnnxError> {
    let names: Vec<&Path> = library.map_or_else(|| USUAL.iter().map(Path::new).collect(), |path| vec![path]);
    let mut problem = String::new();
    for name in names {
        match probe(name) {
            Ok(()) => {
                let environment =
                    ort::init_from(name).map_err(|error| OnnxError::Library { problem: error.to_string() })?;
                environment.with_telemetry(false).commit();
                return Ok(());
            }
            Err(found) if problem.is_empty() => problem = found,
            Err(_) => {}
        }
    }
    Err(OnnxError::Library { problem })
}

/// Sees whether a library can be loaded and has the interface that is called. `ort` waits forever for a library that cannot
/// be: it makes its error with the library's own function.
#[expect(unsafe_code, reason = "loading a library runs its code")]
fn probe(name: &Path) -> Result<(), String> {
    type Base = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: the user, or the system's linker, names the library; what it runs when loaded is as trusted as this program.
    let library =
        unsafe { libloading::Library::new(name) }.map_err(|error| format!("`{}`: {error}", name.display()))?;
    // SAFETY: a function of that name has had this type since the first release of ONNX Runtime.
    let base = unsafe { library.get::<Base>(b"OrtGetApiBase") };
    let base = base.map_err(|_| format!("`{}` is not ONNX Runtime: it has no `OrtGetApiBase`", name.display()))?;
    // SAFETY: it takes nothing and returns a table that lives as long as the library, or null.
    let base = unsafe { base().as_ref() };
    // SAFETY: the table's function takes any number, and returns null for a version that it does not have.
    let api = base.map(|base| unsafe { (base.GetApi)(ort::sys::ORT_API_VERSION) });
    if api.is_none_or(|api| api.is_null()) {
        return Err(format!("`{}` is older than 1.{}", name.display(), ort::sys::ORT_API_VERSION));
    }
    Ok(())
}

impl Runtime for OrtRuntime {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// ONNX Runtime does not tell.
    fn parameters(&self) -> Option<u64> {
        None
    }

    /// ONNX Runtime gives an empty text for a key that is not there.
    fn metadata(&self, key: &str) -> Option<String> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.metadata().ok()?.custom(key).filter(|text| !text.is_empty())
    }

    /// Every run uses all threads.
    fn lanes(&self) -> usize {
        1
    }

    fn run(&self, _: Lane, inputs: Vec<(usize, Input)>, outputs: &[usize]) -> Result<Vec<Block<f32>>, String> {
        let said = |error: ort::Error| error.to_string();
        let values = inputs.into_iter().map(|(place, input)| Ok((self.inputs[place].name.as_str(), value(input)?)));
        let values = values.collect::<Result<Vec<_>, ort::Error>>().map_err(said)?;
        let names = outputs.iter().map(|&place| self.outputs[place].name.as_str());
        let wanted = names.clone().fold(OutputSelector::no_default(), |wanted, name| wanted.with(name));
        let options = RunOptions::new().map_err(said)?.with_outputs(wanted);
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let found = session.run_with_options(values, &options).map_err(said)?;
        let block = |name: &str| {
            let (shape, data) = found[name].try_extract_tensor::<f32>().map_err(said)?;
            let shape = shape.iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect();
            Ok(Block { shape, data: data.to_vec() })
        };
        names.map(block).collect()
    }
}

fn value(input: Input) -> Result<SessionInputValue<'static>, ort::Error> {
    Ok(match input {
        // The past of a text that begins: no tokens, which the other constructor refuses.
        Input::Floats(block) if block.data.is_empty() => Tensor::<f32>::new(&Allocator::default(), block.shape)?.into(),
        Input::Floats(block) => Tensor::from_array((block.shape, block.data))?.into(),
        Input::Whole(block) => {
            let data: Vec<i64> = block.data.into_iter().map(i64::from).collect();
            Tensor::from_array((block.shape, data))?.into()
        }
    })
}

fn port(outlet: &Outlet) -> Port {
    let mut dimensions = Vec::new();
    if let ValueType::Tensor { shape, dimension_symbols, .. } = outlet.dtype() {
        for (size, symbol) in shape.iter().zip(dimension_symbols.iter()) {
            dimensions.push(usize::try_from(*size).map_or_else(|_| Dimension::Open(symbol.clone()), Dimension::Fixed));
        }
    }
    Port { name: outlet.name().to_owned(), dimensions }
}
