//! Prints what this machine is, how fast it reads memory, and what sampling it costs.
//!
//! `cargo run --release -p weighbridge-telemetry --example host`

#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::path::Path;

use weighbridge_telemetry::{PeakMeter, Sampler, SamplerSettings, SystemRoot, calibration_kernel, fingerprint};
use weighbridge_types::environment::Build;
use weighbridge_types::time::Clock;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (root, clock) = (SystemRoot::host(), Clock::start());
    println!("{:#?}", fingerprint(&root, Build::default(), Path::new("results")));

    let peak = PeakMeter::start(&root);
    let sampler = Sampler::start(&root, clock, SamplerSettings::default())?;
    let mut rates = Vec::new();
    for _ in 0..20 {
        let calibration = calibration_kernel(&root, &clock)?;
        rates.push(format!("{:.1}", calibration.gigabytes_per_second()));
    }
    let report = sampler.stop();
    println!("calibration, GB/s: {}", rates.join(" "));
    println!("peak {:?} bytes, {:?}", peak.read(), peak.scope());
    println!("{} samples, {} dropped, {:?}", report.samples.len(), report.dropped, report.cost);
    println!("sampler cost: {:?} %", report.cost.percent());
    println!("last sample: {:?}", report.samples.last());
    Ok(())
}
