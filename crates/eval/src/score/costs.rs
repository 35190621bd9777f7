//! What mistakes cost.

use super::error::ScoreError;

/// The column of a table that holds what a missing answer costs.
const NO_ANSWER: &str = "no_answer";
/// What a mistake costs where only some labels have a cost.
const USUAL: f64 = 1.0;

/// What each pair of truth and answer costs.
///
/// Either a table, as people draw a confusion matrix, or one cost for each true label that is not recognized. Costs may
/// be negative: a gain.
#[derive(Debug, Clone, PartialEq)]
pub struct Costs(Form);

#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// `[truth][answer]`.
    Table { answers: Vec<String>, rows: Vec<(String, Vec<f64>)> },
    /// What it costs to miss a label, whatever the answer; 1 for labels without one.
    Misses(Vec<(String, f64)>),
}

impl Costs {
    /// Reads a CSV table. Its head names the answers, its first column the true labels; a column `no_answer` may say
    /// what a missing answer costs, and where it is missing that is the highest cost of the row.
    ///
    /// ```
    /// use weighbridge_eval::score::Costs;
    /// assert!(Costs::parse("truth,benign,malware\nbenign,0,1\nmalware,20,0\n").is_ok());
    /// assert!(Costs::parse("truth,benign,malware\nbenign,0,cheap\n").is_err());
    /// ```
    ///
    /// # Errors
    /// [`ScoreError::Costs`] for a table without costs, a cost that is no finite number, and a label that stands twice.
    pub fn parse(text: &str) -> Result<Self, ScoreError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let fail = |line: u64, what: String| ScoreError::Costs { line, what };
        let broken = |error: csv::Error| {
            fail(error.position().map_or(1, csv::Position::line), "it is no line of the table".to_owned())
        };
        let answers: Vec<String> = reader.headers().map_err(broken)?.iter().skip(1).map(str::to_owned).collect();
        let mut rows: Vec<(String, Vec<f64>)> = Vec::new();
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let line = record.position().map_or(0, csv::Position::line);
            let label = record.get(0).unwrap_or_default().to_owned();
            let cost = |text: &str| {
                let number = text.parse::<f64>().ok().filter(|cost| cost.is_finite());
                number.ok_or_else(|| fail(line, format!("`{text}` is no finite number")))
            };
            let costs = record.iter().skip(1).map(cost).collect::<Result<_, _>>()?;
            if rows.iter().any(|(known, _)| *known == label) {
                return Err(fail(line, format!("the label `{label}` stands twice")));
            }
            rows.push((label, costs));
        }
        let twice = answers.iter().enumerate().find(|(at, label)| answers[..*at].contains(label));
        match twice {
            Some((_, label)) => Err(fail(1, format!("the label `{label}` stands twice"))),
            None if rows.is_empty() || answers.is_empty() => Err(fail(1, "there is no cost in it".to_owned())),
            None => Ok(Self(Form::Table { answers, rows })),
        }
    }

    /// What it costs to miss a sample of each label, whatever the answer. Labels that are not named cost 1.
    #[must_use]
    pub fn of_misses(misses: Vec<(String, f64)>) -> Self {
        Self(Form::Misses(misses))
    }

    /// The costs over these labels, some of which occur as the truth.
    ///
    /// # Errors
    /// [`ScoreError::Setting`] for a label without a cost, and for a cost of a label that does not occur.
    pub(super) fn over(&self, labels: &[String], truths: &[bool]) -> Result<CostsOf, ScoreError> {
        let fail = |label: &str, what: &str| {
            let (setting, value) = ("a label of the costs", label.to_owned());
            ScoreError::Setting { setting, value, what: what.to_owned() }
        };
        match &self.0 {
            Form::Misses(misses) => {
                if let Some((label, _)) = misses.iter().find(|(label, _)| !labels.contains(label)) {
                    return Err(fail(label, "it does not occur"));
                }
                let cost = |truth| misses.iter().find(|(label, _)| label == truth).map_or(USUAL, |(_, cost)| *cost);
                Ok(CostsOf::Misses(labels.iter().map(cost).collect()))
            }
            Form::Table { answers, rows } => {
                let mut cells = Vec::new();
                for (truth, occurs) in labels.iter().zip(truths) {
                    let Some((_, costs)) = rows.iter().find(|(label, _)| label == truth) else {
                        if *occurs {
                            return Err(fail(truth, "it occurs as the truth and has no line in the table"));
                        }
                        cells.extend(std::iter::repeat_n(0.0, labels.len() + 1));
                        continue;
                    };
                    let cost = |answer: &str| answers.iter().position(|known| known == answer).map(|at| costs[at]);
                    for answer in labels {
                        let cost =
                            cost(answer).ok_or_else(|| fail(answer, "it occurs and has no column in the table"))?;
                        cells.push(cost);
                    }
                    cells.push(cost(NO_ANSWER).unwrap_or(costs.iter().copied().fold(f64::NEG_INFINITY, f64::max)));
                }
                Ok(CostsOf::Cells { columns: labels.len() + 1, cells })
            }
        }
    }
}

