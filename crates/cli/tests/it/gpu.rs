//! Graphics processors, also where there are none.

use weighbridge_telemetry::{GpuSetup, SystemRoot};

use crate::support::run;

#[test]
fn a_plan_has_five_actions_for_each_device_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["system", "plan", "gpu"]);
    match GpuSetup::read(&SystemRoot::host()) {
        Ok(setup) => {
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            assert_eq!(ran.stdout.matches(" → ").count(), 5 * setup.devices.len());
        }
        Err(reason) => {
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
            assert!(ran.stderr.contains(&reason) && ran.stderr.contains("hint:"), "{}", ran.stderr);
        }
    }
}

#[test]
fn the_doctor_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["doctor", "gpu", "--output-format", "json"]);
    let said: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let wrong = said["checks"].as_array().unwrap().iter().filter(|check| check["is_right"] == false).count();
    assert_eq!(ran.code, Some(i32::from(wrong > 0)), "{}", ran.stdout);
    match GpuSetup::read(&SystemRoot::host()) {
        Ok(setup) => assert_eq!(said["setup"]["devices"].as_array().unwrap().len(), setup.devices.len()),
        Err(reason) => {
            assert_eq!(
                (said["gpu_available"].as_bool(), said["reason"].as_str()),
                (Some(false), Some(reason.as_str()))
            );
            assert!(wrong >= 1);
            let console = run(folder.path(), &["doctor", "gpu"]);
            assert!(
                console.stdout.contains("gpu_available=false") && console.stdout.contains(&reason),
                "{}",
                console.stdout
            );
        }
    }
}
