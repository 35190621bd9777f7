//! Holds the floors of the house: dependencies point strictly down.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Floor of each room, lowest first.
const FLOORS: [&[&str]; 7] = [
    &["types", "stats"],
    &["engine"],
    &[
        "engine-local",
        "engine-llama-cpp",
        "engine-onnx",
        "engine-candle",
        "engine-http",
        "workload",
        "convert",
        "telemetry",
        "store",
        "cache",
        "summary",
    ],
    &["bench", "eval", "load", "pipeline", "report", "serving", "verdict"],
    &["server", "arguments"],
    &["verbs"],
    &["cli"],
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn floor_of(room: &str) -> usize {
    let floor = FLOORS.iter().position(|rooms| rooms.contains(&room));
    floor.unwrap_or_else(|| panic!("room `{room}` has no floor: add it to FLOORS here and to ARCHITECTURE.md"))
}

/// Rooms that a manifest names under `[dependencies]`; test-only doors are free.
fn doors(manifest: &Path) -> Vec<String> {
    let text = fs::read_to_string(manifest).unwrap();
    let mut section = "";
    let mut doors = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]"
            && let Some(rest) = line.strip_prefix("weighbridge-")
        {
            doors.push(rest.split(['.', ' ', '=']).next().unwrap().to_owned());
        }
    }
    doors
}

fn rooms() -> BTreeMap<String, Vec<String>> {
    let entries = fs::read_dir(root().join("crates")).unwrap();
    let rooms: BTreeMap<_, _> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), doors(&entry.path().join("Cargo.toml"))))
        .collect();
    assert!(rooms.len() >= 12, "only {} rooms were found", rooms.len());
    rooms
}

#[test]
fn doors_lead_strictly_down() {
    for (room, doors) in rooms() {
        for door in doors {
            assert!(floor_of(&door) < floor_of(&room), "`{room}` must not know `{door}`: it is not below it");
        }
    }
}

#[test]
fn the_map_names_every_room_and_no_lost_one() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let named: Vec<&str> =
        map.lines().filter_map(|line| line.strip_prefix("### `crates/")?.strip_suffix('`')).collect();
    let rooms: Vec<String> = rooms().into_keys().collect();
    for room in &rooms {
        assert!(named.contains(&room.as_str()), "ARCHITECTURE.md has no section `### `crates/{room}``");
    }
    for name in named {
        assert!(rooms.iter().any(|room| room == name), "ARCHITECTURE.md names `crates/{name}`, which does not exist");
    }
}
