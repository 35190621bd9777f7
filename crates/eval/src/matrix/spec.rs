//! The file of a study: which models answer which tasks, and within which bounds.

use std::path::Path;

use serde::{Deserialize, Serialize};
use weighbridge_types::units::ByteSize;

use super::error::MatrixError;

/// Cells that may run at once.
const MOST_AT_ONCE: usize = 256;
/// Cells of a study.
const MOST_CELLS: usize = 100_000;

/// A study as its file says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// Name, for folders and reports.
    pub study: String,
    /// Who is asked.
    pub models: Vec<StudyModel>,
    /// Tasks, groups or task files; each is a column of the matrix.
    pub tasks: Vec<String>,
    /// Folders of task files.
    #[serde(default)]
    pub tasks_dirs: Vec<String>,
    /// Folders of data.
    #[serde(default)]
    pub data_dirs: Vec<String>,
    /// Documents of each task at most; below 1 a share.
    #[serde(default)]
    pub limit: Option<f64>,
    /// Examples instead of the tasks' numbers.
    #[serde(default)]
    pub num_fewshot: Option<usize>,
    /// Tokens of an answer at most instead of the tasks' numbers.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// Seed of examples and sampled answers.
    #[serde(default = "default_seed")]
    pub seed: i64,
    /// Documents in flight in one cell at most; halved where a cell runs out of memory.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// Cells that run at once.
    #[serde(default = "default_cells_at_once")]
    pub cells_at_once: usize,
    /// Memory that the process of one cell may take, as `2GiB`; none when absent.
    #[serde(default)]
    pub cell_memory: Option<String>,
    /// Cells that are run a second time, to see whether answers repeat.
    #[serde(default)]
    pub repeat_cells: usize,
    /// Folder of answers that need not be asked for again.
    #[serde(default)]
    pub cache: Option<String>,
}

/// One model of a study: its reference alone, or with a name and prices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum StudyModel {
    /// The reference.
    Reference(String),
    /// With more.
    Described {
        /// Name in reports.
        name: String,
        /// The reference.
        model: String,
        /// Price of a million prompt tokens.
        #[serde(default)]
        price_input: Option<f64>,
        /// Price of a million output tokens.
        #[serde(default)]
        price_output: Option<f64>,
        /// Price of an hour of the machine that answers.
        #[serde(default)]
        price_per_hour: Option<f64>,
    },
}

impl StudyModel {
    /// Name in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Reference(reference) => reference,
            Self::Described { name, .. } => name,
        }
    }

    /// The reference.
    #[must_use]
    pub fn reference(&self) -> &str {
        match self {
            Self::Reference(reference) => reference,
            Self::Described { model, .. } => model,
        }
    }

    /// What one answer costs, from its tokens and its time; `None` where no price is known, or not what it is counted by.
    #[must_use]
    pub fn cost(&self, input_tokens: Option<u64>, output_tokens: Option<u64>, latency_ms: Option<f64>) -> Option<f64> {
        let Self::Described { price_input, price_output, price_per_hour, .. } = self else { return None };
        let of_tokens = |price: Option<f64>, tokens: Option<u64>| match (price, tokens) {
            (None, _) => Some(0.0),
            (Some(price), Some(tokens)) => Some(price * tokens as f64 / 1e6),
            (Some(_), None) => None,
        };
        let of_time = match (price_per_hour, latency_ms) {
            (None, _) => Some(0.0),
            (Some(price), Some(latency)) => Some(price * latency / 3.6e6),
            (Some(_), None) => None,
        };
        let is_priced = price_input.is_some() || price_output.is_some() || price_per_hour.is_some();
        let sum = of_tokens(*price_input, input_tokens)? + of_tokens(*price_output, output_tokens)? + of_time?;
        is_priced.then_some(sum)
    }
}

