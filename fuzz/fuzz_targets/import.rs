//! Any bytes as another tool's result file, of the format that the first byte picks or that the shape tells: a record
//! that holds together, prints, and exports or says why not; or a typed error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_report::console::Color;
use weighbridge_report::export::{ExportFormat, export};
use weighbridge_report::import::{Format, check, console, import};
use weighbridge_summary::Rows;

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    // Beyond the formats: detection.
    let hint = Format::ALL.get(usize::from(*first) % (Format::ALL.len() + 1)).copied();
    let Ok(imported) = import(bytes, hint) else { return };
    let record = &imported.record;
    assert!(record.phases.iter().all(|phase| phase.tally.adds_up()));
    for metric in &record.metrics {
        assert!(metric.value.is_none_or(f64::is_finite));
        assert!(metric.value.is_some() != metric.reason.is_some());
    }
    assert!(imported.rows.iter().all(|row| row.timeline.is_ordered()));
    let printed = serde_json::to_string(record).expect("a record can be printed");
    assert!(weighbridge_types::record::Record::from_json(&printed).is_ok());
    assert!(!console::render(record, 80, Color::Never).is_empty());
    assert!(!check::check_imported(record).render().is_empty());
    let rows = Rows { requests: imported.rows.clone(), ..Rows::default() };
    for format in ExportFormat::ALL {
        if let Err(error) = export(record, Some(&rows), format) {
            assert!(!error.hint().is_empty());
        }
    }
});
