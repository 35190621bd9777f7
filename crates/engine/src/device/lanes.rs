//! Lanes: places on a device where work runs beside other work.

/// Lanes that a device has at most. Four keep a graphics processor busy while one is read; more only take memory.
pub const LANES: usize = 4;

/// Work laid on lanes in turn: 0, 1, 2, 3, 0, …
///
/// What the lanes of one round computed is given out only after the device has been waited for, so that no result is read
/// while it is being written.
#[derive(Debug)]
pub struct Lanes<L> {
    lanes: Vec<L>,
    next: usize,
}

impl<L> Lanes<L> {
    /// Takes at least one lane.
    ///
    /// # Panics
    /// Without a lane.
    #[must_use]
    pub fn new(lanes: Vec<L>) -> Self {
        assert!(!lanes.is_empty(), "work needs a lane");
        Self { lanes, next: 0 }
    }

    /// The lane whose turn it is among those that are free; `None` where none is.
    pub fn take_turn(&mut self, is_free: impl Fn(&L) -> bool) -> Option<&mut L> {
        let count = self.lanes.len();
        let turns = (self.next..self.next + count).map(|turn| turn % count);
        let chosen = turns.into_iter().find(|&lane| is_free(&self.lanes[lane]))?;
        self.next = (chosen + 1) % count;
        self.lanes.get_mut(chosen)
    }

    /// All of them, in order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut L> {
        self.lanes.iter_mut()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &L> {
        self.lanes.iter()
    }

    /// One round: begins work on every lane that has some, waits for the device, then gives the results out in the order of
    /// the lanes. Without work nothing is waited for.
    ///
    /// # Errors
    /// What `synchronize` returns; then no result is given out.
    pub fn round<R, E>(
        &mut self,
        begin: impl FnMut(&mut L) -> Option<R>,
        synchronize: impl FnOnce() -> Result<(), E>,
        mut give_out: impl FnMut(&mut L, R),
    ) -> Result<(), E> {
        let results: Vec<Option<R>> = self.lanes.iter_mut().map(begin).collect();
        if results.iter().all(Option::is_none) {
            return Ok(());
        }
        synchronize()?;
        for (lane, result) in self.lanes.iter_mut().zip(results) {
            if let Some(result) = result {
                give_out(lane, result);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn lanes_take_turns() {
        let mut lanes = Lanes::new((0..LANES).collect());
        let order: Vec<usize> = (0..6).filter_map(|_| lanes.take_turn(|_| true).copied()).collect();
        assert_eq!(order, [0, 1, 2, 3, 0, 1]);
        // Those that are busy are passed over.
        assert_eq!(lanes.take_turn(|&lane| lane == 0).copied(), Some(0));
        assert_eq!(lanes.take_turn(|_| true).copied(), Some(1));
        assert_eq!(lanes.take_turn(|_| false), None);
    }

    #[test]
    fn results_are_given_out_after_the_device_was_waited_for() {
        let mut lanes = Lanes::new(vec![0, 1, 2, 3]);
        let log = RefCell::new(Vec::new());
        let note = |what: String| log.borrow_mut().push(what);
        let ended: Result<(), String> = lanes.round(
            |lane| {
                note(format!("begin {lane}"));
                (*lane != 2).then_some(*lane * 10)
            },
            || {
                note("synchronize".to_owned());
                Ok(())
            },
            |lane, result| note(format!("give {lane} {result}")),
        );
        assert_eq!(ended, Ok(()));
        let expected =
            ["begin 0", "begin 1", "begin 2", "begin 3", "synchronize", "give 0 0", "give 1 10", "give 3 30"];
        assert_eq!(*log.borrow(), expected);
    }

    #[test]
    fn a_device_that_fails_gives_nothing_out() {
        let mut lanes = Lanes::new(vec![0, 1]);
        let ended = lanes.round(|lane| Some(*lane), || Err("lost"), |_, _| panic!("a result was given out"));
        assert_eq!(ended, Err("lost"));
        // Without work there is nothing to wait for.
        let idle = lanes.round(|_| None::<u8>, || Err("asked"), |_, _| panic!("a result was given out"));
        assert_eq!(idle, Ok(()));
    }
}
