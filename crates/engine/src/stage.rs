//! Which part of an inference a thread is at, for profiles of the processor.
//!
//! An engine marks its threads; a profiler reads the mark of the thread that it has stopped. A mark costs a write to memory
//! of the thread, so that engines set them always.

use std::cell::Cell;
use std::marker::PhantomData;

/// A part of the way from a request to its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Anything that no engine has marked.
    #[default]
    Other,
    /// Reading a model file and making it ready.
    Load,
    /// From text to tokens.
    Tokenize,
    /// A pass over tokens of prompts.
    Prefill,
    /// A pass over the last token of each generation.
    Decode,
    /// A pass over both together, whose time cannot be parted.
    PrefillAndDecode,
    /// From logits to the next token.
    Sample,
    /// From tokens to text, stops and events.
    PostProcess,
}

impl Stage {
    /// Every stage, in the order of an inference; the place is the number.
    pub const ALL: [Self; 8] = [
        Self::Other,
        Self::Load,
        Self::Tokenize,
        Self::Prefill,
        Self::Decode,
        Self::PrefillAndDecode,
        Self::Sample,
        Self::PostProcess,
    ];

    /// Its name in profiles; `None` where nothing is marked.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Other => None,
            Self::Load => Some("[load]"),
            Self::Tokenize => Some("[tokenize]"),
            Self::Prefill => Some("[prefill]"),
            Self::Decode => Some("[decode]"),
            Self::PrefillAndDecode => Some("[prefill+decode]"),
            Self::Sample => Some("[sample]"),
            Self::PostProcess => Some("[post-process]"),
        }
    }

    /// Its number, for an atomic.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The stage with this number; of an unknown number [`Stage::Other`].
    #[must_use]
    pub fn of_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// The stage of this thread. May be called from a signal handler: the mark needs no setting up and is never dropped.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.get()
    }

    /// Marks this thread until the guard is dropped; then it is at what it was at before.
    #[must_use]
    pub fn enter(self) -> StageGuard {
        StageGuard { before: CURRENT.replace(self), thread: PhantomData }
    }
}

thread_local! {
    static CURRENT: Cell<Stage> = const { Cell::new(Stage::Other) };
}

/// Ends a stage when it is dropped, on the thread that began it.
#[derive(Debug)]
pub struct StageGuard {
    before: Stage,
    /// The mark is of one thread, so that the guard stays there.
    thread: PhantomData<*const ()>,
}

impl Drop for StageGuard {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_nest_and_belong_to_a_thread() {
        let outer = Stage::Prefill.enter();
        {
            let _inner = Stage::Sample.enter();
            assert_eq!(Stage::current(), Stage::Sample);
            std::thread::scope(|scope| scope.spawn(|| assert_eq!(Stage::current(), Stage::Other)).join().unwrap());
        }
        assert_eq!(Stage::current(), Stage::Prefill);
        drop(outer);
        assert_eq!(Stage::current(), Stage::Other);
    }

    #[test]
    fn numbers_and_places_agree() {
        for (number, stage) in (0..).zip(Stage::ALL) {
            assert_eq!((stage.number(), Stage::of_number(number)), (number, stage));
        }
        assert_eq!(Stage::of_number(200), Stage::Other);
    }
}
