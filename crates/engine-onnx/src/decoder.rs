//! A graph that says which token comes next.

use std::sync::Arc;

use weighbridge_engine::Tokenizer;

use crate::error::OnnxError;
use crate::folder::{Config, Folder};
use crate::graph::{Block, Dimension, Graph, Input};
use crate::vocabulary::Vocabulary;

/// What inputs and outputs must be.
const NEEDED: &str = "a decoder has the inputs `input_ids`, `attention_mask`, perhaps `position_ids`, and `past_key_values.N.key` and `.value` [batch, heads, tokens, width], and the outputs `logits` [batch, tokens, vocabulary] and `present.N.key` and `.value`";

/// A decoder that is ready to run.
#[derive(Debug)]
pub struct Decoder {
    graph: Graph,
    config: Config,
    tokenizer: Arc<Vocabulary>,
    ids: usize,
    mask: usize,
    positions: Option<usize>,
    logits: usize,
    layers: Vec<Past>,
    vocabulary: usize,
}

/// Keys or values of a layer: where they go in and come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Past {
    input: usize,
    output: usize,
    heads: usize,
    width: usize,
}

/// The keys and values of tokens that were computed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    /// For each key and value `[1, heads, tokens, width]`, row-major.
    past: Vec<Vec<f32>>,
    /// Tokens that were computed.
    pub(crate) len: usize,
}

impl Decoder {
    /// Reads the files beside a graph, and computes one token to see that they fit.
    pub(crate) fn of_graph(graph: Graph, folder: &Folder) -> Result<Self, OnnxError> {
        let place =
            |name: &str| graph.input(name).ok_or_else(|| graph.misfit(NEEDED, format!("it has no input `{name}`")));
        let (ids, mask, positions) = (place("input_ids")?, place("attention_mask")?, graph.input("position_ids"));
        let mut layers = Vec::new();
        for (input, port) in graph.inputs().iter().enumerate() {
            if [Some(ids), Some(mask), positions].contains(&Some(input)) {
                continue;
            }
            let name = port.name.as_str();
            let Some(rest) = name.strip_prefix("past_key_values.") else {
                return Err(graph.misfit(NEEDED, format!("it has the input `{name}`, which a decoder has not")));
            };
            let present = format!("present.{rest}");
            let output = graph.output(&present);
            let output = output.ok_or_else(|| graph.misfit(NEEDED, format!("it has no output `{present}`")))?;
            let [_, Dimension::Fixed(heads), _, Dimension::Fixed(width)] = port.dimensions[..] else {
                let problem = format!("its input `{name}` is {port}, expected fixed numbers of heads and widths");
                return Err(graph.misfit(NEEDED, problem));
            };
            layers.push(Past { input, output, heads, width });
        }
        let logits = graph.output("logits");
        let logits = logits.ok_or_else(|| graph.misfit(NEEDED, "it has no output `logits`".to_owned()))?;
        let config = folder.config()?;
        let tokenizer = Arc::new(Vocabulary::open(folder, &config)?);
        let mut decoder = Self { graph, config, tokenizer, ids, mask, positions, logits, layers, vocabulary: 0 };
        let mut state = decoder.start();
        decoder.vocabulary = decoder.logits(&mut [&mut state], &[&[0]])?.len();
        if decoder.vocabulary < decoder.tokenizer.vocab_size() as usize {
            let (found, needed) = (decoder.vocabulary, decoder.tokenizer.vocab_size());
            let problem = format!("its logits are of {found} tokens, the tokenizer knows {needed}");
            return Err(decoder.graph.misfit(NEEDED, problem));
        }
        Ok(decoder)
    }

    pub(crate) const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What kind of model it is, `gpt2`, where its settings say it.
    #[must_use]
    pub fn architecture(&self) -> Option<&str> {
        self.config.model_type.as_deref()
    }

    /// Tokens of prompt and answer that the model has positions for.
    #[must_use]
    pub fn context(&self) -> usize {
        self.config.positions()
    }

