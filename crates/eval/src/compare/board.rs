//! Who stands where, as far as the data tell.

use serde::Serialize;

use weighbridge_types::comparison::Verdict;

use super::difference::Difference;

/// The sides by one metric, the best first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Board {
    /// The task; none for files of predictions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Name of the metric.
    pub metric: String,
    /// What was done with answers before, or which kind of the metric it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Name for people.
    #[serde(skip)]
    pub title: String,
    /// The sides.
    pub places: Vec<Place>,
}

/// Where one side stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Place {
    /// The side.
    pub side: String,
    /// Its figure over the pairs with the first side of the comparison.
    pub value: f64,
    /// Its group, from 1. A group is led by the best side that is in no group before; in it are those that are not
    /// clearly worse than its leader.
    pub group: u32,
    /// Its best possible rank: one more than the sides that are clearly better.
    pub rank_best: usize,
    /// Its worst possible rank: all but the sides that are clearly worse.
    pub rank_worst: usize,
}

/// Boards of every task and metric that all sides have, from judged differences. `names` are the sides in the order of
/// the comparison.
pub(super) fn boards(names: &[&str], differences: &[Difference]) -> Vec<Board> {
    let mut boards: Vec<Board> = Vec::new();
    for first in differences {
        let is_same =
            |of: &&Difference| of.task == first.task && of.metric == first.metric && of.filter == first.filter;
        let is_done = boards
            .iter()
            .any(|board| board.task == first.task && board.metric == first.metric && board.filter == first.filter);
        if !is_done {
            let own: Vec<&Difference> = differences.iter().filter(is_same).collect();
            boards.extend(board(names, &own));
        }
    }
    boards
}

fn board(names: &[&str], differences: &[&Difference]) -> Option<Board> {
    let first = differences.first()?;
    let of = |a: &str, b: &str| differences.iter().find(|of| of.baseline == a && of.candidate == b);
    let value = |name: &str| match name == names[0] {
        true => Some(of(names[0], names.get(1)?)?.baseline_value),
        false => Some(of(names[0], name)?.candidate_value),
    };
    let mut sides: Vec<(&str, f64)> = names.iter().filter_map(|name| Some((*name, value(name)?))).collect();
    if sides.len() < names.len() {
        return None;
    }
    // Equals stay in the order of the comparison.
    sides.sort_by(|a, b| (first.sign * b.1).total_cmp(&(first.sign * a.1)));
    let is_better = |a: &str, b: &str| {
        of(b, a).is_some_and(|of| of.verdict == Verdict::Better)
            || of(a, b).is_some_and(|of| of.verdict == Verdict::Worse)
    };
    let mut groups = vec![0_u32; sides.len()];
    let mut count = 0;
    for leader in 0..sides.len() {
        if groups[leader] > 0 {
            continue;
        }
        count += 1;
        for (place, group) in groups.iter_mut().enumerate().skip(leader) {
            if *group == 0 && !is_better(sides[leader].0, sides[place].0) {
                *group = count;
            }
        }
    }
    let place = |(at, &(side, value)): (usize, &(&str, f64))| Place {
        side: side.to_owned(),
        value,
        group: groups[at],
        rank_best: 1 + sides.iter().filter(|other| is_better(other.0, side)).count(),
        rank_worst: sides.len() - sides.iter().filter(|other| is_better(side, other.0)).count(),
    };
    Some(Board {
        task: first.task.clone(),
        metric: first.metric.clone(),
        filter: first.filter.clone(),
        title: first.title.clone(),
        places: sides.iter().enumerate().map(place).collect(),
    })
}
