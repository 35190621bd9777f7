//! Two targets in turns: blocks of one run each in random order, a test of the host first, and an end that was fixed before.
//!
//! What the host does meanwhile meets both sides of a block alike, so only the differences within blocks count. The looks at
//! which it may end are fixed, and the confidence of each is raised so that all of them together keep the one that was asked
//! (Bonferroni): whoever looks at every run until something is significant always finds something.

use weighbridge_stats::adaptive::Looks;
use weighbridge_stats::coin;
use weighbridge_types::comparison::{Comparison, Verdict};
use weighbridge_types::record::Record;

use crate::VerdictError;
use crate::compare::{Settings, Side, compare};

/// How two targets are compared in turns.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How verdicts are reached; its confidence holds over all looks.
    pub settings: Settings,
    /// Blocks at most.
    pub most: usize,
    /// Ends when the interval of every gating metric is at most this wide to either side, a share.
    pub precision: f64,
    /// Blocks in which the first target is set against itself before; 0 leaves the test out.
    pub self_test: usize,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// The first target.
    A,
    /// The second target.
    B,
}

/// One run to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Of which target. In the self-test both arms are the first one.
    pub arm: Arm,
    /// Whether it belongs to the self-test.
    pub is_self_test: bool,
    /// The block, from 0 on.
    pub block: usize,
    /// Seed of the run: that of the other run of its block.
    pub seed: u64,
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The intervals are as narrow as was asked.
    Precise,
    /// The last block that was allowed.
    Blocks,
    /// It was stopped.
    Stopped,
    /// The host tells equal targets apart: nothing that it says of others can be believed.
    SelfTest,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first target against itself; `None` where that was left out.
    pub self_test: Option<Comparison>,
    /// The second against the first; `None` where it came to no block of both.
    pub comparison: Option<Comparison>,
    /// Why it ended.
    pub end: End,
    /// Blocks of both targets.
    pub blocks: usize,
}

/// Names of the sides.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Of the first target.
    pub a: &'a str,
    /// Of the second.
    pub b: &'a str,
}

impl Plan {
    /// Makes runs through `measure`, which gives `None` when it was stopped, until it is precise enough.
    ///
    /// # Errors
    /// [`VerdictError`] as [`compare`] gives it, or what `measure` fails with.
    pub fn run<E: From<VerdictError>>(
        &self,
        names: Names<'_>,
        mut measure: impl FnMut(Turn) -> Result<Option<Record>, E>,
    ) -> Result<Outcome, E> {
        self.check()?;
        let mut self_test = None;
        if self.self_test > 0 {
            let (first, second) = ("once".to_owned(), "again".to_owned());
            let mut sides = [Side { name: first, runs: Vec::new() }, Side { name: second, runs: Vec::new() }];
            for block in 0..self.self_test {
                if !self.block(block, true, &mut sides, &mut measure)? {
                    return Ok(Outcome { self_test: None, comparison: None, end: End::Stopped, blocks: 0 });
                }
            }
            let found = compare(&sides, &[], &self.paired(None)).map_err(E::from)?;
            let is_equal = !matches!(found.verdict(), Verdict::Worse | Verdict::Better);
            self_test = Some(found);
            if !is_equal && !self.settings.force {
                return Ok(Outcome { self_test, comparison: None, end: End::SelfTest, blocks: 0 });
            }
        }
        let mut sides =
            [(names.a, Vec::new()), (names.b, Vec::new())].map(|(name, runs)| Side { name: name.to_owned(), runs });
        let looks = Looks::up_to(self.most);
        let mut comparison = None;
        for block in 0..self.most {
            let went_on = self.block(block, false, &mut sides, &mut measure)?;
            let blocks = sides[0].runs.len();
            let is_last = !went_on || blocks == self.most;
            if blocks > 0 && (is_last || looks.contains(blocks)) {
                let found = compare(&sides, &[], &self.paired(Some(&looks))).map_err(E::from)?;
                let is_precise = blocks > 1 && self.is_precise(&found);
                comparison = Some(found);
                if is_precise && went_on {
                    return Ok(Outcome { self_test, comparison, end: End::Precise, blocks });
                }
            }
            if !went_on {
                return Ok(Outcome { self_test, comparison, end: End::Stopped, blocks });
            }
        }
        let blocks = sides[0].runs.len();
        Ok(Outcome { self_test, comparison, end: End::Blocks, blocks })
    }

    fn check(&self) -> Result<(), VerdictError> {
        if self.most < 2 {
            let value = self.most as f64;
            return Err(VerdictError::Setting { what: "a number of blocks of", value, expected: "at least 2" });
        }
        if !(self.precision > 0.0 && self.precision < 1.0) {
            let value = self.precision;
            return Err(VerdictError::Setting { what: "a precision of", value, expected: "a share between 0 and 1" });
        }
        Ok(())
    }

    /// Settings of pairs, whose confidence is raised so that all looks keep the one that was asked.
    fn paired(&self, looks: Option<&Looks>) -> Settings {
        let asked = self.settings.confidence;
        let confidence = looks.map_or(asked, |looks| looks.confidence(asked));
        Settings { confidence, paired: true, ..self.settings.clone() }
    }

    /// One run of each side, in an order that the seed decides. False when it was stopped; then neither run counts.
    fn block<E>(
        &self,
        block: usize,
        is_self_test: bool,
        sides: &mut [Side; 2],
        measure: &mut impl FnMut(Turn) -> Result<Option<Record>, E>,
    ) -> Result<bool, E> {
        // The self-test has seeds of its own.
        let offset = if is_self_test { 1_000_000 } else { 0 };
        let seed = self.settings.resampling.seed().wrapping_add(offset + block as u64);
        let is_swapped = coin(seed);
        let arms = if is_swapped { [Arm::B, Arm::A] } else { [Arm::A, Arm::B] };
        let mut made = Vec::with_capacity(2);
        for arm in arms {
            match measure(Turn { arm, is_self_test, block, seed })? {
                Some(record) => made.push((arm, record)),
                None => return Ok(false),
            }
        }
        for (arm, record) in made {
            sides[usize::from(arm == Arm::B)].runs.push(record);
        }
        Ok(true)
    }

    /// Whether the interval of every gating metric with a ratio is as narrow as was asked.
    fn is_precise(&self, found: &Comparison) -> bool {
        let rows = found.contrasts.iter().flat_map(|contrast| &contrast.rows);
        let mut gating = rows.filter(|row| row.gating && row.ratio.is_some()).peekable();
        gating.peek().is_some()
            && gating.all(|row| {
                row.interval
                    .as_ref()
                    .is_some_and(|interval| (interval.high / interval.low).sqrt() - 1.0 <= self.precision)
            })
    }
}
