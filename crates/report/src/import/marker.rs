//! What our own exports add to a foreign form, so that a figure that comes back has not lost its definition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use weighbridge_types::metric::Cell;

/// Key of the mark in an exported document.
pub(crate) const MARKER_KEY: &str = "weighbridge";

/// Settings of a cell that are taken back; more would not be ours.
const MOST_SETTINGS: usize = 16;

/// The mark.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Marker {
    /// Name of the run that was exported.
    #[serde(default)]
    pub(crate) run_id: String,
    /// Settings of the cell.
    #[serde(default)]
    pub(crate) cell: BTreeMap<String, String>,
    /// Definition of each field, by the tool's name of it.
    #[serde(default)]
    pub(crate) definitions: BTreeMap<String, String>,
    /// Observations of each field.
    #[serde(default)]
    pub(crate) counts: BTreeMap<String, u64>,
}

impl Marker {
    /// The mark of a document; the empty one where there is none.
    pub(crate) fn of(document: &Value) -> Self {
        let found = document.get(MARKER_KEY).and_then(|value| Self::deserialize(value).ok());
        found.unwrap_or_default()
    }

    /// The mark of a cell.
    pub(crate) fn for_cell(run_id: &str, cell: &Cell) -> Self {
        let cell = cell.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { run_id: run_id.to_owned(), cell, ..Self::default() }
    }

    /// Adds the settings of the exported cell, its phase left out.
    pub(crate) fn restore(&self, cell: Cell) -> Cell {
        let settings = self.cell.iter().filter(|(key, _)| *key != "phase").take(MOST_SETTINGS);
        settings.fold(cell, |cell, (key, value)| cell.with(key, value))
    }
}
