//! A graph that makes vectors of texts.

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use weighbridge_engine::Embedded;

use crate::error::OnnxError;
use crate::folder::{Config, Folder, Pooling};
use crate::graph::{Block, Graph, Input, Lane, OnnxRuntime, Source};
use crate::tokens::{Reader, Tokens};

/// What inputs and outputs must be.
const NEEDED: &str = "an encoder has the inputs `input_ids`, `attention_mask` and perhaps `token_type_ids`, and the output `last_hidden_state` [batch, tokens, width] or `sentence_embedding` [batch, width]";

/// Places of a batch, padding counted, that are computed at once: enough for a matrix product to be worth it, and few enough
/// for what lies between operators to stay in a core's cache.
const PLACES: usize = 256;

/// An encoder that is ready to run.
#[derive(Debug)]
pub struct Encoder {
    graph: Graph,
    reader: Reader,
    config: Config,
    pooling: Pooling,
    ids: usize,
    mask: usize,
    types: Option<usize>,
    output: Output,
    dimensions: usize,
}

/// What is taken from the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// A vector for each token.
    Tokens(usize),
    /// A vector for each text.
    Texts(usize),
}

impl Encoder {
    /// Loads a folder, or a graph with its files beside it; 0 threads are one per core.
    ///
    /// # Errors
    /// Any [`OnnxError`] of reading, checking and trying it.
    pub fn open(path: &Path, threads: usize, on: &OnnxRuntime) -> Result<Self, OnnxError> {
        let folder = Folder::find(path)?;
        let graph = Graph::load(Source::read(&folder.graph)?, threads, on)?;
        Self::of_graph(graph, &folder)
    }

    /// Reads the files beside a graph, and computes one empty text to see that they fit.
    pub(crate) fn of_graph(graph: Graph, folder: &Folder) -> Result<Self, OnnxError> {
        let place = |name: &str| {
            let missing = || graph.misfit(NEEDED, format!("it has no input `{name}`, only {}", names(graph.inputs())));
            graph.input(name).ok_or_else(missing)
        };
        let (ids, mask) = (place("input_ids")?, place("attention_mask")?);
        let types = graph.input("token_type_ids");
        let taken = [Some(ids), Some(mask), types];
        if let Some(other) = (0..graph.inputs().len()).find(|place| !taken.contains(&Some(*place))) {
            let problem = format!("it has the input `{}`, which an encoder has not", graph.inputs()[other].name);
            return Err(graph.misfit(NEEDED, problem));
        }
        let of_tokens = ["last_hidden_state", "token_embeddings"].into_iter().find_map(|name| graph.output(name));
        let output = match (graph.output("sentence_embedding"), of_tokens) {
            (Some(place), _) => Output::Texts(place),
            (None, Some(place)) => Output::Tokens(place),
            (None, None) => {
                let found = names(graph.outputs());
                return Err(graph.misfit(NEEDED, format!("its outputs are {found}, none of them known")));
            }
        };
        let config = folder.config()?;
        let reader = Reader::open(folder, &config)?;
        let pooling = folder.pooling()?;
        let mut encoder = Self { graph, reader, config, pooling, ids, mask, types, output, dimensions: 0 };
        let first = encoder.read("a").map_err(|problem| encoder.graph.failed(problem))?;
        encoder.dimensions = encoder.run_batch(Lane::All, &[&first])?.remove(0).len();
        Ok(encoder)
    }

