//! Which functions asked for memory.

use std::collections::HashMap;

use super::stacks::{Period, Profile};

/// Crates of the standard library, whose functions hand on what others ask for.
const LIBRARY: [&str; 6] = ["alloc::", "core::", "std::", "hashbrown::", "__rust", "["];

/// The functions that asked for most bytes, most first; a function of the standard library stands for who called it. Empty for
/// a profile that is not of allocations.
#[must_use]
pub fn allocation_sites(profile: &Profile, top: usize) -> Vec<(String, u64)> {
    let Some(Period::Allocated(stride)) = profile.period() else { return Vec::new() };
    let mut bytes: HashMap<&str, u64> = HashMap::new();
    let stacks = profile.stacks();
    for (frames, count) in &stacks {
        let site = frames.iter().skip(1).rfind(|name| !is_of_library(name)).or(frames.last());
        let Some(site) = site else { continue };
        let sum = bytes.entry(site).or_default();
        *sum = sum.saturating_add(count.saturating_mul(stride));
    }
    let mut sites: Vec<(String, u64)> = bytes.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    sites.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    sites.truncate(top);
    sites
}

/// Whether a function is of the standard library: by its own path, or for a type without one by that of the trait.
fn is_of_library(name: &str) -> bool {
    let inner = name.trim_start_matches(['<', '&', '*']);
    let (own, of_trait) =
        if name.starts_with('<') { inner.split_once(" as ").unwrap_or((inner, "")) } else { (inner, "") };
    let path = if own.contains("::") || of_trait.is_empty() { own } else { of_trait };
    LIBRARY.iter().any(|library| path.starts_with(library))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_asked_is_found_below_the_library() {
        let mut profile = Profile::new(Some(Period::Allocated(1_000)));
        let mut add = |frames: &[&str], count| profile.add(frames.iter().copied(), Duration::ZERO, count);
        add(&["thread", "app::run", "app::plant", "alloc::vec::Vec<T,A>::resize"], 30);
        add(&["thread", "app::run", "app::plant", "<u8 as alloc::vec::spec_from_elem::SpecFromElem>::from_elem"], 30);
        add(
            &[
                "thread",
                "app::run",
                "<app::Bag as core::iter::Iterator>::next",
                "<alloc::vec::Vec<T> as core::clone::Clone>::clone",
            ],
            20,
        );
        add(&["thread", "app::run"], 1);
        add(&["thread", "core::ops::function::FnOnce::call_once", "[libc.so.6]"], 5);
        let expected =
            [("app::plant", 60_000), ("<app::Bag as core::iter::Iterator>::next", 20_000), ("[libc.so.6]", 5_000)];
        let found = allocation_sites(&profile, 3);
        assert_eq!(found, expected.map(|(name, bytes)| (name.to_owned(), bytes)));
        assert_eq!(allocation_sites(&profile, 10).len(), 4);
        assert_eq!(allocation_sites(&Profile::new(None), 10), Vec::new());
    }
}
