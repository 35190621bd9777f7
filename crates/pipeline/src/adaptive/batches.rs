//! How many documents are worked on together, and by how many workers.

use serde::{Deserialize, Serialize};

/// A class of documents by the size of their file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SizeClass {
    /// Below 1 MiB.
    Small,
    /// 1 to 10 MiB.
    Medium,
    /// 10 to 50 MiB, both included at the end.
    Large,
    /// Above 50 MiB: taken under a limit of its own.
    Oversize,
}

const MIB: u64 = 1 << 20;

impl SizeClass {
    /// The class of a file of so many bytes.
    #[must_use]
    pub const fn of(bytes: u64) -> Self {
        match bytes {
            0..MIB => Self::Small,
            MIB..TEN_MIB => Self::Medium,
            TEN_MIB..=FIFTY_MIB => Self::Large,
            _ => Self::Oversize,
        }
    }
}

const TEN_MIB: u64 = 10 * MIB;
const FIFTY_MIB: u64 = 50 * MIB;

/// How documents of a class are worked on together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchClass {
    /// Documents at most.
    pub batch_size: u32,
    /// Memory at most, GB.
    pub memory_limit_gb: f64,
    /// Time at most, s.
    pub timeout_seconds: u64,
}

/// How documents are worked on together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batching {
    /// Of small documents.
    pub small_documents: BatchClass,
    /// Of medium documents.
    pub medium_documents: BatchClass,
    /// Of large documents, and of those above.
    pub large_documents: BatchClass,
    /// How sizes follow the memory.
    pub adaptive_batching: AdaptiveBatching,
}

impl Default for Batching {
    fn default() -> Self {
        let class =
            |batch_size, memory_limit_gb, timeout_seconds| BatchClass { batch_size, memory_limit_gb, timeout_seconds };
        Self {
            small_documents: class(150, 45.0, 600),
            medium_documents: class(50, 65.0, 1200),
            large_documents: class(10, 85.0, 2400),
            adaptive_batching: AdaptiveBatching::default(),
        }
    }
}

impl Batching {
    /// Of a class; `None` for what is above the largest.
    #[must_use]
    pub const fn of(&self, class: SizeClass) -> Option<BatchClass> {
        match class {
            SizeClass::Small => Some(self.small_documents),
            SizeClass::Medium => Some(self.medium_documents),
            SizeClass::Large => Some(self.large_documents),
            SizeClass::Oversize => None,
        }
    }
}

/// How sizes follow the memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptiveBatching {
    /// Whether they do.
    pub enable: bool,
    /// The smallest size.
    pub min_batch_size: u32,
    /// The largest size.
    pub max_batch_size: u32,
    /// The share of the budget that is aimed at.
    pub memory_target: f64,
}

impl Default for AdaptiveBatching {
    fn default() -> Self {
        Self { enable: true, min_batch_size: 5, max_batch_size: 200, memory_target: 0.80 }
    }
}

/// The greatest step up: memory per document is known only for what was seen.
const GREATEST_GROWTH: f64 = 1.5;
/// How much of the difference to the size that would fit is taken at once: the rest is noise as often as not.
const DAMPING: f64 = 0.5;

impl AdaptiveBatching {
    /// The size of the next batch, from the size of the last one and the peak of memory that was measured in it, as a share of the budget.
    /// `None`: nothing was measured, and the size stays within its bounds. Above the budget it falls at once.
    #[must_use]
    pub fn next(&self, size: u32, memory_share: Option<f64>) -> u32 {
        let within = |size: u32| size.clamp(self.min_batch_size, self.max_batch_size.max(self.min_batch_size));
        let Some(share) = memory_share.filter(|share| self.enable && share.is_finite() && *share > 0.0) else {
            return within(size);
        };
        let fits = f64::from(size) * self.memory_target / share;
        let aimed = if share > 1.0 { fits } else { f64::from(size) + (fits - f64::from(size)) * DAMPING };
        let bounded = aimed.min(f64::from(size) * GREATEST_GROWTH).clamp(0.0, f64::from(u32::MAX));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range")]
        let next = if bounded > f64::from(size) { bounded.ceil() } else { bounded.floor() } as u32;
        within(next)
    }
}

/// What bounds a stage's workers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageWorkers {
    /// Workers at most.
    pub max_workers: u32,
    /// Memory of each, GB; `None` where it does not count.
    #[serde(default)]
    pub memory_per_worker: Option<f64>,
    /// Bytes of the buffer of each; `None` where it has none.
    #[serde(default)]
    pub buffer_bytes: Option<u64>,
}

