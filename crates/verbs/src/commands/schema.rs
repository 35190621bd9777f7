//! `schema`: the versions of the stored forms, and their JSON schemas.
//!
//! The schemas are the files of the repository, which a test holds equal to the types: making them takes more code than they have
//! bytes.

use crate::arguments::{SchemaArguments, SchemaName};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(arguments: &SchemaArguments) -> Result<Exit, Failure> {
    match arguments.name {
        None => output::data(&format!(
            "record.json        {version}\nevents.jsonl.zst   {version}\ncomparison         {comparison}\nmemory profile     {profile}\nperformance        {performance}\nalert              {alert}\nmetrics            {} definitions\n",
            weighbridge_types::definition::ALL.len(),
            version = weighbridge_types::record::SCHEMA_VERSION,
            comparison = weighbridge_types::comparison::COMPARISON_VERSION,
            profile = weighbridge_types::memory_profile::MEMORY_PROFILE_VERSION,
            performance = weighbridge_types::performance::PERFORMANCE_VERSION,
            alert = weighbridge_types::alert::ALERT_VERSION,
        ))?,
        Some(SchemaName::Record) => output::data(include_str!("../../../../schemas/record-1.schema.json"))?,
        Some(SchemaName::Comparison) => output::data(include_str!("../../../../schemas/comparison-1.schema.json"))?,
        Some(SchemaName::MemoryProfile) => {
            output::data(include_str!("../../../../schemas/memory-profile-1.schema.json"))?
        }
        Some(SchemaName::Performance) => output::data(include_str!("../../../../schemas/performance-1.schema.json"))?,
        Some(SchemaName::Alert) => output::data(include_str!("../../../../schemas/alert-1.schema.json"))?,
        Some(SchemaName::Events) => output::data(include_str!("../../../../schemas/events-1.schema.json"))?,
    }
    Ok(Exit::Pass)
}