    /// Numbers of the logits of one token.
    #[must_use]
    pub const fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    pub(crate) fn tokenizer(&self) -> Arc<Vocabulary> {
        Arc::clone(&self.tokenizer)
    }

    /// Bytes of the keys and values of a token.
    pub(crate) fn bytes_per_token(&self) -> u64 {
        self.layers.iter().map(|past| (past.heads * past.width * size_of::<f32>()) as u64).sum()
    }

    /// Nothing was computed yet.
    pub(crate) fn start(&self) -> State {
        State { past: vec![Vec::new(); self.layers.len()], len: 0 }
    }

    /// Computes tokens without their logits.
    ///
    /// # Errors
    /// [`OnnxError::Run`] and [`OnnxError::Shape`].
    pub(crate) fn read(&self, state: &mut State, tokens: &[u32]) -> Result<(), OnnxError> {
        self.step(&mut [state], &[tokens], false).map(drop)
    }

    /// Computes tokens that come after states of one length, as many for each of them, and returns the logits of all,
    /// `[states, tokens, vocabulary]` row-major.
    ///
    /// # Errors
    /// [`OnnxError::Run`] and [`OnnxError::Shape`].
    pub(crate) fn logits(&self, states: &mut [&mut State], tokens: &[&[u32]]) -> Result<Vec<f32>, OnnxError> {
        self.step(states, tokens, true)
    }

    fn step(&self, states: &mut [&mut State], tokens: &[&[u32]], with_logits: bool) -> Result<Vec<f32>, OnnxError> {
        let (batch, past, new) = (states.len(), states[0].len, tokens[0].len());
        debug_assert!(states.iter().all(|state| state.len == past) && tokens.iter().all(|row| row.len() == new));
        let small = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
        let whole = |columns: usize, data: Vec<i32>| Input::Whole(Block { shape: vec![batch, columns], data });
        let ids = tokens.iter().flat_map(|row| row.iter().map(|&id| i32::try_from(id).unwrap_or(i32::MAX))).collect();
        let mut inputs =
            vec![(self.ids, whole(new, ids)), (self.mask, whole(past + new, vec![1; batch * (past + new)]))];
        if let Some(place) = self.positions {
            let positions = (past..past + new).map(small).collect::<Vec<_>>().repeat(batch);
            inputs.push((place, whole(new, positions)));
        }
        for (layer, Past { input, heads, width, .. }) in self.layers.iter().enumerate() {
            let mut data = std::mem::take(&mut states[0].past[layer]);
            states[1..].iter_mut().for_each(|state| data.append(&mut state.past[layer]));
            inputs.push((*input, Input::Floats(Block { shape: vec![batch, *heads, past, *width], data })));
        }
        let wanted: Vec<usize> =
            self.layers.iter().map(|past| past.output).chain(with_logits.then_some(self.logits)).collect();
        let mut blocks = self.graph.run(inputs, &wanted)?;
        let logits = if with_logits { blocks.pop() } else { None };
        for (layer, block) in blocks.into_iter().enumerate() {
            let Past { output, heads, width, .. } = self.layers[layer];
            self.check(output, &block, &[batch, heads, past + new, width])?;
            let size = block.data.len() / batch;
            let mut data = block.data;
            for state in states.iter_mut().rev() {
                state.past[layer] = data.split_off(data.len() - size);
            }
        }
        states.iter_mut().for_each(|state| state.len = past + new);
        let Some(logits) = logits else { return Ok(Vec::new()) };
        let words = if self.vocabulary > 0 { self.vocabulary } else { logits.shape.last().copied().unwrap_or(0) };
        self.check(self.logits, &logits, &[batch, new, words])?;
        Ok(logits.data)
    }

    fn check(&self, output: usize, block: &Block<f32>, expected: &[usize]) -> Result<(), OnnxError> {
        if block.shape == expected {
            return Ok(());
        }
        let name = &self.graph.outputs()[output].name;
        let problem = format!("its output `{name}` is {:?}, expected {expected:?}", block.shape);
        Err(self.graph.misfit(NEEDED, problem))
    }
}
