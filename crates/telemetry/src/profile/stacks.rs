//! Weighted stacks.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::names::cleaned;

/// Stacks that were seen, each with how often and when.
///
/// The first frame of a stack is the name of its thread, the next is the outermost function, the last is where the
/// processor was. A frame holds no semicolon, no line break and no blank at its ends, and is not empty, so that every form
/// can hold it.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    period: Option<Period>,
    lost: u64,
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    stacks: Vec<Vec<u32>>,
    places: HashMap<Vec<u32>, u32>,
    samples: Vec<Sample>,
    runs: Vec<ProfiledRun>,
}

/// A run that was measured while sampling went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfiledRun {
    /// Its name: not empty, of one line.
    pub run_id: String,
    /// The origin of its clock, since sampling began.
    pub origin: Duration,
}

/// What a sample stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// So much time on a processor.
    Processor(Duration),
    /// So many bytes that were allocated.
    Allocated(u64),
}

impl Period {
    /// Nanoseconds or bytes, at most what a signed number holds.
    pub(super) fn number(self) -> u64 {
        let number = match self {
            Self::Processor(time) => u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            Self::Allocated(bytes) => bytes,
        };
        number.min(i64::MAX.cast_unsigned())
    }
}

/// A stack at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    stack: u32,
    /// Since sampling began; zero where it is not known, as in files.
    pub at: Duration,
    /// How often, at least 1.
    pub count: u64,
}

impl Profile {
    /// An empty profile. `period` is what a sample stands for, `None` where it is not known.
    #[must_use]
    pub fn new(period: Option<Period>) -> Self {
        Self { period: period.filter(|period| period.number() > 0), ..Self::default() }
    }

    /// Adds a stack, its thread first. Nothing is added for a count of 0; a stack without frames is of an unknown thread.
    pub fn add<'a>(&mut self, frames: impl IntoIterator<Item = &'a str>, at: Duration, count: u64) {
        if count == 0 {
            return;
        }
        let mut stack: Vec<u32> = frames.into_iter().map(|name| self.number(name)).collect();
        if stack.is_empty() {
            stack.push(self.number(""));
        }
        let next = u32::try_from(self.stacks.len()).expect("four billion stacks do not fit into memory");
        let place = *self.places.entry(stack).or_insert_with_key(|stack| {
            self.stacks.push(stack.clone());
            next
        });
        self.samples.push(Sample { stack: place, at, count });
    }

    fn number(&mut self, name: &str) -> u32 {
        let name = cleaned(name);
        if let Some(&number) = self.numbers.get(&*name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).expect("four billion names do not fit into memory");
        self.names.push(name.clone().into_owned());
        self.numbers.insert(name.into_owned(), number);
        number
    }

    /// Notes a run that was measured meanwhile, so that samples can be held against its requests.
    pub fn add_run(&mut self, run: ProfiledRun) {
        self.runs.push(run);
    }

    /// The runs that were measured meanwhile, as far as they were noted.
    #[must_use]
    pub fn runs(&self) -> &[ProfiledRun] {
        &self.runs
    }

    /// Whether samples say when they were taken.
    #[must_use]
    pub fn has_times(&self) -> bool {
        self.samples.iter().any(|sample| !sample.at.is_zero())
    }

    /// An empty profile of the same kind, of the same runs.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { runs: self.runs.clone(), ..Self::new(self.period) }
    }

    /// Counts samples for which there was no room.
    pub const fn add_lost(&mut self, lost: u64) {
        self.lost = self.lost.saturating_add(lost);
    }

    /// Samples for which there was no room.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// What a sample stands for; `None` where it is not known.
    #[must_use]
    pub const fn period(&self) -> Option<Period> {
        self.period
    }

    /// All samples.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.samples.iter().fold(0, |total, sample| total.saturating_add(sample.count))
    }

    /// Samples in the order in which they were added, each with its frames.
    pub fn samples(&self) -> impl Iterator<Item = (Vec<&str>, Sample)> {
        self.samples.iter().map(|sample| (self.frames(sample.stack), *sample))
    }

    /// When each stack was seen and how often, in the order of the stacks' names and then of time.
    pub(super) fn times(&self) -> BTreeMap<Vec<&str>, Vec<(Duration, u64)>> {
        let mut all = vec![Vec::new(); self.stacks.len()];
        for sample in &self.samples {
            all[sample.stack as usize].push((sample.at, sample.count));
        }
        let stacks = (0..).zip(all).filter(|(_, times)| !times.is_empty());
        let sorted = |mut times: Vec<(Duration, u64)>| {
            times.sort_unstable();
            times
        };
        stacks.map(|(stack, times)| (self.frames(stack), sorted(times))).collect()
    }

    fn frames(&self, stack: u32) -> Vec<&str> {
        self.stacks[stack as usize].iter().map(|&name| &*self.names[name as usize]).collect()
    }

    /// Every stack once, with all its samples, in the order of its names.
    #[must_use]
    pub fn stacks(&self) -> BTreeMap<Vec<&str>, u64> {
        let mut counts = vec![0_u64; self.stacks.len()];
        for sample in &self.samples {
            let count = &mut counts[sample.stack as usize];
            *count = count.saturating_add(sample.count);
        }
        let stacks = (0..).zip(counts).filter(|(_, count)| *count > 0);
        stacks.map(|(stack, count)| (self.frames(stack), count)).collect()
    }

    /// The same stacks without what they end with, as long as that is named so; a thread stays.
    #[must_use]
    pub fn without_ends(&self, is_end: impl Fn(&str) -> bool) -> Self {
        let mut trimmed = self.emptied();
        trimmed.add_lost(self.lost);
        for (mut frames, sample) in self.samples() {
            while frames.len() > 1 && frames.last().is_some_and(|name| is_end(name)) {
                frames.pop();
            }
            trimmed.add(frames, sample.at, sample.count);
        }
        trimmed
    }

    /// What was seen from `from` on and before `to`, both since sampling began.
    #[must_use]
    pub fn between(&self, from: Duration, to: Duration) -> Self {
        let mut part = self.emptied();
        for (frames, sample) in self.samples().filter(|(_, sample)| (from..to).contains(&sample.at)) {
            part.add(frames, sample.at, sample.count);
        }
        part
    }
}

