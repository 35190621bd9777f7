//! The pass itself.

use super::cache::KvSlot;
use super::experts::Routed;
use super::layers::{Block, FeedForward, Input, Linear, Model, Norm};
use crate::kernels::{Activations, Compute, Heads, Quantized, Run, Sequences};
use crate::kernels::{add, gelu, layer_norm, rms_norm, rotate, swiglu};

/// New tokens of one sequence.
#[derive(Debug)]
pub struct Span<'a> {
    /// Its keys and values; the tokens are added to it.
    pub slot: &'a mut KvSlot,
    /// The tokens, at least one.
    pub tokens: &'a [u32],
}

/// Buffers that a pass writes, kept for the next one.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The residual stream `[rows, width]`.
    stream: Vec<f32>,
    pub(super) normed: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    /// Fused projections, the feed-forward's insides, and results that are added to the stream.
    pub(super) wide: Vec<f32>,
    pub(super) gate: Vec<f32>,
    heads: Vec<f32>,
    pub(super) update: Vec<f32>,
    logits: Vec<f32>,
    pub(super) quantized: Quantized,
    pub(super) routed: Routed,
    places: Vec<Place>,
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

/// Where a row of a pass belongs.
#[derive(Clone, Copy, Debug)]
struct Place {
    span: usize,
    position: usize,
}

impl Scratch {
    /// Bytes of the buffers.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let floats = [
            &self.stream,
            &self.normed,
            &self.query,
            &self.key,
            &self.value,
            &self.wide,
            &self.gate,
            &self.heads,
            &self.update,
            &self.logits,
            &self.cosines,
            &self.sines,
        ];
        let floats: usize = floats.iter().map(|buffer| buffer.capacity() * size_of::<f32>()).sum();
        (floats + self.quantized.bytes() + self.routed.bytes() + self.places.capacity() * size_of::<Place>()) as u64
    }
}