/// The costs over certain labels, by their position; an answer beyond them is no label.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CostsOf {
    /// `[truth, answer]`, row-major.
    Cells { columns: usize, cells: Vec<f64> },
    /// By true label.
    Misses(Vec<f64>),
}

impl CostsOf {
    pub(super) fn of(&self, (truth, answer): (u32, u32)) -> f64 {
        match self {
            Self::Cells { columns, cells } => cells[truth as usize * columns + answer as usize],
            Self::Misses(_) if truth == answer => 0.0,
            Self::Misses(costs) => costs[truth as usize],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels() -> Vec<String> {
        vec!["ben".to_owned(), "mal".to_owned()]
    }

    /// The costs `[truth, answer]`, with a last column for missing answers.
    fn cells(costs: &Costs, truths: [bool; 2]) -> Result<Vec<f64>, ScoreError> {
        let costs = costs.over(&labels(), &truths)?;
        Ok([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)].map(|place| costs.of(place)).to_vec())
    }

    #[test]
    fn a_table_fills_every_cell() {
        let cells = |text: &str| Costs::parse(text).and_then(|costs| cells(&costs, [true, true]));
        assert_eq!(cells("truth,mal,ben\nben,1,0\nmal,-2,20\n").unwrap(), [0.0, 1.0, 1.0, 20.0, -2.0, 20.0]);
        assert_eq!(cells("t,ben,mal,no_answer\nben,0,1,3\nmal,20,0,4\n").unwrap(), [0.0, 1.0, 3.0, 20.0, 0.0, 4.0]);
        let refused = |text: &str, expected: &str| {
            let error = cells(text).unwrap_err();
            assert!(error.to_string().contains(expected) && !error.hint().is_empty(), "{error}");
        };
        refused("truth,ben\nben,0\nmal,1\n", "use `mal` as a label of the costs");
        refused("truth,ben,mal\nben,0,1\n", "use `mal` as a label of the costs");
        refused("truth,ben,mal\nben,0,NaN\n", "line 2: `NaN` is no finite number");
        refused("truth,ben,ben\nben,0,1\n", "line 1: the label `ben` stands twice");
        refused("truth,ben,mal\nben,0,1\nben,0,1\n", "line 3: the label `ben` stands twice");
        refused("truth,ben,mal\nben,0\n", "line 2");
        refused("", "there is no cost in it");
    }

    #[test]
    fn a_label_that_never_is_the_truth_needs_no_line() {
        let costs = Costs::parse("truth,ben,mal\nben,0,1\n").unwrap();
        assert_eq!(cells(&costs, [true, false]).unwrap(), [0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn misses_cost_what_their_label_says() {
        let costs = Costs::of_misses(vec![("mal".to_owned(), 20.0)]);
        assert_eq!(cells(&costs, [true, true]).unwrap(), [0.0, 1.0, 1.0, 20.0, 0.0, 20.0]);
        assert!(cells(&Costs::of_misses(vec![("other".to_owned(), 2.0)]), [true, true]).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_table_or_an_error(text in ".*", rows in prop::collection::vec("[a-c,0-9\"\n]*", 0..6)) {
            let _ = Costs::parse(&text);
            let _ = Costs::parse(&rows.join("\n")).map(|costs| cells(&costs, [true, true]));
        }
    }
}