impl Study {
    /// Reads a study file: YAML, of which JSON is a part.
    ///
    /// # Errors
    /// Names the file, and what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, MatrixError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| MatrixError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|problem| MatrixError::Study { path: path.to_owned(), problem })
    }

    /// Reads and checks a study.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let study: Self = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        study.check().map_or(Ok(study.clone()), Err)
    }

    /// The first thing that is wrong.
    fn check(&self) -> Option<String> {
        let names: Vec<&str> = self.models.iter().map(StudyModel::name).collect();
        let repeated = (1..names.len()).find(|&at| names[..at].contains(&names[at]));
        let repeated_task = (1..self.tasks.len()).find(|&at| self.tasks[..at].contains(&self.tasks[at]));
        if self.models.is_empty() {
            return Some("`models` is empty: name one or more".to_owned());
        }
        if self.tasks.is_empty() {
            return Some("`tasks` is empty: name one or more".to_owned());
        }
        if let Some(at) = repeated {
            return Some(format!("`models` holds `{}` twice: give each a `name` of its own", names[at]));
        }
        if let Some(at) = repeated_task {
            return Some(format!("`tasks` holds `{}` twice", self.tasks[at]));
        }
        if !(1..=MOST_AT_ONCE).contains(&self.cells_at_once) {
            return Some(format!("`cells_at_once` is {}: it must be 1 to {MOST_AT_ONCE}", self.cells_at_once));
        }
        let cells = self.models.len() * self.tasks.len();
        if cells > MOST_CELLS {
            return Some(format!("the study has {cells} cells: at most {MOST_CELLS} are run"));
        }
        if self.repeat_cells > cells {
            return Some(format!("`repeat_cells` is {}: the study has {cells} cells", self.repeat_cells));
        }
        let prices = self.models.iter().flat_map(|model| match model {
            StudyModel::Reference(_) => Vec::new(),
            StudyModel::Described { price_input, price_output, price_per_hour, .. } => {
                [price_input, price_output, price_per_hour].into_iter().flatten().collect()
            }
        });
        if let Some(price) = prices.into_iter().find(|price| !(price.is_finite() && **price >= 0.0)) {
            return Some(format!("a price is {price}: it must be 0 or more"));
        }
        self.memory().err()
    }

    /// Bytes that the process of one cell may take.
    ///
    /// # Errors
    /// When the size cannot be read.
    pub fn memory(&self) -> Result<Option<u64>, String> {
        let size = self.cell_memory.as_deref().map(str::parse::<ByteSize>).transpose();
        size.map(|size| size.map(|size| size.0)).map_err(|error| format!("`cell_memory`: {error}"))
    }

    /// Every cell in the order of tasks within models, the repeated ones last. Which cells are repeated is spread evenly.
    #[must_use]
    pub fn cells(&self) -> Vec<super::Cell> {
        let (models, tasks) = (self.models.len(), self.tasks.len());
        let all = (0..models).flat_map(|model| (0..tasks).map(move |task| super::Cell { model, task, again: false }));
        let mut cells: Vec<super::Cell> = all.collect();
        let count = cells.len();
        for number in 0..self.repeat_cells {
            let cell = cells[number * count / self.repeat_cells];
            cells.push(super::Cell { again: true, ..cell });
        }
        cells
    }
}

fn default_seed() -> i64 {
    crate::task::FEWSHOT_SEED
}

fn default_concurrency() -> usize {
    8
}

fn default_cells_at_once() -> usize {
    2
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUDY: &str =
        "study: s\nmodels:\n  - tiny\n  - {name: b, model: 'scripted:', price_output: 2.0}\ntasks: [x, y]\n";

    #[test]
    fn a_study_is_read() {
        let study = Study::parse(&format!("{STUDY}cell_memory: 2GiB\nrepeat_cells: 2\n")).unwrap();
        assert_eq!((study.models[0].name(), study.models[1].reference()), ("tiny", "scripted:"));
        assert_eq!(study.memory().unwrap(), Some(2 << 30));
        let cells = study.cells();
        assert_eq!(cells.len(), 6);
        assert!(cells[4].again && cells[4].model == 0 && cells[5].model == 1);
        assert_eq!(study.models[1].cost(Some(5), Some(500_000), None), Some(1.0));
        assert_eq!((study.models[1].cost(None, None, None), study.models[0].cost(None, Some(1), None)), (None, None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, expected: &str| {
            let error = Study::parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("study: s\nmodels: []\ntasks: [x]\n", "`models` is empty");
        check("study: s\nmodels: [tiny]\ntasks: []\n", "`tasks` is empty");
        check("study: s\nmodels: [tiny, tiny]\ntasks: [x]\n", "holds `tiny` twice");
        check("study: s\nmodels: [tiny]\ntasks: [x, x]\n", "holds `x` twice");
        check(&format!("{STUDY}cells_at_once: 0\n"), "`cells_at_once` is 0");
        check(&format!("{STUDY}cell_memory: much\n"), "`cell_memory`");
        check(&format!("{STUDY}repeat_cells: 5\n"), "the study has 4 cells");
        check(&format!("{STUDY}concurency: 5\n"), "concurency");
        check("study: [", "");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
            let _ = Study::parse(&text);
            let _ = Study::parse(&format!("{STUDY}{text}"));
        }
    }
}
