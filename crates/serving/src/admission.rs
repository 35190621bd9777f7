//! Whether a model fits, and what has to go for it: arithmetic over the table of models.

use weighbridge_types::time::Stamp;

use crate::settings::{PoolSettings, Strategy};

/// A model that is in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resident {
    /// Its place in the table.
    pub(crate) index: usize,
    pub(crate) bytes: u64,
    pub(crate) is_used: bool,
    pub(crate) pinned: bool,
    pub(crate) priority: i32,
    pub(crate) last_used: Stamp,
    /// What its absence would cost: uses per second of late × seconds to load, per byte.
    pub(crate) worth: f64,
}

/// What is taken by models that load just now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loading {
    pub(crate) bytes: u64,
    pub(crate) count: usize,
}

/// What to do to make room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Unload these, in this order; none where it fits as it is.
    Evict(Vec<usize>),
    /// It fits once models that are in use, or load, are not any more.
    Wait,
    /// It fits only by unloading, which the strategy rules out.
    Refuse,
    /// It never fits; so much is left beside the pinned ones.
    Never { left: u64 },
}

/// Makes room for a model of so many bytes.
pub(crate) fn plan(need: u64, settings: &PoolSettings, residents: &[Resident], loading: Loading) -> Plan {
    let budget = settings.memory_budget.unwrap_or(u64::MAX);
    let most = settings.max_models.unwrap_or(usize::MAX);
    let pinned = residents.iter().filter(|resident| resident.pinned);
    let (pinned_bytes, pinned_count) =
        pinned.fold((0_u64, 0), |(bytes, count), resident| (bytes + resident.bytes, count + 1));
    let left = budget.saturating_sub(pinned_bytes);
    if need > left || pinned_count >= most {
        return Plan::Never { left };
    }
    let mut bytes = residents.iter().map(|resident| resident.bytes).fold(loading.bytes, u64::saturating_add);
    let mut count = residents.len() + loading.count;
    let fits = |bytes: u64, count: usize| bytes.saturating_add(need) <= budget && count < most;
    if fits(bytes, count) {
        return Plan::Evict(Vec::new());
    }
    if settings.strategy == Strategy::Circuit {
        return Plan::Refuse;
    }
    let mut candidates: Vec<&Resident> =
        residents.iter().filter(|resident| !resident.pinned && !resident.is_used).collect();
    candidates.sort_by(|a, b| {
        let of_strategy = match settings.strategy {
            Strategy::Adaptive => a.worth.total_cmp(&b.worth),
            Strategy::Eager | Strategy::Lazy | Strategy::Circuit => std::cmp::Ordering::Equal,
        };
        a.priority.cmp(&b.priority).then(of_strategy).then(a.last_used.cmp(&b.last_used)).then(a.index.cmp(&b.index))
    });
    let mut gone = Vec::new();
    for candidate in candidates {
        bytes -= candidate.bytes;
        count -= 1;
        gone.push(candidate.index);
        if fits(bytes, count) {
            return Plan::Evict(gone);
        }
    }
    Plan::Wait
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident(index: usize, bytes: u64, last_used: u64) -> Resident {
        Resident {
            index,
            bytes,
            is_used: false,
            pinned: false,
            priority: 0,
            last_used: Stamp::from_nanos(last_used),
            worth: 0.0,
        }
    }

    fn settings(budget: u64, strategy: Strategy) -> PoolSettings {
        PoolSettings { memory_budget: Some(budget), strategy, ..PoolSettings::default() }
    }

    #[test]
    fn what_was_used_longest_ago_goes_and_no_more_than_has_to() {
        let all = [resident(0, 40, 3), resident(1, 30, 1), resident(2, 20, 2)];
        let plan = |need, strategy| plan(need, &settings(100, strategy), &all, Loading::default());
        assert_eq!(plan(10, Strategy::Lazy), Plan::Evict(vec![]));
        assert_eq!(plan(20, Strategy::Lazy), Plan::Evict(vec![1]));
        assert_eq!(plan(41, Strategy::Lazy), Plan::Evict(vec![1, 2]));
        assert_eq!(plan(101, Strategy::Lazy), Plan::Never { left: 100 });
        assert_eq!(plan(20, Strategy::Circuit), Plan::Refuse);
    }

    #[test]
    fn what_is_used_is_waited_for_and_what_is_pinned_stays() {
        let mut all = [resident(0, 40, 3), resident(1, 60, 1)];
        all[1].is_used = true;
        let plan = |all: &[Resident], need| plan(need, &settings(100, Strategy::Lazy), all, Loading::default());
        assert_eq!(plan(&all, 30), Plan::Evict(vec![0]));
        assert_eq!(plan(&all, 50), Plan::Wait);
        all[1].pinned = true;
        assert_eq!(plan(&all, 50), Plan::Never { left: 40 });
    }

    #[test]
    fn priority_comes_before_age_and_worth_before_age_where_it_counts() {
        let mut all = [resident(0, 50, 1), resident(1, 50, 2)];
        all[0].priority = 1;
        all[0].worth = 2.0;
        all[1].worth = 1.0;
        assert_eq!(plan(10, &settings(100, Strategy::Lazy), &all, Loading::default()), Plan::Evict(vec![1]));
        all[0].priority = 0;
        assert_eq!(plan(10, &settings(100, Strategy::Lazy), &all, Loading::default()), Plan::Evict(vec![0]));
        assert_eq!(plan(10, &settings(100, Strategy::Adaptive), &all, Loading::default()), Plan::Evict(vec![1]));
    }

    #[test]
    fn models_are_counted_and_those_that_load_as_well() {
        let most = |count| PoolSettings { max_models: Some(count), ..PoolSettings::default() };
        let all = [resident(0, 1, 1)];
        assert_eq!(plan(1, &most(1), &all, Loading::default()), Plan::Evict(vec![0]));
        assert_eq!(plan(1, &most(2), &all, Loading { bytes: 0, count: 1 }), Plan::Evict(vec![0]));
        assert_eq!(plan(1, &most(1), &[], Loading { bytes: 0, count: 1 }), Plan::Wait);
    }

    proptest::proptest! {
        /// Whatever the table holds, a plan that is carried out keeps the budget, takes nothing pinned or used, and nothing twice.
        #[test]
        fn the_budget_holds(
            sizes in proptest::collection::vec((1_u64..50, proptest::bool::ANY, proptest::bool::ANY), 0..8),
            need in 0_u64..120,
            budget in 1_u64..200,
        ) {
            let all: Vec<Resident> = sizes.iter().enumerate().map(|(index, &(bytes, is_used, pinned))| {
                Resident { is_used, pinned, ..resident(index, bytes, index as u64) }
            }).collect();
            if let Plan::Evict(gone) = plan(need, &settings(budget, Strategy::Lazy), &all, Loading::default()) {
                let kept: u64 = all.iter().filter(|one| !gone.contains(&one.index)).map(|one| one.bytes).sum();
                proptest::prop_assert!(kept + need <= budget);
                let mut unique = gone.clone();
                unique.sort_unstable();
                unique.dedup();
                proptest::prop_assert_eq!(unique.len(), gone.len());
                proptest::prop_assert!(gone.iter().all(|&index| !all[index].pinned && !all[index].is_used));
            }
        }
    }
}
