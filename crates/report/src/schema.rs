//! The JSON schemas of the stored forms, made from the types that read and write them.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use weighbridge_types::alert::Alert;
use weighbridge_types::comparison::Comparison;
use weighbridge_types::memory_profile::MemoryProfile;
use weighbridge_types::performance::BenchmarkResult;
use weighbridge_types::record::{LogLine, Record};

use crate::json;

/// File name and text of each published schema.
#[must_use]
pub fn files() -> [(&'static str, String); 6] {
    [
        ("record-1.schema.json", record()),
        ("events-1.schema.json", events()),
        ("comparison-1.schema.json", comparison()),
        ("memory-profile-1.schema.json", memory_profile()),
        ("performance-1.schema.json", performance()),
        ("alert-1.schema.json", alert()),
    ]
}

/// Schema of `record.json` (JSON Schema 2020-12), with a final newline.
#[must_use]
pub fn record() -> String {
    json::pretty(&generator().into_root_schema_for::<Record>())
}

/// Schema of one line of the event log, with a final newline.
#[must_use]
pub fn events() -> String {
    json::pretty(&generator().into_root_schema_for::<LogLine>())
}

/// Schema of what `compare` prints as JSON, with a final newline.
#[must_use]
pub fn comparison() -> String {
    json::pretty(&generator().into_root_schema_for::<Comparison>())
}

/// Schema of what `memory-profile` writes, with a final newline.
#[must_use]
pub fn memory_profile() -> String {
    json::pretty(&generator().into_root_schema_for::<MemoryProfile>())
}

/// Schema of a result of `performance-benchmark`, with a final newline.
#[must_use]
pub fn performance() -> String {
    json::pretty(&generator().into_root_schema_for::<BenchmarkResult>())
}

/// Schema of what a webhook is told of a regression, with a final newline.
#[must_use]
pub fn alert() -> String {
    json::pretty(&generator().into_root_schema_for::<Alert>())
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}
