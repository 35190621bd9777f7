//! `schema`: the versions of the stored forms, and their JSON schemas.

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
        Some(SchemaName::Record) => output::data(&weighbridge_report::schema::record())?,
        Some(SchemaName::Comparison) => output::data(&weighbridge_report::schema::comparison())?,
        Some(SchemaName::MemoryProfile) => output::data(&weighbridge_report::schema::memory_profile())?,
        Some(SchemaName::Performance) => output::data(&weighbridge_report::schema::performance())?,
        Some(SchemaName::Alert) => output::data(&weighbridge_report::schema::alert())?,
        Some(SchemaName::Events) => output::data(&weighbridge_report::schema::events())?,
    }
    Ok(Exit::Pass)
}
