//! Documents a second, by kind of file. The files are those below the folder that `WEIGHBRIDGE_BENCH_DOCUMENTS` names.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_convert::{Format, Limits, convert};

fn convert_all(criterion: &mut Criterion) {
    #[expect(clippy::disallowed_methods, reason = "the one way to tell a bench which files to take")]
    let Some(folder) = std::env::var_os("WEIGHBRIDGE_BENCH_DOCUMENTS") else {
        skip("WEIGHBRIDGE_BENCH_DOCUMENTS names no folder of documents: nothing is measured");
        return;
    };
    let mut files: BTreeMap<Format, Vec<(String, Vec<u8>)>> = BTreeMap::new();
    collect(Path::new(&folder), &mut files);
    if files.is_empty() {
        skip("the folder in WEIGHBRIDGE_BENCH_DOCUMENTS holds no document that is read");
    }
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("convert");
    for (format, files) in files {
        group.throughput(Throughput::Elements(files.len() as u64));
        group.bench_function(format.name(), |bencher| {
            bencher.iter(|| {
                for (name, bytes) in &files {
                    drop(black_box(convert(black_box(bytes), name, &limits)));
                }
            });
        });
    }
    group.finish();
}

#[expect(clippy::print_stderr, reason = "the one way to say why nothing was measured")]
fn skip(reason: &str) {
    eprintln!("{reason}");
}

fn collect(folder: &Path, files: &mut BTreeMap<Format, Vec<(String, Vec<u8>)>>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, files);
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        if let Ok(format) = Format::sniff(&bytes, &name) {
            files.entry(format).or_default().push((name, bytes));
        }
    }
}

criterion_group!(benches, convert_all);
criterion_main!(benches);
