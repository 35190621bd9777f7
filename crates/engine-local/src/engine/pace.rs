//! How much of the prompts a step reads, so that running streams keep their pace.

use std::time::Duration;

/// Prompt tokens that one step reads where nobody waits for a next token: more make it no faster.
const PIECE: usize = 256;

/// Prompt tokens that a step reads at least, so that prompts end.
const SMALLEST_PIECE: usize = 8;

/// A step with prompt tokens takes at most this many times as long as one without.
const SLOWEST: f64 = 2.0;

/// Weight of the newest step in the averages.
const NEWEST: f64 = 0.2;

/// What steps took lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Seconds of a step that only decodes.
    step: Option<f64>,
    /// Seconds that one prompt token adds to a step.
    token: Option<f64>,
}

impl Pace {
    /// Learns from a step.
    pub(super) fn note(&mut self, decoded: usize, read: usize, took: Duration) {
        let took = took.as_secs_f64();
        let (average, value) = match (decoded, read) {
            (1.., 0) => (&mut self.step, took),
            (0, 1..) => (&mut self.token, took / read as f64),
            (1.., 1..) => (&mut self.token, (took - self.step.unwrap_or(0.0)).max(0.0) / read as f64),
            (0, 0) => return,
        };
        *average = Some(average.map_or(value, |average| average + NEWEST * (value - average)));
    }

    /// Tokens of each sequence that the next step computes, from those that are pending. One token is always computed;
    /// prompts share what is left: half is for the oldest, the rest for those that are nearest to their end, so that a
    /// short prompt overtakes a long one and none waits for ever.
    pub(super) fn plan(&self, pending: &[usize]) -> Vec<usize> {
        let mut plan: Vec<usize> = pending.iter().map(|&pending| usize::from(pending == 1)).collect();
        let mut prompts: Vec<usize> = (0..pending.len()).filter(|&number| pending[number] > 1).collect();
        let Some(&oldest) = prompts.first() else { return plan };
        let mut left = self.piece(pending.contains(&1));
        plan[oldest] = pending[oldest].min(left.div_ceil(2));
        left -= plan[oldest];
        prompts.sort_by_key(|&number| pending[number]);
        for number in prompts {
            let more = (pending[number] - plan[number]).min(left);
            plan[number] += more;
            left -= more;
        }
        plan
    }

    fn piece(&self, streams: bool) -> usize {
        match (streams, self.step, self.token) {
            (false, ..) => PIECE,
            (true, Some(step), Some(token)) if token > 0.0 => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "clamped before it is used"
                )]
                let piece = ((SLOWEST - 1.0) * step / token) as usize;
                piece.clamp(SMALLEST_PIECE, PIECE)
            }
            (true, ..) => SMALLEST_PIECE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        let mut pace = Pace::default();
        pace.note(1, 0, Duration::from_millis(10));
        pace.note(0, 100, Duration::from_millis(100));
        pace
    }

    #[test]
    fn prompts_are_read_in_large_pieces_while_nobody_decodes() {
        assert_eq!(pace().plan(&[1000]), [256]);
        assert_eq!(pace().plan(&[1000, 20]), [236, 20]);
        assert_eq!(pace().plan(&[100, 1000, 300]), [100, 0, 156]);
    }

    #[test]
    fn streams_get_their_token_and_wait_for_a_bounded_piece() {
        // A step of 10 ms may take 20: 10 prompt tokens of 1 ms.
        assert_eq!(pace().plan(&[1, 1, 1000]), [1, 1, 10]);
        assert_eq!(pace().plan(&[1, 1000, 3]), [1, 7, 3]);
        assert_eq!(pace().plan(&[]), [0; 0]);
    }

    #[test]
    fn nothing_known_is_a_small_piece() {
        assert_eq!(Pace::default().plan(&[1, 1000]), [1, 8]);
    }
}
