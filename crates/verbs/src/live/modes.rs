//! The modes of the terminal while the live view is on it.

#[cfg(unix)]
pub(crate) use unix::Modes;

#[cfg(not(unix))]
pub(crate) use other::Modes;

#[cfg(unix)]
mod unix {
    use std::io::stderr;

    use rustix::process::getpgrp;
    use rustix::termios::{
        InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
        tcgetpgrp, tcsetattr,
    };

    /// The code that switches a key off; the systems do not agree on it.
    const OFF: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

    /// The modes as they were before.
    #[derive(Debug)]
    pub(crate) struct Modes(Termios);

    impl Modes {
        /// Keys typed are not shown, and cannot stop the process or its output; Ctrl-C still interrupts. `None` where
        /// stderr is no terminal, or this process is in its background and must leave it alone.
        pub(crate) fn quiet() -> Option<Self> {
            if tcgetpgrp(stderr()).ok()? != getpgrp() {
                return None;
            }
            let before = tcgetattr(stderr()).ok()?;
            let mut quiet = before.clone();
            quiet.local_modes -= LocalModes::ECHO;
            // Ctrl-S would hold the frames back, Ctrl-Z the measurement.
            quiet.input_modes -= InputModes::IXON;
            quiet.special_codes[SpecialCodeIndex::VSUSP] = OFF;
            tcsetattr(stderr(), OptionalActions::Now, &quiet).ok()?;
            Some(Self(before))
        }

        /// Sets the modes as they were, and forgets what was typed blindly.
        pub(crate) fn restore(&self) {
            // There is nobody to tell when the terminal is gone.
            let _ = tcflush(stderr(), QueueSelector::IFlush);
            let _ = tcsetattr(stderr(), OptionalActions::Now, &self.0);
        }
    }
}

#[cfg(not(unix))]
mod other {
    /// Nothing is changed here, so that nothing is to be restored.
    #[derive(Debug)]
    pub(crate) struct Modes;

    impl Modes {
        pub(crate) fn quiet() -> Option<Self> {
            Some(Self)
        }

        pub(crate) fn restore(&self) {}
    }
}
