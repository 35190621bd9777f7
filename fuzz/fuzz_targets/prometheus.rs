//! Any bytes as an answer of a metrics endpoint: an exposition or an error, and quantiles within their bucket.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_telemetry::prometheus::{HistogramDelta, histogram, parse};
use weighbridge_types::server::HistogramSnapshot;

fuzz_target!(|data: &[u8]| {
    let Ok(found) = parse(data) else {
        return;
    };
    let Ok(later) = histogram(found.series.iter().filter(|series| series.labels.get("le").is_some()), None) else {
        return;
    };
    let earlier = HistogramSnapshot { counts: vec![0; later.counts.len()], ..later.clone() };
    let delta = HistogramDelta::between(&earlier, &later).expect("the bounds are equal and nothing falls");
    assert_eq!(delta.count(), later.count());
    if let Some(found) = delta.quantile(0.5) {
        assert!(found.value.is_none_or(|value| value >= found.low && found.high.is_some_and(|high| value <= high)));
    }
});
