//! Vectors of texts of 128 tokens, by an encoder that `WEIGHBRIDGE_BENCH_ENCODER` names; nothing is measured without it.
//!
//! ```text
//! python crates/engine-onnx/tests/models/make.py --minilm /tmp/minilm
//! WEIGHBRIDGE_BENCH_ENCODER=/tmp/minilm cargo bench -p weighbridge-engine-onnx --bench embed
//! ```
//!
//! With `--features ort` and the library in `ORT_DYLIB_PATH`, ONNX Runtime is measured beside.

use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_engine_onnx::{Encoder, OnnxRuntime};

/// Tokens of a text, the two special ones among them.
const TOKENS: usize = 128;

#[expect(clippy::disallowed_methods, reason = "the one way to tell a bench which file to take")]
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

fn embed(criterion: &mut Criterion) {
    let Some(folder) = named("WEIGHBRIDGE_BENCH_ENCODER") else { return };
    measure(criterion, &folder, "encoder on rten", &OnnxRuntime::Rten);
    if cfg!(feature = "ort") {
        let library = named("ORT_DYLIB_PATH");
        measure(criterion, &folder, "encoder on ONNX Runtime", &OnnxRuntime::Ort { library });
    }
}

fn measure(criterion: &mut Criterion, folder: &Path, name: &str, runtime: &OnnxRuntime) {
    let encoder = Encoder::open(folder, 0, runtime).expect("the encoder loads");
    let text = encoder.read(&"x ".repeat(TOKENS - 2)).expect("letters are tokens");
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20);
    for count in [1_usize, 8] {
        let texts = vec![text.clone(); count];
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{count} texts of {TOKENS} tokens"), |bencher| {
            bencher.iter(|| encoder.run(&texts))
        });
    }
    group.finish();
}

criterion_group!(benches, embed);
criterion_main!(benches);
