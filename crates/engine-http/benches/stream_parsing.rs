//! Cost of reading a stream: events per second of the parsers, and of a parser with a dialect behind it.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_engine_http::ndjson::LineParser;
use weighbridge_engine_http::sse::SseParser;

const FRAMES: u64 = 1024;

/// Chunks as vLLM sends them, one event each.
fn events() -> Vec<u8> {
    let event = |number| {
        format!(
            "data: {{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1750000000,\
             \"model\":\"model\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word{number}\"}},\"logprobs\":null,\
             \"finish_reason\":null}}]}}\n\n"
        )
    };
    (0..FRAMES).flat_map(|number| event(number).into_bytes()).collect()
}

fn lines() -> Vec<u8> {
    let line = |number| {
        format!(
            "{{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"response\":\" word{number}\",\"done\":false}}\n"
        )
    };
    (0..FRAMES).flat_map(|number| line(number).into_bytes()).collect()
}

fn parse_streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream_parsing");
    group.throughput(Throughput::Elements(FRAMES));
    let (events, lines) = (events(), lines());
    // All at once, in TCP segments, which cut events anywhere, and byte by byte.
    for (name, size) in [("whole", usize::MAX), ("segments", 1448), ("bytes", 1)] {
        group.bench_function(format!("sse/{name}"), |bencher| {
            bencher.iter(|| {
                let (mut parser, mut size_of_data) = (SseParser::new(1 << 20), 0);
                for piece in events.chunks(size.min(events.len())) {
                    let pushed = parser.push(black_box(piece), |event| size_of_data += event.data.len());
                    pushed.expect("the stream is sound");
                }
                size_of_data
            });
        });
        group.bench_function(format!("ndjson/{name}"), |bencher| {
            bencher.iter(|| {
                let (mut parser, mut size_of_data) = (LineParser::new(1 << 20), 0);
                for piece in lines.chunks(size.min(lines.len())) {
                    let pushed = parser.push(black_box(piece), |line| size_of_data += line.len());
                    pushed.expect("the stream is sound");
                }
                size_of_data
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse_streams);
criterion_main!(benches);
