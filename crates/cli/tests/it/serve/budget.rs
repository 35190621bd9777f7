//! More models than memory: all are served in turns, and the budget holds at every moment.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde_json::Value;

use super::faults::tiny;
use super::process::Process;

/// Loads that are seen before the test ends.
const LOADS: u64 = 200;

/// Clients that ask at once.
const CLIENTS: usize = 4;

const MODELS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn sum(models: &Value, key: &str) -> u64 {
    models["models"].as_array().unwrap().iter().map(|model| model[key].as_u64().unwrap()).sum()
}

#[test]
fn five_models_take_turns_in_memory_for_three() {
    let folder = tempfile::tempdir().unwrap();
    for name in MODELS {
        std::fs::copy(tiny(), folder.path().join(format!("{name}.gguf"))).unwrap();
    }
    let models = MODELS.map(|name| format!("{name}=gguf:{name}.gguf"));
    let models: Vec<&str> = models.iter().flat_map(|model| ["--model", model]).collect();
    // What one takes once it has answered, with its cache.
    let one = {
        let server = Process::serve(folder.path(), &models);
        server.chat("a").succeeded();
        server.model("a")["bytes"].as_u64().unwrap()
    };
    let budget = 3 * one + one / 2;
    let text = format!("{budget}B");
    let server = Process::serve(folder.path(), &[&models[..], &["--memory-budget", &text]].concat());
    let (asked, peak, most) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    // A stride over the models that no least recently used order foresees.
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    let name = MODELS[(number * 2 + number / MODELS.len()) % MODELS.len()];
                    server.chat(name).succeeded();
                    let all = server.get("/api/v1/models").succeeded();
                    peak.fetch_max(all["model_memory_bytes"].as_u64().unwrap(), Ordering::Relaxed);
                    most.fetch_max(all["models_count"].as_u64().unwrap(), Ordering::Relaxed);
                    if sum(&all, "loads") >= LOADS {
                        return;
                    }
                }
            });
        }
    });
    let (peak, most) = (peak.into_inner(), most.into_inner());
    assert!(peak <= budget + budget / 20, "{peak} bytes were taken of {budget}");
    assert!((2..=3).contains(&most), "{most} models were there at once");
    let errors = server.get("/api/v1/errors").succeeded();
    assert_eq!(errors["count"], 0, "{errors}");
}
