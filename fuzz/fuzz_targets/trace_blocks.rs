//! Any bytes as a trace of lengths and blocks: sessions in the order of their times, or a typed error that can be shown.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use weighbridge_workload::{DataSpec, LengthDistribution, TextPool, TraceSettings, read_trace};

static POOL: LazyLock<Arc<TextPool>> = LazyLock::new(Arc::default);

fuzz_target!(|data: &[u8]| {
    let Ok(DataSpec::Trace(spec)) = "mooncake:f?block=4".parse() else { unreachable!("the text is well formed") };
    // Short outputs and no window, so that every row is reached; prompts are not made, since they may be long.
    let settings =
        TraceSettings { output_default: Some(LengthDistribution::Fixed(3)), ..TraceSettings::new(Arc::clone(&POOL)) };
    match read_trace(&spec.kind, data, "input", &settings) {
        Ok(trace) => assert!(trace.traffic.count().is_some_and(|count| count > 0)),
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
});
