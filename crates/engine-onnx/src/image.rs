//! Bytes as a gray image: a text or a file becomes a square of numbers.

use serde::{Deserialize, Serialize};

/// Most bytes of a side; an image of that size is 4 MiB.
const LONGEST_SIDE: usize = 1024;

/// The first `side × side` bytes as a gray image, row after row.
///
/// A pixel is `byte / 255`; pixels after the last byte are 0. Source of the idea: L. Nataraj et al., "Malware Images:
/// Visualization and Automatic Classification" (2011); theirs are as wide as the file is long, these are cut to a square.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByteImage {
    /// Pixels of a side, 1 to 1024.
    pub side: usize,
}

impl ByteImage {
    /// Says what is out of range.
    pub(crate) fn problem(&self) -> Option<String> {
        let is_known = (1..=LONGEST_SIDE).contains(&self.side);
        (!is_known).then(|| format!("its images have `{}` pixels a side; expected 1 to {LONGEST_SIDE}", self.side))
    }

    /// The image of some bytes, `[side, side]`.
    pub(crate) fn row(&self, bytes: &[u8]) -> Vec<f32> {
        let size = self.side * self.side;
        let mut row: Vec<f32> = bytes.iter().take(size).map(|&byte| f32::from(byte) / 255.0).collect();
        row.resize(size, 0.0);
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_fill_the_square_row_after_row() {
        let check = |side: usize, bytes: &[u8], expected: &[f32]| {
            let found: Vec<u32> = ByteImage { side }.row(bytes).iter().map(|value| value.to_bits()).collect();
            assert_eq!(found, expected.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), "{side} {bytes:?}");
        };
        check(2, &[255, 0, 51, 102], &[1.0, 0.0, 0.2, 0.4]);
        check(2, &[255], &[1.0, 0.0, 0.0, 0.0]);
        check(1, &[51, 255], &[0.2]);
        check(1, &[], &[0.0]);
    }

    #[test]
    fn sides_that_are_out_of_range_are_named() {
        assert!(ByteImage { side: 0 }.problem().is_some_and(|problem| problem.contains("`0` pixels")));
        assert!(ByteImage { side: 1025 }.problem().is_some_and(|problem| problem.contains("1025")));
        assert_eq!(ByteImage { side: 64 }.problem(), None);
    }
}
