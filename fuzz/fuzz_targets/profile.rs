//! Any bytes as a profile: a message of pprof or collapsed stacks, or an error; what was read is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_telemetry::profile::{collapsed, difference_graph, flame_graph, hotspots, pprof, read};

fuzz_target!(|data: &[u8]| {
    let Ok(profile) = read(data) else {
        return;
    };
    assert_eq!(collapsed::read(&collapsed::write(&profile)).expect("our own form"), profile);
    // Sums of counts are kept within what a message holds.
    if i64::try_from(profile.total()).is_ok() {
        assert_eq!(pprof::read(&pprof::write(&profile)).expect("our own form"), profile);
    }
    let own: u64 = hotspots(&profile).iter().fold(0, |sum, hotspot| sum.saturating_add(hotspot.own));
    assert_eq!(own, profile.total());
    drop(flame_graph("fuzz", &profile));
    drop(difference_graph("fuzz", &profile, &profile));
});
