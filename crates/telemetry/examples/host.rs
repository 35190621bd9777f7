//! Prints what this machine is, how fast it reads memory, and what sampling it costs.
//!
//! `cargo run --release -p weighbridge-telemetry --example host`

#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::path::Path;
use std::thread;
use std::time::Duration;

use weighbridge_telemetry::{PeakMeter, Sampler, SamplerSettings, SystemRoot, calibration_kernel, fingerprint};
use weighbridge_types::environment::Build;
use weighbridge_types::time::Clock;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (root, clock) = (SystemRoot::host(), Clock::start());
    println!("{:#?}", fingerprint(&root, Build::default(), Path::new("results")));

    let peak = PeakMeter::start(&root);
    for _ in 0..5 {
        println!("calibration: {:?}", calibration_kernel(&root, &clock)?);
    }
    println!("peak {:?} bytes, {:?}", peak.read(), peak.scope());

    let sampler = Sampler::start(&root, clock, SamplerSettings::default())?;
    thread::sleep(Duration::from_secs(3));
    let report = sampler.stop();
    println!("{} samples, {} dropped, {:?}", report.samples.len(), report.dropped, report.cost);
    println!("sampler cost: {:?} %", report.cost.percent());
    println!("last sample: {:?}", report.samples.last());
    Ok(())
}
