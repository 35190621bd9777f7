//! A function whose results are kept.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use weighbridge_types::time::Clock;

use crate::key::Key;
use crate::levels::{Keep, Levels};
use crate::tag::Tag;

/// A function that computes a result only when it is not known; `function` is its name, which stands in the key beside the arguments.
///
/// The time of a computation is its cost, unless `keep` says another. Arguments or results without a form in JSON are computed
/// each time. It blocks where levels have lower ones.
///
/// ```
/// use std::sync::Arc;
/// use weighbridge_cache::{Keep, LevelSettings, Levels, SystemWall, Tag, cached};
/// use weighbridge_types::time::Clock;
///
/// let levels = Arc::new(Levels::new(LevelSettings::memory(1 << 20), Arc::new(SystemWall)));
/// let square = cached(levels, "square", Keep::tagged(Tag::new(1, 1)), Clock::start(), |number: &u64| number * number);
/// assert_eq!((square(&7), square(&7)), (49, 49));
/// ```
pub fn cached<A: Serialize, R: Serialize + DeserializeOwned>(
    levels: Arc<Levels>,
    function: &'static str,
    keep: Keep,
    clock: Clock,
    compute: impl Fn(&A) -> R,
) -> impl Fn(&A) -> R {
    move |arguments| {
        let key = Key::of_call(function, &[arguments], &());
        let Ok(key) = key else { return compute(arguments) };
        let known = levels.get(&key, keep.tag).and_then(|(bytes, _)| Tag::decode(&bytes));
        if let Some(known) = known {
            return known;
        }
        let started = clock.now();
        let result = compute(arguments);
        let cost = keep.cost.or(Some(clock.now() - started));
        if let Ok(bytes) = Tag::encode(&result) {
            levels.put(key, bytes, Keep { cost, ..keep });
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualWall;
    use crate::level::LevelSettings;

    #[test]
    fn the_second_call_is_not_computed_until_its_time_is_over() {
        let (wall, calls) = (Arc::new(ManualWall::new(1_000)), Cell::new(0));
        let levels = Arc::new(Levels::new(LevelSettings::memory(1 << 20), wall.clone()));
        let keep = Keep { ttl: Some(Duration::from_secs(5)), ..Keep::tagged(Tag::new(1, 1)) };
        let score = cached(levels.clone(), "score", keep, Clock::start(), |(text, scale): &(&str, u32)| {
            calls.set(calls.get() + 1);
            (text.len(), *scale)
        });
        assert_eq!((score(&("abc", 2)), score(&("abc", 2)), calls.get()), ((3, 2), (3, 2), 1));
        assert_eq!((score(&("abc", 3)), calls.get()), ((3, 3), 2));
        wall.advance(Duration::from_secs(5));
        assert_eq!((score(&("abc", 2)), calls.get()), ((3, 2), 3));
        // The same arguments of another function, or results of another form, are something else.
        let other = cached(levels.clone(), "other", keep, Clock::start(), |_: &(&str, u32)| 0);
        assert_eq!(other(&("abc", 2)), 0);
        let newer = Keep { tag: Tag::new(1, 2), ..keep };
        let score = cached(levels, "score", newer, Clock::start(), |_: &(&str, u32)| "newer".to_owned());
        assert_eq!(score(&("abc", 2)), "newer");
    }
}