    pub(crate) const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Name of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        self.graph.name()
    }

    /// What kind of model it is, `bert`, where its settings say it.
    #[must_use]
    pub fn architecture(&self) -> Option<&str> {
        self.config.model_type.as_deref()
    }

    /// Numbers of a vector.
    #[must_use]
    pub const fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Tokens of a text that are read at most, special ones counted.
    #[must_use]
    pub const fn token_limit(&self) -> usize {
        self.reader.limit()
    }

    /// How the vectors of tokens become one; `None` where the graph does it.
    #[must_use]
    pub fn pooling(&self) -> Option<Pooling> {
        matches!(self.output, Output::Tokens(_)).then_some(self.pooling)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// Says why the text has no tokens.
    pub fn read(&self, text: &str) -> Result<Tokens, String> {
        self.reader.read(text)
    }

    /// Makes the vectors of texts, in their order. Texts of like length are computed together.
    ///
    /// # Errors
    /// [`OnnxError::Run`] when the graph cannot be computed, [`OnnxError::Shape`] when its output does not fit.
    pub fn run(&self, texts: &[Tokens]) -> Result<Vec<Embedded>, OnnxError> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&place| texts[place].ids.len());
        let mut batches = Vec::new();
        let mut rest = &order[..];
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batch_len(rest.iter().map(|&place| texts[place].ids.len())));
            batches.push(batch);
            rest = later;
        }
        let mut found: Vec<Option<Embedded>> = vec![None; texts.len()];
        for (batch, vectors) in batches.iter().zip(self.run_batches(&batches, texts)) {
            for (&place, vector) in batch.iter().zip(vectors?) {
                let Tokens { ids, is_truncated } = &texts[place];
                let tokens = u32::try_from(ids.len()).unwrap_or(u32::MAX);
                found[place] = Some(Embedded { vector, tokens, is_truncated: *is_truncated });
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// The vectors of batches. Several are computed side by side, each by one thread, which takes less time than all threads
    /// for one after the other: threads need not wait for each other within an operator.
    fn run_batches(&self, batches: &[&[usize]], texts: &[Tokens]) -> Vec<Result<Vec<Vec<f32>>, OnnxError>> {
        let run =
            |lane, batch: &[usize]| self.run_batch(lane, &batch.iter().map(|&place| &texts[place]).collect::<Vec<_>>());
        let lanes = self.graph.lanes().min(batches.len());
        if lanes < 2 {
            return batches.iter().map(|batch| run(Lane::All, batch)).collect();
        }
        // The longest texts are at the end; whoever is free takes the longest that is left.
        let left = AtomicUsize::new(batches.len());
        let work = |lane| {
            let mut done = Vec::new();
            while let Ok(left) = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)) {
                done.push((left - 1, run(Lane::One(lane), batches[left - 1])));
            }
            done
        };
        let mut done: Vec<_> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..lanes).map(|lane| scope.spawn(move || work(lane))).collect();
            let own = work(0);
            let others =
                others.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            own.into_iter().chain(others).collect()
        });
        done.sort_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, vectors)| vectors).collect()
    }

    /// The vectors of texts that are padded to the longest of them.
    fn run_batch(&self, lane: Lane, texts: &[&Tokens]) -> Result<Vec<Vec<f32>>, OnnxError> {
        let longest = texts.iter().map(|text| text.ids.len()).max().unwrap_or(0);
        let shape = vec![texts.len(), longest];
        let padding = self.config.pad_token_id.unwrap_or(0);
        let (mut ids, mut mask) = (Vec::with_capacity(texts.len() * longest), Vec::new());
        for (row, text) in texts.iter().enumerate() {
            ids.extend(&text.ids);
            mask.resize(ids.len(), 1);
            ids.resize((row + 1) * longest, padding);
            mask.resize(ids.len(), 0);
        }
        let whole = |data| Input::Whole(Block { shape: shape.clone(), data });
        let types = self.types.map(|place| (place, whole(vec![0; ids.len()])));
        let inputs = [(self.ids, whole(ids)), (self.mask, whole(mask))].into_iter().chain(types).collect();
        let (Output::Tokens(place) | Output::Texts(place)) = self.output;
        let block = self.graph.run_on(lane, inputs, &[place])?.remove(0);
        let width = block.shape.last().copied().unwrap_or(0);
        let expected = match self.output {
            Output::Tokens(_) => vec![texts.len(), longest, width],
            Output::Texts(_) => vec![texts.len(), width],
        };
        if block.shape != expected || width == 0 || (self.dimensions > 0 && width != self.dimensions) {
            let (name, shape) = (&self.graph.outputs()[place].name, &block.shape);
            let problem = format!("its output `{name}` is {shape:?} for {} texts of {longest} tokens", texts.len());
            return Err(self.graph.misfit(NEEDED, problem));
        }
        let rows = block.data.chunks_exact(block.data.len() / texts.len());
        let pooled = rows.zip(texts).map(|(row, text)| match (self.output, self.pooling) {
            (Output::Texts(_), _) | (Output::Tokens(_), Pooling::Cls) => row[..width].to_vec(),
            (Output::Tokens(_), Pooling::Mean) => mean(&row[..text.ids.len() * width], width),
        });
        pooled.map(|vector| self.normalized(vector)).collect()
    }

    fn normalized(&self, mut vector: Vec<f32>) -> Result<Vec<f32>, OnnxError> {
        let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if length <= 0.0 {
            return Err(self.graph.failed("it made a vector of zeros, which has no direction".to_owned()));
        }
        vector.iter_mut().for_each(|value| *value = narrow(f64::from(*value) / length));
        Ok(vector)
    }
}

/// How many of these lengths, the shortest first, are computed together: as long as padding is no more than a quarter of
/// what is computed, and the places are not too many.
fn batch_len(lengths: impl Iterator<Item = usize>) -> usize {
    let (mut count, mut tokens) = (0, 0);
    for length in lengths {
        tokens += length;
        let places = (count + 1) * length;
        if count > 0 && (places > PLACES || (places - tokens) * 4 > places) {
            break;
        }
        count += 1;
    }
    count
}

/// The mean of rows of this width.
fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; width];
    for row in rows.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let count = (rows.len() / width) as f64;
    sums.into_iter().map(|sum| narrow(sum / count)).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest, as vectors are kept in 32 bits")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// Names of inputs or outputs, for messages.
fn names(ports: &[crate::graph::Port]) -> String {
    if ports.is_empty() {
        return "none".to_owned();
    }
    ports.iter().map(|port| format!("`{}`", port.name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_texts_of_like_length() {
        let check = |lengths: &[usize], expected: usize| {
            assert_eq!(batch_len(lengths.iter().copied()), expected, "{lengths:?}");
        };
        check(&[7], 1);
        check(&[8, 8, 8], 3);
        check(&[8, 9, 10], 3);
        check(&[8, 100], 1);
        check(&[2, 4], 2);
        check(&[2, 5], 1);
        check(&[128; 20], 2);
        check(&[512; 20], 1);
        check(&[9000, 9000], 1);
    }

    proptest::proptest! {
        #[test]
        fn padding_stays_a_quarter(mut lengths in proptest::collection::vec(1_usize..600, 1..80)) {
            lengths.sort_unstable();
            let batch = &lengths[..batch_len(lengths.iter().copied())];
            let places = batch.len() * batch[batch.len() - 1];
            proptest::prop_assert!(!batch.is_empty() && (batch.len() == 1 || places <= PLACES));
            proptest::prop_assert!((places - batch.iter().sum::<usize>()) * 4 <= places);
        }
    }
}