/// Two profiles are equal when they hold the same stacks equally often.
impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.stacks() == other.stacks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn equal_stacks_add_up_and_windows_part_them() {
        let mut profile = Profile::new(Some(Period::Processor(Duration::from_millis(10))));
        profile.add(["main", "run", "work"], SECOND, 2);
        profile.add(["main", "run", "work"], 3 * SECOND, 5);
        profile.add(["main", "run"], 3 * SECOND, 1);
        profile.add(["main", "never"], SECOND, 0);
        let all = BTreeMap::from([(vec!["main", "run"], 1), (vec!["main", "run", "work"], 7)]);
        assert_eq!(profile.stacks(), all);
        assert_eq!(profile.total(), 8);
        let late = profile.between(3 * SECOND, 4 * SECOND);
        assert_eq!(late.stacks(), BTreeMap::from([(vec!["main", "run"], 1), (vec!["main", "run", "work"], 5)]));
        assert_eq!(late.period(), profile.period());
        assert_eq!(profile.between(4 * SECOND, 3 * SECOND).total(), 0);
    }

    #[test]
    fn ends_are_taken_off_to_the_first_that_stays() {
        let mut profile = Profile::new(None);
        profile.add(["main", "alloc", "work", "alloc", "note"], SECOND, 2);
        profile.add(["alloc"], SECOND, 1);
        let trimmed = profile.without_ends(|name| matches!(name, "alloc" | "note"));
        assert_eq!(trimmed.stacks(), BTreeMap::from([(vec!["main", "alloc", "work"], 2), (vec!["alloc"], 1)]));
    }

    #[test]
    fn counts_do_not_overflow() {
        let mut profile = Profile::new(None);
        profile.add([], Duration::ZERO, u64::MAX);
        profile.add([], Duration::ZERO, u64::MAX);
        assert_eq!(profile.stacks(), BTreeMap::from([(vec!["?"], u64::MAX)]));
        assert_eq!(profile.total(), u64::MAX);
    }
}