impl Model {
    /// Runs new tokens of some sequences through all blocks and adds them to the sequences' slots. The rows of all
    /// spans, in order, stay in `scratch` for [`logits`](Self::logits).
    ///
    /// # Panics
    /// When a token is not in the vocabulary: callers check requests before they begin.
    pub fn forward(&self, compute: &mut Compute, scratch: &mut Scratch, spans: &mut [Span<'_>]) {
        self.begin(scratch, spans);
        for (layer, block) in self.blocks.iter().enumerate() {
            self.attention(compute, scratch, spans, (layer, block));
            self.feed_forward(compute, scratch, block);
        }
        for span in spans {
            span.slot.advance(span.tokens.len());
        }
    }

    /// Logits `[rows, vocabulary]` of some rows of the last pass.
    ///
    /// # Panics
    /// When the last pass had no such rows.
    pub fn logits<'a>(&self, compute: &mut Compute, scratch: &'a mut Scratch, rows: &[usize]) -> &'a mut [f32] {
        if rows.is_empty() {
            return &mut [];
        }
        let width = self.config.width;
        let picked = resized(&mut scratch.update, rows.len() * width);
        for (picked, row) in picked.chunks_exact_mut(width).zip(rows) {
            picked.copy_from_slice(&scratch.stream[row * width..][..width]);
        }
        self.norm(compute, &self.output_norm, picked, resized(&mut scratch.normed, rows.len() * width));
        let logits = resized(&mut scratch.logits, rows.len() * self.config.vocab);
        let mut input = Activations::new(&scratch.normed, width, &mut scratch.quantized);
        compute.matmul(&self.head, &mut input, logits);
        logits
    }

    /// Places the rows and looks up their embeddings.
    fn begin(&self, scratch: &mut Scratch, spans: &mut [Span<'_>]) {
        for span in &mut *spans {
            // The worker has made room before; where a score finds none, its panic becomes an answer.
            span.slot
                .reserve(span.tokens.len())
                .unwrap_or_else(|error| panic!("no memory for keys and values: {error}"));
        }
        let width = self.config.width;
        scratch.places.clear();
        for (span, Span { slot, tokens }) in spans.iter().enumerate() {
            let positions = slot.len()..slot.len() + tokens.len();
            scratch.places.extend(positions.map(|position| Place { span, position }));
        }
        let tokens = spans.iter().flat_map(|span| span.tokens);
        let rows = resized(&mut scratch.stream, scratch.places.len() * width).chunks_exact_mut(width);
        for ((row, &token), place) in rows.zip(tokens).zip(&scratch.places) {
            self.embedding.dequantize_row(token as usize, row);
            if let Some(positions) = &self.positions {
                let learned = resized(&mut scratch.normed, width);
                positions.dequantize_row(place.position, learned);
                add(row, learned);
            }
        }
        scratch.cosines.clear();
        scratch.sines.clear();
        for place in &scratch.places {
            for frequency in &self.frequencies {
                let (sine, cosine) = (place.position as f32 * frequency).sin_cos();
                scratch.cosines.push(cosine);
                scratch.sines.push(sine);
            }
        }
    }

    fn attention(
        &self,
        compute: &mut Compute,
        scratch: &mut Scratch,
        spans: &mut [Span<'_>],
        (layer, block): (usize, &Block),
    ) {
        self.norm(compute, &block.attention_norm, &scratch.stream, resized(&mut scratch.normed, scratch.stream.len()));
        self.project(compute, scratch, &block.input);
        let kv_width = self.config.kv_width();
        let rows = scratch.key.chunks_exact(kv_width).zip(scratch.value.chunks_exact(kv_width));
        for (place, (key, value)) in scratch.places.iter().zip(rows) {
            spans[place.span].slot.write(layer, place.position, key, value);
        }
        self.attend(compute, scratch, spans, layer);
        let mut input = Activations::new(&scratch.heads, self.config.query_width(), &mut scratch.quantized);
        apply(compute, &block.attention_output, &mut input, resized(&mut scratch.update, scratch.stream.len()));
        self.add_update(compute, scratch);
    }

    /// Queries, keys and values of the normed rows, with positions rotated in.
    fn project(&self, compute: &mut Compute, scratch: &mut Scratch, input: &Input) {
        let (rows, query_width, kv_width) = (scratch.places.len(), self.config.query_width(), self.config.kv_width());
        let query = resized(&mut scratch.query, rows * query_width);
        let key = resized(&mut scratch.key, rows * kv_width);
        let value = resized(&mut scratch.value, rows * kv_width);
        let mut normed = Activations::new(&scratch.normed, self.config.width, &mut scratch.quantized);
        match input {
            Input::Fused(linear) => {
                let fused_width = query_width + 2 * kv_width;
                let fused = resized(&mut scratch.wide, rows * fused_width);
                apply(compute, linear, &mut normed, fused);
                for (row, fused) in fused.chunks_exact(fused_width).enumerate() {
                    let (from_query, rest) = fused.split_at(query_width);
                    let (from_key, from_value) = rest.split_at(kv_width);
                    query[row * query_width..][..query_width].copy_from_slice(from_query);
                    key[row * kv_width..][..kv_width].copy_from_slice(from_key);
                    value[row * kv_width..][..kv_width].copy_from_slice(from_value);
                }
            }
            Input::Split { query: q, key: k, value: v, head_norms } => {
                apply(compute, q, &mut normed, query);
                apply(compute, k, &mut normed, key);
                apply(compute, v, &mut normed, value);
                if let Some((query_norm, key_norm)) = head_norms {
                    self.norm_in_place(query_norm, query);
                    self.norm_in_place(key_norm, key);
                }
            }
        }
        self.rotate(compute, (&scratch.cosines, &scratch.sines), scratch.places.len(), query);
        self.rotate(compute, (&scratch.cosines, &scratch.sines), scratch.places.len(), key);
    }

    /// Rotates all heads of all rows, where positions rotate.
    fn rotate(&self, compute: &mut Compute, (cosines, sines): (&[f32], &[f32]), rows: usize, heads: &mut [f32]) {
        let Some(rope) = &self.config.rope else { return };
        let (pairs, head_dim, width) = (self.frequencies.len(), self.config.head_dim, heads.len() / rows);
        compute.for_rows(
            heads,
            width,
            #[inline(always)]
            |row, heads| {
                let angles = row * pairs..(row + 1) * pairs;
                for head in heads.chunks_exact_mut(head_dim) {
                    rotate(rope.style, head, &cosines[angles.clone()], &sines[angles.clone()]);
                }
            },
        );
    }

    fn attend(&self, compute: &mut Compute, scratch: &mut Scratch, spans: &[Span<'_>], layer: usize) {
        let heads = Heads { queries: self.config.heads, keys: self.config.kv_heads, dims: self.config.head_dim };
        let out = resized(&mut scratch.heads, scratch.query.len());
        compute.attend(heads, &scratch.query, &Attended { places: &scratch.places, spans, layer }, out);
    }

    fn feed_forward(&self, compute: &mut Compute, scratch: &mut Scratch, block: &Block) {
        let (rows, width, inner) = (scratch.places.len(), self.config.width, self.config.ffn_width);
        self.norm(compute, &block.ffn_norm, &scratch.stream, resized(&mut scratch.normed, rows * width));
        let mut normed = Activations::new(&scratch.normed, width, &mut scratch.quantized);
        let wide = resized(&mut scratch.wide, rows * inner);
        let (inside, down) = match &block.ffn {
            FeedForward::Gelu { up, down } => {
                apply(compute, up, &mut normed, wide);
                compute.for_rows(
                    wide,
                    inner,
                    #[inline(always)]
                    |_, row| gelu(row),
                );
                (wide, down)
            }
            FeedForward::SwiGlu { gate, up, down } => {
                let gated = resized(&mut scratch.gate, rows * inner);
                apply(compute, gate, &mut normed, gated);
                apply(compute, up, &mut normed, wide);
                compute.for_rows(
                    gated,
                    inner,
                    #[inline(always)]
                    |row, gate| swiglu(gate, &wide[row * inner..][..inner]),
                );
                (gated, down)
            }
            FeedForward::Experts(experts) => {
                self.experts(compute, scratch, experts);
                return self.add_update(compute, scratch);
            }
        };
        let mut input = Activations::new(inside, inner, &mut scratch.quantized);
        apply(compute, down, &mut input, resized(&mut scratch.update, rows * width));
        self.add_update(compute, scratch);
    }

    fn add_update(&self, compute: &mut Compute, scratch: &mut Scratch) {
        let (width, update) = (self.config.width, &scratch.update);
        compute.for_rows(
            &mut scratch.stream,
            width,
            #[inline(always)]
            |row, stream| add(stream, &update[row * width..][..width]),
        );
    }

    /// Normalizes each row.
    fn norm(&self, compute: &mut Compute, norm: &Norm, rows: &[f32], out: &mut [f32]) {
        let (weight, epsilon) = (norm.weight.values(), self.config.norm_epsilon);
        let width = weight.len();
        compute.for_rows(
            out,
            width,
            #[inline(always)]
            |row, out| {
                let row = &rows[row * width..][..width];
                match &norm.bias {
                    Some(bias) => layer_norm(row, weight, bias.values(), epsilon, out),
                    None => rms_norm(row, weight, epsilon, out),
                }
            },
        );
    }

    /// Normalizes each head where it lies.
    fn norm_in_place(&self, norm: &Norm, heads: &mut [f32]) {
        let (weight, mut before) = (norm.weight.values(), vec![0.0; self.config.head_dim]);
        for head in heads.chunks_exact_mut(before.len()) {
            before.copy_from_slice(head);
            rms_norm(&before, weight, self.config.norm_epsilon, head);
        }
    }
}

/// What the rows of a pass attend to in one layer.
struct Attended<'a> {
    places: &'a [Place],
    spans: &'a [Span<'a>],
    layer: usize,
}

impl Sequences for Attended<'_> {
    fn row(&self, row: usize) -> (usize, usize) {
        (self.places[row].span, self.places[row].position + 1)
    }

    fn runs(&self, sequence: usize, kv_head: usize, positions: usize) -> impl Iterator<Item = Run<'_>> {
        self.spans[sequence].slot.runs(self.layer, kv_head, positions)
    }
}

fn apply(compute: &mut Compute, linear: &Linear, input: &mut Activations<'_>, out: &mut [f32]) {
    compute.matmul(&linear.weight, input, out);
    if let Some(bias) = &linear.bias {
        let bias = bias.values();
        compute.for_rows(
            out,
            bias.len(),
            #[inline(always)]
            |_, row| add(row, bias),
        );
    }
}

/// The buffer with this length; what it held is not kept.
pub(super) fn resized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    buffer.resize(len, 0.0);
    buffer
}