/// Workers of the stages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workers {
    /// Bounded by the processors.
    pub conversion_stage: StageWorkers,
    /// Bounded by the memory.
    pub langextract_stage: StageWorkers,
    /// Bounded by the disk.
    pub input_output_stage: StageWorkers,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            conversion_stage: StageWorkers { max_workers: 8, memory_per_worker: None, buffer_bytes: None },
            langextract_stage: StageWorkers { max_workers: 3, memory_per_worker: Some(30.0), buffer_bytes: None },
            input_output_stage: StageWorkers { max_workers: 4, memory_per_worker: None, buffer_bytes: Some(64 << 20) },
        }
    }
}

/// How many workers a stage gets, and what bounded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerPlan {
    /// Workers, 1 at least.
    pub workers: u32,
    /// What bounded it.
    pub note: String,
}

impl StageWorkers {
    /// Workers on so many processors with so much memory, GB. One is always had, however small the budget.
    #[must_use]
    pub fn plan(&self, processors: u32, budget_gb: f64) -> WorkerPlan {
        let mut plan = WorkerPlan { workers: self.max_workers.max(1), note: "as many as the settings say".to_owned() };
        if let Some(need) = self.memory_per_worker.filter(|need| *need > 0.0) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range")]
            let fit = (budget_gb / need).floor().clamp(1.0, f64::from(u32::MAX)) as u32;
            if fit < plan.workers {
                plan = WorkerPlan { workers: fit, note: format!("{budget_gb} GB hold {fit} of {need} GB") };
            }
        } else if self.buffer_bytes.is_none() && processors.max(1) < plan.workers {
            plan =
                WorkerPlan { workers: processors.max(1), note: format!("capped to {} processors", processors.max(1)) };
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_fall_into_their_class() {
        let check = |bytes: u64, expected| assert_eq!(SizeClass::of(bytes), expected, "{bytes}");
        check(0, SizeClass::Small);
        check(MIB - 1, SizeClass::Small);
        check(MIB, SizeClass::Medium);
        check(10 * MIB - 1, SizeClass::Medium);
        check(10 * MIB, SizeClass::Large);
        check(50 * MIB, SizeClass::Large);
        check(50 * MIB + 1, SizeClass::Oversize);
    }

    #[test]
    fn classes_have_their_batches() {
        let batching = Batching::default();
        assert_eq!(batching.of(SizeClass::Small).unwrap().batch_size, 150);
        assert_eq!(batching.of(SizeClass::Medium).unwrap().timeout_seconds, 1200);
        assert!((batching.of(SizeClass::Large).unwrap().memory_limit_gb - 85.0).abs() < 1e-9);
        assert_eq!(batching.of(SizeClass::Oversize), None);
    }

    #[test]
    fn sizes_converge_to_the_target() {
        let adaptive = AdaptiveBatching::default();
        for (start, per_document) in [(5, 0.01), (200, 0.01), (50, 0.005), (10, 0.02)] {
            let mut size = start;
            for _ in 0..30 {
                size = adaptive.next(size, Some(f64::from(size) * per_document));
                assert!((5..=200).contains(&size));
            }
            let share = f64::from(size) * per_document;
            assert!((0.75..=0.85).contains(&share), "{size} {share}");
        }
    }

    #[test]
    fn sizes_keep_to_their_bounds() {
        let adaptive = AdaptiveBatching::default();
        assert_eq!(adaptive.next(100, Some(50.0)), 5);
        assert_eq!(adaptive.next(180, Some(0.001)), 200);
        assert_eq!(adaptive.next(1, None), 5);
        assert_eq!(adaptive.next(100, Some(f64::NAN)), 100);
        assert_eq!(AdaptiveBatching { enable: false, ..adaptive }.next(100, Some(2.0)), 100);
    }

    #[test]
    fn workers_fit_the_machine() {
        let workers = Workers::default();
        let plan = |stage: StageWorkers, processors, budget| stage.plan(processors, budget).workers;
        assert_eq!(plan(workers.conversion_stage, 2, 8.0), 2);
        assert_eq!(plan(workers.conversion_stage, 64, 8.0), 8);
        assert_eq!(plan(workers.langextract_stage, 64, 8.0), 1);
        assert_eq!(plan(workers.langextract_stage, 2, 65.0), 2);
        assert_eq!(plan(workers.langextract_stage, 2, 500.0), 3);
        assert_eq!(plan(workers.input_output_stage, 1, 1.0), 4);
        assert_eq!(workers.conversion_stage.plan(2, 8.0).note, "capped to 2 processors");
    }

    proptest::proptest! {
        #[test]
        fn any_measurement_gives_a_size_within_the_bounds(size in 0_u32..1000, share in proptest::num::f64::ANY) {
            let next = AdaptiveBatching::default().next(size, Some(share));
            proptest::prop_assert!((5..=200).contains(&next));
        }
    }
}
