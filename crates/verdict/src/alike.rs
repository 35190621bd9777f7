//! Whether runs were made alike: the same kind of run, on the same host, with the same settings.

use serde_json::Value;
use weighbridge_types::comparison::Mismatch;
use weighbridge_types::environment::Environment;
use weighbridge_types::history::FREE_SETTINGS;
use weighbridge_types::record::Record;

/// How a run differs from another in what must be the same. The model, the engine and the program may differ: they are what
/// is compared. So may the seed, because repetitions take one each.
#[must_use]
pub fn mismatches(expected: &Record, found: &Record) -> Vec<Mismatch> {
    let mut all = Vec::new();
    let mut add = |what: String, expected: String, other: String| {
        if expected != other {
            all.push(Mismatch { what, expected, found: other, run: found.run_id.clone() });
        }
    };
    add("kind".to_owned(), expected.kind.clone(), found.kind.clone());
    if expected.environment.digest != found.environment.digest {
        for (what, one, other) in hosts(&expected.environment, &found.environment) {
            add(format!("environment.{what}"), one, other);
        }
        // Whatever else the digest holds.
        add("environment.digest".to_owned(), short(&expected.environment.digest), short(&found.environment.digest));
    }
    add(
        "build.profile".to_owned(),
        expected.environment.build.profile.clone(),
        found.environment.build.profile.clone(),
    );
    if expected.kind == found.kind {
        differ("settings", &expected.settings, &found.settings, &mut add);
    }
    all
}

/// What tells two hosts apart, in words.
fn hosts(one: &Environment, other: &Environment) -> Vec<(&'static str, String, String)> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    fn shown<T: std::fmt::Display>(value: Option<T>) -> String {
        value.map_or_else(|| "unknown".to_owned(), |value| value.to_string())
    }
    let gpus = |host: &Environment| host.gpus.iter().map(|gpu| gpu.name.clone()).collect::<Vec<_>>().join(", ");
    vec![
        ("os", text(&one.os), text(&other.os)),
        ("kernel", text(&one.kernel), text(&other.kernel)),
        ("cpu_model", text(&one.cpu_model), text(&other.cpu_model)),
        ("cores_usable", shown(one.cores_usable), shown(other.cores_usable)),
        ("governor", text(&one.governor), text(&other.governor)),
        ("memory_bytes", shown(one.memory_bytes), shown(other.memory_bytes)),
        ("cgroup_cpu_limit", shown(one.cgroup_cpu_limit), shown(other.cgroup_cpu_limit)),
        ("cgroup_memory_limit_bytes", shown(one.cgroup_memory_limit_bytes), shown(other.cgroup_memory_limit_bytes)),
        ("gpus", gpus(one), gpus(other)),
    ]
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// Walks two values side by side.
fn differ(path: &str, one: &Value, other: &Value, add: &mut impl FnMut(String, String, String)) {
    match (one, other) {
        (Value::Object(left), Value::Object(right)) => {
            let keys = left.keys().chain(right.keys().filter(|key| !left.contains_key(*key)));
            for key in keys.filter(|key| !FREE_SETTINGS.contains(&key.as_str())) {
                let value = |of: &serde_json::Map<String, Value>| of.get(key).cloned().unwrap_or(Value::Null);
                differ(&format!("{path}.{key}"), &value(left), &value(right), add);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (place, (left, right)) in left.iter().zip(right).enumerate() {
                differ(&format!("{path}[{place}]"), left, right, add);
            }
        }
        _ => add(path.to_owned(), one.to_string(), other.to_string()),
    }
}

/// Whether two runs weighed the same thing in the same way, so that nothing but chance tells them apart.
#[must_use]
pub fn same_subject(one: &Record, other: &Record) -> bool {
    let (a, b) = (&one.engine, &other.engine);
    mismatches(one, other).is_empty()
        && (&a.engine, &a.engine_version, &a.model_ref, &a.model_digest, &a.quantization, &a.options)
            == (&b.engine, &b.engine_version, &b.model_ref, &b.model_digest, &b.quantization, &b.options)
        && one.environment.build == other.environment.build
}
