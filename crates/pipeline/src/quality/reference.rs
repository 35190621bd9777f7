//! The reference system's score, with each of its terms measured instead of guessed. It is reported beside ours, and decides nothing.

use serde::{Deserialize, Serialize};

/// `0.3 completeness + 0.4 accuracy + 0.2 consistency + 0.1 technical depth`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceScore {
    /// The weighted sum, 0 to 1.
    pub score: f64,
    /// Share of a document's chunks with an item that is kept.
    pub completeness: f64,
    /// Mean grounding of the document's items, rejected ones among them.
    pub accuracy: f64,
    /// 1 less the share of the document's items that were rejected.
    pub consistency: f64,
    /// Share of the kept answers that hold a number or an identifier.
    pub technical_depth: f64,
}

/// The score of a document by the reference's formula. `None` without chunks or items.
#[must_use]
pub fn reference_score(
    chunks: u64,
    chunks_with_items: u64,
    groundings: &[f64],
    kept: u64,
    technical: u64,
) -> Option<ReferenceScore> {
    if chunks == 0 || groundings.is_empty() {
        return None;
    }
    let completeness = (chunks_with_items as f64 / chunks as f64).min(1.0);
    let accuracy = groundings.iter().sum::<f64>() / groundings.len() as f64;
    let consistency = kept as f64 / groundings.len() as f64;
    let technical_depth = if kept == 0 { 0.0 } else { technical as f64 / kept as f64 };
    let score = 0.3 * completeness + 0.4 * accuracy + 0.2 * consistency + 0.1 * technical_depth;
    Some(ReferenceScore { score, completeness, accuracy, consistency, technical_depth })
}

/// The reference's name of a score: its levels are above 0.9, 0.742, 0.6 and 0.4.
#[must_use]
pub fn reference_level(score: f64) -> &'static str {
    match score {
        score if score > 0.9 => "excellent",
        score if score > 0.742 => "good",
        score if score > 0.6 => "acceptable",
        score if score > 0.4 => "poor",
        _ => "unusable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terms_are_weighted() {
        let found = reference_score(4, 2, &[1.0, 0.5], 1, 1).unwrap();
        assert!((found.score - (0.15 + 0.3 + 0.1 + 0.1)).abs() < 1e-9, "{found:?}");
        assert_eq!(reference_score(0, 0, &[1.0], 1, 0), None);
        assert_eq!(reference_score(1, 0, &[], 0, 0), None);
    }

    #[test]
    fn levels_are_above_their_bounds() {
        assert_eq!(
            [0.91, 0.9, 0.742, 0.6, 0.4].map(reference_level),
            ["excellent", "good", "acceptable", "poor", "unusable"]
        );
    }
}
