//! What scoring costs: rows from JSONL, texts against references.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_eval::predictions::{Form, Mapping, read_from};
use weighbridge_eval::score::{Settings, score_file};
use weighbridge_eval::text::bleu::Bleu;
use weighbridge_eval::text::chrf::Chrf;
use weighbridge_eval::text::rouge::Rouge;
use weighbridge_eval::text::ter::Ter;
use weighbridge_stats::classify::{Average, Marginals, PrecisionRecall};

const WORDS: [&str; 24] = [
    "the",
    "attacker",
    "sends",
    "a",
    "packet",
    "to",
    "vulnerable",
    "servers",
    "which",
    "answered",
    "slowly",
    "and",
    "of",
    "connections",
    "were",
    "logged",
    "in",
    "restaurant",
    "near",
    "river",
    "serving",
    "family",
    "friendly",
    "prices",
];

const LABELS: [&str; 3] = ["benign", "malware", "phishing"];

/// A row has about 60 bytes.
fn rows(count: u32) -> String {
    let mut text = String::new();
    for index in 0..count {
        let truth = (index.wrapping_mul(2_654_435_761) >> 7) as usize % 3;
        let given = if index % 5 == 0 { (truth + 1) % 3 } else { truth };
        let _ = writeln!(text, r#"{{"id":"s{index}","target":"{}","prediction":"{}"}}"#, LABELS[truth], LABELS[given]);
    }
    text
}

/// A sentence of a length and another one that is some edits away.
fn sentences(count: usize) -> Vec<(String, String)> {
    let word = |seed: usize| WORDS[(seed * 7919 + seed / 3) % WORDS.len()];
    let pair = |index: usize| {
        let reference: Vec<&str> = (0..20).map(|at| word(index * 31 + at * 5)).collect();
        let mut text = reference.clone();
        text.swap(2, 9);
        text[5] = word(index + 3);
        text.rotate_left(index % 4);
        text.remove(12);
        (text.join(" ") + ".", reference.join(" ") + ".")
    };
    (0..count).map(pair).collect()
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("predictions");
    group.sample_size(10);
    let count = 200_000;
    let text = rows(count);
    group.throughput(Throughput::Elements(u64::from(count)));
    group.bench_function("jsonl_rows", |bench| {
        bench.iter(|| {
            let mut seen = 0_u64;
            let totals = read_from(black_box(text.as_bytes()), Form::JsonLines, &Mapping::default(), |row| {
                seen += row.line;
                Ok(())
            });
            (totals.map(|totals| totals.rows).unwrap_or_default(), seen)
        });
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("p.jsonl");
    std::fs::write(&path, &text).expect("a file of predictions");
    let settings = Settings::default();
    group.bench_function("jsonl_to_report", |bench| bench.iter(|| score_file(&path, &settings).map(|of| of.samples)));
    let path = folder.path().join("small.jsonl");
    std::fs::write(&path, rows(1_000)).expect("a file of predictions");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("1000_rows_to_report", |bench| {
        bench.iter(|| score_file(&path, &settings).map(|of| of.samples))
    });
    let five = ["accuracy", "precision", "recall", "f1", "mcc"].map(str::to_owned);
    let settings = Settings { metrics: five.to_vec(), ..Settings::default() };
    group.bench_function("1000_rows_to_5_metrics", |bench| {
        bench.iter(|| score_file(&path, &settings).map(|of| of.samples))
    });
    // The values alone, of answers that lie in memory: what other libraries give.
    let pairs: Vec<(&str, &str)> = (0..1_000_usize)
        .map(|index| {
            let (truth, given) = (index * 7 % 3, if index % 5 == 0 { (index * 7 + 1) % 3 } else { index * 7 % 3 });
            (LABELS[truth], LABELS[given])
        })
        .collect();
    group.bench_function("1000_pairs_to_5_values", |bench| bench.iter(|| five_values(black_box(&pairs))));
    group.finish();
}

/// Accuracy, macro precision, recall and F1, and Matthews correlation of true labels and answers.
fn five_values(pairs: &[(&str, &str)]) -> [Option<f64>; 5] {
    let mut cells = [0.0; 3 * 4];
    for (truth, given) in pairs {
        let place = |label: &str| LABELS.iter().position(|known| *known == label).unwrap_or(LABELS.len());
        cells[place(truth) * 4 + place(given)] += 1.0;
    }
    let sums = Marginals::of(3, &cells);
    let averaged = sums.averaged(Average::Macro);
    let part = |of: fn(&PrecisionRecall) -> f64| averaged.as_ref().map(of);
    [sums.accuracy(), part(|of| of.precision), part(|of| of.recall), part(|of| of.f1), sums.mcc()]
}

fn texts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("text");
    group.sample_size(10);
    let pairs = sentences(500);
    group.throughput(Throughput::Elements(pairs.len() as u64));
    let mut each = |name: &str, score: &mut dyn FnMut(&str, &str) -> f64| {
        group.bench_function(name, |bench| {
            bench.iter(|| pairs.iter().map(|(text, reference)| score(black_box(text), reference)).sum::<f64>());
        });
    };
    each("bleu", &mut |text, reference| Bleu::default().counts(text, &[reference]).length);
    each("chrf", &mut |text, reference| Chrf::default().counts(text, &[reference]).0[0][0]);
    each("chrf++", &mut |text, reference| Chrf::PLUS_PLUS.counts(text, &[reference]).0[0][0]);
    each("ter", &mut |text, reference| Ter::default().counts(text, &[reference]).edits);
    let mut rouge = Rouge::new(true);
    each("rouge", &mut |text, reference| rouge.score(text, &[reference])[0].f);
    group.finish();
}

criterion_group!(benches, reading, texts);
criterion_main!(benches);
